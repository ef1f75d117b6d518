"""Style of text for a terminal: width, signs, colours, lines that fit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from headscore.report.signs import OUTCOMES, POSITION, STATES
from headscore.report.terminal.widths import cut, width_of, wrap
from headscore.scores.signature import printable
from headscore.statistics.verdict import HAS, HAS_NOT, UNDECIDED

_GAP = "   "  # between what stands side by side
# Codes of a terminal; they repeat what the shape of a sign shows.
_COLOURS = {HAS: "1;36", POSITION: "36", UNDECIDED: "33", HAS_NOT: "2"}
_LEAST = 40  # columns: no text is broken into shorter lines


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
        signs = self.signs
        for state, code in _COLOURS.items():
            sign = signs[state]
            # Escape codes hold digits, "[", "m" and ";" but no sign of a map, so the next replace
            # is safe.
            line = line.replace(sign, f"\x1b[{code}m{sign}\x1b[0m")
        return line

    @property
    def signs(self) -> dict[str, str]:
        """A sign for each state of a head in a role, and for each outcome of a comparison."""
        return {
            name: sign.glyph if self.unicode else sign.plain
            for name, sign in {**STATES, **OUTCOMES}.items()
        }

    @property
    def room(self) -> int:
        """Columns of a line of text."""
        return max(self.width, _LEAST)


def wrapped(text: str, style: Style, *, indent: int = 0) -> list[str]:
    """Return a text in lines of the terminal's width; `indent` is that of the first line."""
    return wrap(text, style.room, first=" " * indent, rest=" " * (2 * indent))


def titled(title: str, note: str, style: Style) -> list[str]:
    """Return a heading with a note beside it, or below it where both do not fit."""
    if width_of(f"{title}{_GAP}{note}") <= style.room:
        return [f"{style.heading(title)}{_GAP}{note}"]
    return [style.heading(title), *wrapped(note, style)]


def flowed(entries: Iterable[str], style: Style) -> list[str]:
    """Return entries one after the other, as many in a line as fit; none is torn."""
    lines: list[str] = []
    for entry in entries:
        if lines and width_of(f"{lines[-1]}{_GAP}{entry}") <= style.room:
            lines[-1] += _GAP + entry
        else:
            lines += wrapped(entry, style)
    return lines


def short(text: str, most: int) -> str:
    """Return a name in at most so many columns."""
    name = printable(text)
    return name if width_of(name) <= most else f"{cut(name, most - 3)}..."


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
