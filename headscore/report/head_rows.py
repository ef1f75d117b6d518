"""HeadRows: rows of a report that print what one reads first."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

FIRST = ("role", "layer", "head", "mean", "ci_low", "verdict", "position_mean", "beyond")
_WIDTH = 80  # columns of a terminal


class HeadRows(pd.DataFrame):
    """A table of heads that prints the columns `FIRST`, which fit 80 columns, and counts the rest.

    Everything else is as in pandas. A table that does not begin with these columns prints as any
    other one.
    """

    @property
    def _constructor(self) -> Callable[..., HeadRows]:
        return HeadRows

    def __repr__(self) -> str:
        """Return the first columns as text, with two decimals."""
        if not self._is_whole():
            return repr(pd.DataFrame(self))
        rows = pd.get_option("display.max_rows")
        text = self._first().to_string(
            float_format="{:.2f}".format, na_rep="", max_rows=rows, line_width=_WIDTH
        )
        return f"{text}\n\n[{self._size()}]"

    def _repr_html_(self) -> Any:
        """Return the first columns as HTML, for notebooks."""
        if not self._is_whole():
            return pd.DataFrame(self)._repr_html_()  # type: ignore[operator]  # not in the stubs of pandas
        table = self._first().to_html(
            float_format="{:.2f}".format,
            na_rep="",
            max_rows=pd.get_option("display.max_rows"),
            border=0,
        )
        return f"{table}<p>{self._size()}</p>"

    def _is_whole(self) -> bool:
        return len(self) > 0 and tuple(self.columns[: len(FIRST)]) == FIRST

    def _first(self) -> pd.DataFrame:
        return pd.DataFrame(self[list(FIRST)])

    def _size(self) -> str:
        more = len(self.columns) - len(FIRST)
        return f"{len(self)} rows; {more} more columns, as .columns lists them"


def head_rows(rows: pd.DataFrame, control: str) -> HeadRows:
    """Return rows of a report, the columns `FIRST` first; ``beyond`` is the column `control`."""
    beyond = rows.assign(beyond=rows[control])
    others = [name for name in beyond if name not in FIRST]
    return HeadRows(beyond[[*FIRST, *others]])
