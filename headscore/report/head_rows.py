"""HeadRows: rows of a report that print what one reads first."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from html import escape
from typing import Any, ClassVar

import pandas as pd

_POSITION = "position_mean"
FIRST = ("role", "layer", "head", "mean", "ci_low", "verdict", _POSITION, "beyond")
_WIDTH = 80  # columns of a terminal


class HeadRows(pd.DataFrame):
    """A table of heads that prints the columns `FIRST`, which fit 80 columns, and counts the rest.

    Everything else is as in pandas. A table that does not begin with these columns prints as any
    other one.

    Attributes
    ----------
    note
        Why position_mean is missing, printed in its place; empty where it is not.
    nothing
        What is printed in place of a table without rows; empty for a part of a table with some.
    """

    _metadata: ClassVar[list[str]] = ["note", "nothing"]  # passed on to parts of a table
    note: str = ""
    nothing: str = ""

    @property
    def _constructor(self) -> Callable[..., HeadRows]:
        return HeadRows

    def __repr__(self) -> str:
        """Return the first columns as text, with two decimals."""
        if not len(self) and self.nothing:
            return textwrap.fill(self.nothing, _WIDTH)
        if not self._is_whole():
            return repr(pd.DataFrame(self))
        rows = pd.get_option("display.max_rows")
        text = self._first().to_string(
            float_format="{:.2f}".format, na_rep="", max_rows=rows, line_width=_WIDTH
        )
        return "\n".join(
            [text, "", *(textwrap.fill(f"[{line}]", _WIDTH) for line in self._notes())]
        )

    def _repr_html_(self) -> Any:
        """Return the first columns as HTML, for notebooks."""
        if not len(self) and self.nothing:
            return f"<p>{escape(self.nothing)}</p>"
        if not self._is_whole():
            return pd.DataFrame(self)._repr_html_()  # type: ignore[operator]  # not in the stubs of pandas
        table = self._first().to_html(
            float_format="{:.2f}".format,
            na_rep="",
            max_rows=pd.get_option("display.max_rows"),
            border=0,
        )
        return table + "".join(f"<p>{line}</p>" for line in self._notes())

    def _is_whole(self) -> bool:
        return len(self) > 0 and tuple(self.columns[: len(FIRST)]) == FIRST

    def _first(self) -> pd.DataFrame:
        return pd.DataFrame(self[[each for each in FIRST if not (self.note and each == _POSITION)]])

    def _notes(self) -> list[str]:
        more = len(self.columns) - len(self._first().columns)
        size = f"{len(self)} rows; {more} more columns, as .columns lists them"
        return [size, self.note] if self.note else [size]


def head_rows(rows: pd.DataFrame, *, note: str = "", nothing: str = "") -> HeadRows:
    """Return rows of a report, the columns `FIRST` first."""
    others = [name for name in rows if name not in FIRST]
    found = HeadRows(rows[[*FIRST, *others]])
    found.note, found.nothing = note, "" if len(found) else nothing
    return found
