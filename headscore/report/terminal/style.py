"""Style of text for a terminal: width, signs, colours, aligned columns."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from dataclasses import dataclass

from headscore.scores.head_scores import printable

# Codes of a terminal.
_COLOURS = {"label": "1;36", "position": "36", "undecided": "33", "not": "2"}


@dataclass(frozen=True)
class Style:
    """Width, signs and colours of a terminal.

    Attributes
    ----------
    width
        Columns.
    unicode
        Whether signs beyond ASCII can be shown.
    color
        Whether headings are bold and signs have colours.
    """

    width: int = 80
    unicode: bool = True
    color: bool = False

    def heading(self, text: str) -> str:
        """Return a heading."""
        return f"\x1b[1m{text}\x1b[0m" if self.color else text

    def painted(self, line: str) -> str:
        """Return a line of a map with coloured signs."""
        if not self.color:
            return line
        for state, code in _COLOURS.items():
            sign = self.signs[state]
            # Escape codes hold digits, "[", "m" and ";" but no sign of a map, so the next replace
            # is safe.
            line = line.replace(sign, f"\x1b[{code}m{sign}\x1b[0m")
        return line

    @property
    def signs(self) -> dict[str, str]:
        """A sign for each state of a head in a role."""
        states = ("label", "position", "undecided", "not", "untested", "absent", "unknown")
        return dict(zip(states, "●◐○·–×?" if self.unicode else "#%o.-x?", strict=True))


def wrapped(text: str, style: Style, *, indent: int = 0) -> list[str]:
    """Return a text in lines of the terminal's width; `indent` is that of the first line."""
    first, rest = " " * indent, " " * (2 * indent)
    return textwrap.wrap(
        text,
        max(style.width, 40),
        initial_indent=first,
        subsequent_indent=rest,
        break_on_hyphens=False,
    )


def columns(rows: list[list[str]], *, left: int) -> list[str]:
    """Return rows as aligned lines, the first `left` cells of each aligned left."""
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    align: list[Callable[[str, int], str]] = [
        str.ljust if n < left else str.rjust for n in range(len(widths))
    ]
    return [
        "  " + "  ".join(align[n](cell, widths[n]) for n, cell in enumerate(row)).rstrip()
        for row in rows
    ]


def short(text: str, most: int) -> str:
    """Return a name in at most so many letters."""
    name = printable(text)
    return name if len(name) <= most else f"{name[: most - 3]}..."


def joined(parts: list[list[str]]) -> str:
    """Return the lines of all parts, with an empty line between two of them."""
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def run_lines(notes: list[str], signature: str, saved: str | None, style: Style) -> list[str]:
    """Return the part "Run": notes, the signature, and where the result was saved, if it was."""
    lines = [style.heading("Run")]
    for note in notes:
        lines += wrapped(note, style)
    lines.append(f"signature: {signature}")
    if saved is not None:
        lines.append(f"saved: {printable(saved)}")
    return lines
