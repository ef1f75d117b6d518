"""The signs of `headscore.report.signs` as SVG paths, drawn like their glyphs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from headscore.arrays import Bools, Texts
from headscore.report.html.paths import CELL
from headscore.report.signs import OUTCOMES, STATES, legend
from headscore.statistics.verdict import HAS

_MIDDLE = 4.5  # of a cell, a square of 9
# Shapes around the middle of a cell. Closed ones are filled, the others drawn with round ends; the
# style sheet puts a border in the colour of the paper around both.
_DISC = "m-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0z"
_SHAPES = {
    "sign-has": _DISC,
    # The left half of a disc, and the right half of a ring.
    "sign-position": "m0-2.5a2.5 2.5 0 0 0 0 5z m0 0a2.5 2.5 0 0 1 0 5v-.8a1.7 1.7 0 0 0 0-3.4z",
    "sign-undecided": "m-1.2-1.1a1.2 1.2 0 1 1 1.9 1q-.7.5-.7 1.1m0 1.4h0",
    "sign-has-not": "m-.6-.6h1.2v1.2h-1.2z",
    "sign-untested": "m-2-.5h4v1h-4z",
    "sign-no-head": "m-1.6-1.6l3.2 3.2m-3.2 0l3.2-3.2",
    "sign-unknown": "m-1.4 2l2.8-4",
    "sign-gained": "m0-2.5l2.5 5h-5z",
    "sign-lost": "m0 2.5l2.5-5h-5z",
    # Triangles with a hole: the inner one runs the other way around.
    "sign-appeared": "m0-2.8l2.8 5.4h-5.6z m0 2l-1.4 2.6h2.8z",
    "sign-vanished": "m0 2.8l2.8-5.4h-5.6z m0-2l-1.4-2.6h2.8z",
}
_DRAWN = ("sign-undecided", "sign-no-head", "sign-unknown")  # not filled
# Those stand once in a page, as SVG markers: most cells of a large model may be undecided, and
# a path that only goes from cell to cell has a tenth of the bytes.
MARKERS = {css: f"M0 0{_SHAPES[css]}" for css in _DRAWN}


def state_marks(state: Texts, names: Iterable[str] = STATES) -> list[dict[str, Any]]:
    """Return the marks of states (layer, head): css class and path, empty where it is nowhere."""
    return [_mark(STATES[name].css, state == name) for name in names]


def outcome_marks(outcome: Texts) -> list[dict[str, Any]]:
    """Return the marks of outcomes (layer, head), as `state_marks`."""
    return [_mark(sign.css, outcome == name) for name, sign in OUTCOMES.items()]


def state_keys(present: Iterable[str], by: str, words: Mapping[str, str] = {}) -> list[Any]:
    """Return class, path and words of each state for a legend; `words` replace those of a state."""
    found = legend(set(present), by)
    return [_key(STATES[name].css, words.get(name, text)) for name, text in found.items()]


def outcome_keys(words: Mapping[str, str]) -> list[Any]:
    """Return class, path and words of each outcome for a legend."""
    return [_key(sign.css, words[name]) for name, sign in OUTCOMES.items()]


def shape(state: str = HAS) -> str:
    """Return the path of a state, from the middle of a cell on."""
    return _SHAPES[STATES[state].css]


def _mark(css: str, where: Bools) -> dict[str, Any]:
    drawn = css in MARKERS
    after = "" if drawn else _SHAPES[css]
    path = "".join(
        f"M{h * CELL + _MIDDLE} {k * CELL + _MIDDLE}{after}" for k, h in np.argwhere(where)
    )
    return {"css": css, "path": path, "drawn": drawn}


def _key(css: str, words: str) -> dict[str, Any]:
    path = f"M{_MIDDLE} {_MIDDLE}{_SHAPES[css]}"
    return {"css": css, "path": path, "drawn": css in MARKERS, "words": words}
