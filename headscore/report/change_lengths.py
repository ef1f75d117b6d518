"""The lengths of the sequences of two samples, which a comparison of scores depends on."""

from __future__ import annotations

from collections.abc import Mapping
from math import inf

from headscore.options import ATTAINED
from headscore.report.side_words import places_of
from headscore.report.stored_facts import Rule, accepts
from headscore.scores.head_scores import HeadScores

_ALIKE = 1.1  # mean lengths of a smaller ratio are not worth a sentence
_FACTS = ("before tokens", "after tokens")
_LENGTH = Rule("a number of tokens", accepts(lambda text: 0 < float(text) < inf), optional=True)
RULES = dict.fromkeys(_FACTS, _LENGTH)


def facts_of(sides: tuple[HeadScores, HeadScores]) -> dict[str, str]:
    """Return the mean number of tokens on each side; nothing where lengths are unknown."""
    lengths = [each.lengths for each in sides]
    known = [each for each in lengths if each is not None]
    if len(known) < len(lengths):
        return {}
    return {name: f"{each.mean():.1f}" for name, each in zip(_FACTS, known, strict=True)}


def sentence(facts: Mapping[str, str]) -> str:
    """Return a warning where the sequences of the sides differ in length, else ""."""
    if not all(name in facts for name in _FACTS):
        return ""
    before, after = (float(facts[name]) for name in _FACTS)
    places = places_of(facts)
    if max(before, after) < _ALIKE * min(before, after):
        return ""
    differ = (
        f"sequences have {before:g} tokens on average {places['before']} and {after:g} "
        f"{places['after']}"
    )
    if facts.get("criterion") == ATTAINED:
        return (
            f"{differ}: attained allows for what is attainable in texts of each length, not for "
            "heads that attend otherwise in longer ones"
        )
    return f"{differ}, and raw scores grow with length: compare by criterion attained"
