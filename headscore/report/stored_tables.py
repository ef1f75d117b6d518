"""Several tables of different lengths in one file."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from headscore import files
from headscore.arrays import Array
from headscore.statistics.columns import Columns

Tables = Mapping[str, Columns]  # name -> columns; arrays are named "table.column"


def layout(tables: Tables) -> dict[str, files.Field]:
    """Return dtype and axes of the columns of all tables, each table with letters of its own."""
    # The numbers of a table share an axis, 0, 1, 2, ...; its packed texts have one each: A, B, ...
    letters = iter("ABCDEFGHIJKLMNOPQRSTUVWXYZ")
    return {
        f"{table}.{name}": files.Field(
            field.dtype, str(number) if field.axes == "c" else next(letters)
        )
        for number, (table, columns) in enumerate(tables.items())
        for name, field in columns.layout().items()
    }


def to_arrays(tables: Tables, frames: Mapping[str, pd.DataFrame]) -> dict[str, Array]:
    """Return the columns of all tables as a file holds them."""
    return {
        f"{table}.{name}": column
        for table, columns in tables.items()
        for name, column in columns.to_arrays(frames[table]).items()
    }


def from_arrays(tables: Tables, arrays: Mapping[str, Array]) -> dict[str, pd.DataFrame]:
    """Return the tables of a file; raise InputError where columns differ in length."""
    return {
        table: columns.from_arrays({name: arrays[f"{table}.{name}"] for name in columns.dtypes})
        for table, columns in tables.items()
    }
