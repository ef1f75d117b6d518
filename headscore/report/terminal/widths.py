"""Width of text in a terminal, which is not its number of letters."""

from __future__ import annotations

import textwrap
import unicodedata

_MARKS = ("Mn", "Me")  # combining: drawn over the letter before
_WIDE = ("W", "F")  # of East Asian scripts
_SECOND = "\uffff"  # no letter: the second column of a wide one


def width_of(text: str) -> int:
    """Return the terminal columns of a text: two for a wide letter, none for a combining mark."""
    return len(text) if text.isascii() else sum(map(_width, text))


def padded(text: str, width: int, *, left: bool = True) -> str:
    """Return a text with blanks to a width, after it where it is aligned left, else before."""
    blanks = " " * (width - width_of(text))
    return text + blanks if left else blanks + text


def cut(text: str, width: int) -> str:
    """Return the longest beginning of a text that is no wider than `width`."""
    while width_of(text) > width:
        text = text[:-1]
    return text


def wrap(text: str, width: int, *, first: str = "", rest: str = "") -> list[str]:
    """Return a text in lines no wider than `width`, broken at blanks; with indents as given."""
    # textwrap counts letters, so that a wide one becomes two for it.
    spread = (
        text if text.isascii() else "".join(each + _SECOND * (_width(each) - 1) for each in text)
    )
    lines = textwrap.wrap(
        spread, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False
    )
    return [line for each in lines if (line := each.replace(_SECOND, "")).strip()]


def _width(letter: str) -> int:
    if unicodedata.category(letter) in _MARKS:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in _WIDE else 1
