"""A strip: the tokens around a query and its keys in one line, the others left out, with arcs."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator
from collections.abc import Sequence as Many
from dataclasses import dataclass
from typing import Any

from headscore.report.example_set import Attended, Pair, percent

# Units of the view box, of a font in which all letters are as wide. A strip is at most as wide as
# the column of a telephone, so that its arcs are in sight without scrolling.
WIDTH, HEIGHT = 344, 112
_LETTER, _GAP = 7.8, 9.0
_BASE = 82.0  # of the words; arcs end 14 above it
_LONGEST = 13  # letters of a token
_ELLIPSIS = "…"


@dataclass(frozen=True)
class _Box:
    """A token of a strip, or tokens left out (`at` is None)."""

    at: int | None
    text: str
    middle: float


def strip(tokens: Many[str], pair: Pair, *, rightwards: bool = True) -> dict[str, Any]:
    """Return the words and arcs of a pair.

    Parameters
    ----------
    tokens
        All tokens of the sequence, as they can be printed.
    pair
        The pair, with the keys that it attends to.
    rightwards
        Whether the text runs from left to right.
    """
    chosen = _chosen(tokens, pair)
    boxes, width = _laid_out(tokens, chosen)
    if not rightwards:
        boxes = [_Box(each.at, each.text, width - each.middle) for each in boxes]
    middle = {each.at: each.middle for each in boxes if each.at is not None}
    share = {each.key: each.share for each in pair.attended}
    begins = [middle[row] for row in pair.rows if row in middle]
    begin = sum(begins) / len(begins)
    seen = [each for each in pair.attended if each.key in middle]
    return {
        "width": round(width),
        "words": [
            {
                "text": each.text,
                "x": round(each.middle, 1),
                "kind": _kind(each.at, pair),
                "share": percent(share[each.at]) if each.at in share else "",
            }
            for each in boxes
        ],
        # The strongest last, above the others.
        "arcs": [_arc(begin, middle[each.key], each, pair) for each in reversed(seen)],
    }


def _kind(at: int | None, pair: Pair) -> str:
    if at in pair.rows:
        return "looks"
    return "own" if at in pair.keys else ""


def _arc(begin: float, end: float, attended: Attended, pair: Pair) -> dict[str, Any]:
    """Return an arc from the queries to a key, a loop where they are the same."""
    low = _BASE - 14
    # Higher arcs for longer distances, up to 60 units. Cubic Bezier: its top is at 3/4 of the
    # height of its control points.
    high = min(60.0, 20 + abs(end - begin) * 0.22) / 0.75
    spread = 14 if abs(end - begin) < 1 else 0
    return {
        "path": f"M{begin - spread / 3:.1f} {low}C{begin - spread:.1f} {low - high:.1f} "
        f"{end + spread:.1f} {low - high:.1f} {end + spread / 3:.1f} {low}",
        "tip": f"M{end + spread / 3 - 3.5:.1f} {low - 6}l3.5 6l3.5 -6",
        "width": round(1 + 3 * attended.share, 2),
        "own": attended.key in pair.keys,
    }


def _chosen(tokens: Many[str], pair: Pair) -> list[int]:
    """Return the tokens of a strip, as many as fit: what matters most, then its neighbours."""
    found: set[int] = set()
    n_first = 0
    for at in _by_importance(len(tokens), pair):
        n_first += 1
        if at in found:
            continue
        # The query and its strongest key stand in any strip.
        if len(found) < 2 or _laid_out(tokens, sorted({*found, at}))[1] <= WIDTH:
            found.add(at)
        elif n_first > len(pair.rows) + len(pair.attended):
            break
    return sorted(found)


def _by_importance(n_tokens: int, pair: Pair) -> Iterator[int]:
    own = [each.key for each in pair.attended if each.key in pair.keys]
    yield from (*pair.rows[:1], *(own or pair.keys)[:1], *pair.rows[1:])
    yield from (each.key for each in pair.elsewhere[:1])
    yield from (each.key for each in pair.attended)
    ends = (*pair.rows, *own[:1])
    for distance in range(1, n_tokens):
        near = (at + step for at in ends for step in (-distance, distance))
        yield from (at for at in near if 0 <= at < n_tokens)


def _laid_out(tokens: Many[str], chosen: Many[int]) -> tuple[list[_Box], float]:
    """Return some tokens of a sequence in a line, with a mark wherever some are left out."""
    # | gap | token 0 | gap | ... | gap | token 7 | gap |
    boxes, x = [], _GAP
    for at in _with_gaps(chosen, len(tokens)):
        text = _ELLIPSIS if at is None else _shortened(tokens[at])
        # Below a word stands a share of up to four letters.
        wide = _LETTER * (1 if at is None else max(4, columns(text)))
        boxes.append(_Box(at, text, x + wide / 2))
        x += wide + _GAP
    return boxes, x


def _with_gaps(chosen: Iterable[int], n_tokens: int) -> Iterator[int | None]:
    before = -1
    for at in (*chosen, n_tokens):
        if at > before + 1:
            yield None
        if at < n_tokens:
            yield at
        before = at


def _shortened(token: str) -> str:
    return token if len(token) <= _LONGEST else token[: _LONGEST - 1] + _ELLIPSIS


def columns(text: str) -> int:
    """Return the width of a text in letters: wide (W) and full-width (F) ones take two."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text) or 1


def runs_rightwards(tokens: Iterable[str]) -> bool:
    """Return whether a text runs from left to right, by most of its letters."""
    # Not by special tokens such as [CLS] and <s>, whose names are Latin.
    words = (token for token in tokens if token[:1] + token[-1:] not in ("[]", "<>"))
    kinds = [unicodedata.bidirectional(letter) for word in words for letter in word]
    return kinds.count("L") >= kinds.count("R") + kinds.count("AL")
