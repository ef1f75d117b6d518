"""Width of text in a terminal, which is not its number of letters."""

from __future__ import annotations

import unicodedata

_MARKS = ("Mn", "Me")  # combining: drawn over the letter before
_WIDE = ("W", "F")  # of East Asian scripts


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


def _width(letter: str) -> int:
    if unicodedata.category(letter) in _MARKS:
        return 0
    return 2 if unicodedata.east_asian_width(letter) in _WIDE else 1
