"""Where the word pairs of two samples stand, which a comparison of scores depends on."""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np

from headscore.arrays import Floats
from headscore.report.side_words import is_paired, places_of
from headscore.report.stored_facts import Rule, accepts
from headscore.report.wording import number
from headscore.scores.head_scores import HeadScores
from headscore.scores.signature import printable
from headscore.sieves.odds import FACTORS

_ALIKE = 1.25  # random halves of the demo's corpus differ by 1.07 at most
_FACT = "position"
_ITEM = re.compile(r"(.+?) ([-+.e\d]+) and ([-+.e\d]+)(?:; |$)")  # of the fact
_SELECTED = ("selected", "before selected", "after selected")
_VISIBLE, _POSITION = 1, 2 + FACTORS.tolist().index(1.0)  # rows of `HeadScores.position_sums`
RULES = {
    _FACT: Rule("shares of attention", accepts(lambda fact: bool(_items(fact))), optional=True)
}


def facts_of(sides: tuple[HeadScores, HeadScores]) -> dict[str, str]:
    """Return the roles whose pairs position gives other shares of attention on both sides.

    The share is that which a head gives, on average, to entries at the offsets of the pairs where
    the parse has no arc; the mean of all heads. Nothing where it is unknown, as of some sequences
    of a corpus.
    """
    shares = [_shares(each) for each in sides]
    found = [
        f"{printable(role)} {number(before, 2)} and {number(after, 2)}"
        for role, before, after in zip(sides[0].roles, *shares, strict=True)
        if max(before, after) > _ALIKE * min(before, after)
    ]
    return {_FACT: "; ".join(found)} if found else {}


def sentence(facts: Mapping[str, str], *, of_pairs: bool) -> str:
    """Return a warning where position may explain a difference of two samples, else "".

    Parameters
    ----------
    facts
        Of the comparison.
    of_pairs
        Some role has word pairs.
    """
    if _FACT in facts:
        return (
            f"position alone gives {_in_percent(facts)} (mean of all heads, at the distances of "
            "a role's word pairs where the parse has no arc), so a difference of attention may be "
            "due to where the words stand, not to their relation"
        )
    if of_pairs and not is_paired(facts) and any(name in facts for name in _SELECTED):
        return (
            "whether word pairs stand at other distances on each side is not known of selected "
            "sequences: score each side on its own"
        )
    return ""


def _in_percent(facts: Mapping[str, str]) -> str:
    """Return the shares of the fact, ``"nsubj 3.4 % of attention in near and 4.3 % in far"``."""
    places = places_of(facts)
    (role, *first), *others = _items(facts[_FACT])
    before, after = map(_percent, first)
    text = f"{role} {before} of attention {places['before']} and {after} {places['after']}"
    rest = [f"{role} {_percent(before)} and {_percent(after)}" for role, before, after in others]
    return ", ".join([text, *rest])


def _items(fact: str) -> list[tuple[str, float, float]]:
    """Return role and both shares of each item of the fact; raise ValueError for another text."""
    found = [(role, float(before), float(after)) for role, before, after in _ITEM.findall(fact)]
    if not found:
        raise ValueError("no share")
    return found


def _percent(share: float) -> str:
    return f"{100 * share:.3g} %"  # the fact has two digits


def _shares(scores: HeadScores) -> Floats:
    """Return for each role the mean share of all heads; NaN where it is unknown."""
    if scores.position_sums is None:
        return np.full(len(scores.roles), np.nan)
    sums = scores.position_sums.astype(np.float64)
    heads = sums[_VISIBLE] > 0
    share = np.divide(sums[_POSITION], sums[_VISIBLE], out=np.zeros_like(sums[0]), where=heads)
    n_heads = heads.sum(axis=(1, 2))
    return np.where(n_heads > 0, share.sum(axis=(1, 2)) / np.maximum(n_heads, 1), np.nan)
