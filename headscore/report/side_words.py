"""The two sides of a comparison: their names, and words for what differs between them."""

from __future__ import annotations

from collections.abc import Mapping

from headscore.corpus.naming import CORPUS_NAME
from headscore.options import ATTAINED
from headscore.report.signs import OUTCOMES
from headscore.scores.signature import printable

SIDES = ("before", "after")
UNPAIRED = "nothing"  # the fact "paired_by" of two samples
Facts = Mapping[str, str]
# Of two samples nothing is gained or lost.
_OF_SAMPLES: Mapping[str, str] = {
    "gained": "only {after}",
    "appeared": "{after}, undecided {before}",
    "lost": "only {before}",
    "vanished": "{before}, undecided {after}",
}


def is_paired(facts: Facts) -> bool:
    """Return whether both sides are of the same sequences."""
    return facts.get("paired_by") != UNPAIRED


def names_of(facts: Facts) -> tuple[str, str]:
    """Return the names of both sides: those given, of two samples else those of their corpora."""
    corpora = SIDES if is_paired(facts) else [f"{side} {CORPUS_NAME}" for side in SIDES]
    before, after = (
        facts.get(f"{side} name") or facts.get(corpus, side)
        for side, corpus in zip(SIDES, corpora, strict=True)
    )
    return before, after


def places_of(facts: Facts) -> dict[str, str]:
    """Return by side where something is: ``"in questions"``, ``"before"`` without a name."""
    names = zip(SIDES, names_of(facts), strict=True)
    return {side: side if name == side else f"in {printable(name)}" for side, name in names}


def change_word(facts: Facts) -> str:
    """Return what after - before is called."""
    return "change" if is_paired(facts) else "difference"


def directions_of(facts: Facts) -> tuple[str, str]:
    """Return what a score did where after - before is positive, and where it is negative."""
    places = places_of(facts)
    if is_paired(facts):
        return "rose", "fell"
    return f"is larger {places['after']}", f"is larger {places['before']}"


def scale_name(facts: Facts) -> str:
    """Return what is compared."""
    attained = not is_paired(facts) and facts.get("criterion") == ATTAINED
    return "attained effect" if attained else "mean score"


def outcomes_of(facts: Facts) -> dict[str, str]:
    """Return what each significant outcome means for a head, as `signs.OUTCOMES` names them."""
    if is_paired(facts):
        return {name: sign.words for name, sign in OUTCOMES.items()}
    return {name: f"has the role {text}" for name, text in short_outcomes_of(facts).items()}


def short_outcomes_of(facts: Facts) -> dict[str, str]:
    """Return each significant outcome in short: its name, of two samples where the role is."""
    if is_paired(facts):
        return {name: name for name in OUTCOMES}
    places = places_of(facts)
    return {name: text.format(**places) for name, text in _OF_SAMPLES.items()}
