"""The signs of results, the same in terminal, page, figure and table: one glyph for each state."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from headscore.arrays import Bools, Texts
from headscore.statistics.status import ABSENT, TESTABLE
from headscore.statistics.verdict import HAS, HAS_NOT, UNDECIDED

POSITION, UNTESTED, NO_HEAD, UNKNOWN = "position", "untested", "no_head", "unknown"


@dataclass(frozen=True)
class Sign:
    """A sign, told apart by its shape alone.

    Attributes
    ----------
    glyph
        One character, one column wide in a terminal, and no emoji.
    plain
        The same in ASCII.
    css
        Class of the mark in a page.
    words
        What it means in few words, for legends and screen readers; ``{by}`` is what a control of
        word pairs keeps equal, see `headscore.report.wording.explained_by`.
    """

    glyph: str
    plain: str
    css: str
    words: str


# The more ink, the more is shown: full disc, half disc, question mark, dot, dash.
STATES: Mapping[str, Sign] = {
    HAS: Sign("●", "#", "sign-has", "has the role"),
    POSITION: Sign("◐", "%", "sign-position", "has the role, {by} may explain it"),
    UNDECIDED: Sign("?", "?", "sign-undecided", "undecided"),
    HAS_NOT: Sign("·", ".", "sign-has-not", "lacks the role"),
    UNTESTED: Sign("–", "-", "sign-untested", "not tested"),
    NO_HEAD: Sign("×", "x", "sign-no-head", "the model has no such head"),
    UNKNOWN: Sign("/", "/", "sign-unknown", "lacks the role or undecided (a file of format 1)"),
}
OUTCOMES: Mapping[str, Sign] = {
    "gained": Sign("▲", "A", "sign-gained", "gained the role"),
    "appeared": Sign("△", "a", "sign-appeared", "has the role, undecided before"),
    "lost": Sign("▼", "V", "sign-lost", "lost the role"),
    "vanished": Sign("▽", "v", "sign-vanished", "had the role, undecided after"),
}
_ALWAYS = (HAS, UNDECIDED, HAS_NOT, UNTESTED)


def states(verdict: Texts, beyond: Texts, status: Texts) -> Texts:
    """Return the state of each cell, a key of `STATES`; all of the same shape.

    Parameters
    ----------
    verdict
        What the test shows.
    beyond
        Verdicts of a control of word pairs, empty where a cell has none.
    status
        Whether the cell could be tested.
    """
    has = verdict == HAS
    rules: tuple[tuple[Bools, str], ...] = (
        (has & np.isin(beyond, (HAS_NOT, UNDECIDED)), POSITION),
        (has, HAS),
        (verdict == UNDECIDED, UNDECIDED),
        (np.isin(status, ABSENT), NO_HEAD),
        (verdict == HAS_NOT, HAS_NOT),
        (np.isin(status, TESTABLE), UNKNOWN),
    )
    found = np.select([where for where, _ in rules], [state for _, state in rules], UNTESTED)
    return found.astype(object)


def states_of(
    table: pd.DataFrame, *, verdict: str = "verdict", beyond: str = "beyond_position"
) -> Texts:
    """Return the state of each row of a table by the names of its columns."""
    columns = (table[name].to_numpy(dtype=object) for name in (verdict, beyond, "status"))
    return states(*columns)


def legend(present: Collection[str], by: str = "position") -> dict[str, str]:
    """Return the words of each state, in the order of `STATES`.

    Those that most maps have are there always, the others where they are `present`.

    Parameters
    ----------
    present
        Names of states.
    by
        What the control keeps equal, ``"position"`` or ``"position and word classes"``.
    """
    return {
        state: sign.words.format(by=by)
        for state, sign in STATES.items()
        if state in _ALWAYS or state in present
    }
