"""The table of all cells: rows in the page, and columns as JSON for its script."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from headscore.arrays import Floats
from headscore.report.wording import format_pvalue, number
from headscore.scores.signature import printable_once

MOST_ROWS = 1500  # in the page itself; its script shows the others


@dataclass(frozen=True)
class Column:
    """A column: its name in the table, its title and its format.

    Attributes
    ----------
    kind
        ``int``, ``number``, ``p``, ``bool``, ``text`` or ``verdict``.
    digits
        Significant digits that the script gets; at most four are shown.
    """

    name: str
    title: str
    kind: str
    digits: int = 4

    def cell(self, value: Any) -> str:
        """Return a value as text."""
        if self.kind == "bool":
            return "" if pd.isna(value) or not value else "yes"
        if self.kind == "p":
            return format_pvalue(float(value))
        if self.kind == "number":
            return number(float(value), min(4, self.digits))
        if self.kind == "verdict":
            return str(value).replace("_", " ")
        return printable_once(str(value))


def present(columns: tuple[Column, ...], table: pd.DataFrame) -> list[Column]:
    """Return the columns that are in a table with at least one value."""
    return [
        each
        for each in columns
        if each.name in table and (table[each.name].notna() & (table[each.name] != "")).any()
    ]


def rows(table: pd.DataFrame, columns: list[Column]) -> list[list[str]]:
    """Return the cells of each row as text."""
    written = [[each.cell(value) for value in table[each.name]] for each in columns]
    return [list(row) for row in zip(*written, strict=True)]


def data(
    table: pd.DataFrame, columns: list[Column], roles: tuple[str, ...], order: pd.Index[Any]
) -> dict[str, Any]:
    """Return the columns as JSON can hold them, in the order of the table.

    A column that is equal for all heads of a layer has one value per layer, one that is equal
    for all cells has one value; layer, head and role follow from the position. `order` holds the
    positions of the rows in the order in which the page shows them.
    """
    n_layers, n_heads = int(table["layer"].max()) + 1, int(table["head"].max()) + 1
    shape = len(roles), n_layers, n_heads
    return {
        "roles": [printable_once(role) for role in roles],
        "layers": n_layers,
        "heads": n_heads,
        "order": order.tolist(),
        "columns": [
            {"name": each.name, "title": each.title, "kind": each.kind}
            | _values(table[each.name], each, shape)
            for each in columns
            if each.name not in ("layer", "head", "role")
        ],
    }


def _values(series: pd.Series[Any], column: Column, shape: tuple[int, ...]) -> dict[str, Any]:
    if column.kind in ("text", "verdict"):
        # A text column as an index into its distinct texts, in order of first occurrence.
        codes, names = pd.factorize(series)
        values = _once(codes.astype(np.float64), shape)
        return {
            "values": [int(v) for v in values],
            "names": [printable_once(str(n)) for n in names],
        }
    floats = series.to_numpy(dtype=np.float64, na_value=np.nan)
    return {"values": [_rounded(value, column) for value in _once(floats, shape)]}


def _once(values: Floats, shape: tuple[int, ...]) -> Floats:
    # Try one value for the table, then one per (role, layer), that of head 0; the script expands
    # them by the ratio of lengths. Otherwise all values are written.
    by_layer = values.reshape(shape)[:, :, 0].ravel()
    for fewer in (values[:1], by_layer):
        repeated = np.repeat(fewer, len(values) // len(fewer))
        if np.array_equal(repeated, values, equal_nan=True):
            return fewer
    return values


def _rounded(value: float, column: Column) -> float | int | None:
    # JSON has neither NaN nor infinity.
    if not np.isfinite(value):
        return None
    return int(value) if value == int(value) else float(f"{value:.{column.digits}g}")
