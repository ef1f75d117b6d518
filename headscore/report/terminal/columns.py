"""Rows as aligned columns that fit the width of a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from headscore.report.terminal.style import Style
from headscore.report.terminal.widths import padded, width_of

_BETWEEN = 2  # blanks before each column


def columns(rows: list[list[str]], style: Style, *, left: int) -> list[str]:
    """Return a header and rows as aligned lines, the first `left` cells of each aligned left.

    Where they are wider than the terminal, the words of the header stand below each other; columns
    that still do not fit follow in a block of their own, beside the first `left` ones once more.
    """
    widths = [max(map(width_of, column)) for column in zip(*rows, strict=True)]
    if _length(widths) <= style.width:
        return _block(rows, widths, list(range(len(widths))), left)
    header, *body = rows
    widths = [
        max(map(width_of, [*name.split(), *(row[n] for row in body)]), default=0)
        for n, name in enumerate(header)
    ]
    rows = [*_header(header, widths), *body]
    lines: list[str] = []
    for block in _blocks(widths, left, style.width):
        lines += [""] if lines else []
        # A block of short names has no words in the first lines of the header.
        lines += filter(None, _block(rows, widths, block, left))
    return lines


def _length(widths: list[int]) -> int:
    return sum(_BETWEEN + width for width in widths)


def _header(names: list[str], widths: list[int]) -> list[list[str]]:
    """Return the lines of a header, its words broken to the widths of the columns."""
    broken = [_broken(name, width) for name, width in zip(names, widths, strict=True)]
    height = max(map(len, broken))
    # The last words stand just above the numbers.
    return [
        list(line) for line in zip(*([""] * (height - len(b)) + b for b in broken), strict=True)
    ]


def _broken(name: str, width: int) -> list[str]:
    """Return the words of a name in lines; no word is wider than `width`."""
    lines: list[str] = []
    for word in name.split():
        if lines and width_of(f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(word)
    return lines


def _blocks(widths: list[int], left: int, width: int) -> Iterator[list[int]]:
    """Yield the numbers of the columns of each block, at least one beside the left ones."""
    block = list(range(left))
    for n in range(left, len(widths)):
        if len(block) > left and _length([widths[m] for m in [*block, n]]) > width:
            yield block
            block = list(range(left))
        block.append(n)
    yield block


def _block(rows: list[list[str]], widths: list[int], shown: list[int], left: int) -> list[str]:
    return [
        "".join(" " * _BETWEEN + padded(row[n], widths[n], left=n < left) for n in shown).rstrip()
        for row in rows
    ]
