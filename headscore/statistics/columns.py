"""Columns: names and dtypes of a table with a row for each cell, in memory and in a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from headscore import files
from headscore.arrays import Array
from headscore.errors import InputError

_MISSING = {"float64": np.nan, "Int64": np.nan, "str": ""}
_NULLABLE = ("boolean", "Int64")  # a file holds them as numbers or NaN


@dataclass(frozen=True)
class Columns:
    """The columns of a table.

    Attributes
    ----------
    dtypes
        Name -> dtype, in order: "str", "int64", "float64", "bool", or "Int64" and "boolean" for
        those that may be missing, which a file holds as numbers, or 1 and 0, or NaN.
    optional
        Names of columns of texts, "float64" or "Int64" that a file may lack: they are then empty
        or missing.
    allowed
        Name of a column of texts -> all of its values, where they can be listed.
    """

    dtypes: Mapping[str, str]
    optional: tuple[str, ...] = ()
    allowed: Mapping[str, Sequence[str]] = field(default_factory=dict)

    @property
    def texts(self) -> tuple[str, ...]:
        """Names of the columns of texts."""
        return tuple(name for name, dtype in self.dtypes.items() if dtype == "str")

    def frame(self, columns: Mapping[str, Any]) -> pd.DataFrame:
        """Make a table of its columns by name, each with its dtype."""
        return pd.DataFrame(
            {
                name: pd.Series(columns[name], dtype="object" if dtype == "str" else dtype)
                for name, dtype in self.dtypes.items()
            }
        )

    def layout(self) -> dict[str, files.Field]:
        """Return dtype and axes of each column in a file; each packed text has its own axis."""
        # Axis letters of a file: all columns of numbers share the axis "c" (cell), so they must
        # agree in length; the packed bytes of a column of texts have any length, hence a letter
        # each: A, B, ...
        texts = self.texts
        return {
            name: files.Field(
                "uint8" if name in texts else _stored(dtype),
                chr(ord("A") + texts.index(name)) if name in texts else "c",
                optional=name in self.optional,
            )
            for name, dtype in self.dtypes.items()
        }

    def to_arrays(self, table: pd.DataFrame) -> dict[str, Array]:
        """Return the columns of a table as a file holds them."""
        return {
            name: files.pack(table[name].tolist())
            if dtype == "str"
            else table[name].to_numpy(_stored(dtype), na_value=np.nan)
            if dtype in _NULLABLE
            else np.asarray(table[name], _stored(dtype))
            for name, dtype in self.dtypes.items()
        }

    def from_arrays(self, arrays: Mapping[str, Array]) -> pd.DataFrame:
        """Return the table that a file holds.

        Raises
        ------
        InputError
            Columns differ in length, or hold something else than texts that are allowed.
        """
        rows = next(len(arrays[name]) for name in self.dtypes if name not in self.texts)
        lacking = {
            name: _MISSING[self.dtypes[name]] for name in self.optional if name not in arrays
        }
        columns: dict[str, Any] = {name: [empty] * rows for name, empty in lacking.items()}
        columns |= {name: arrays[name] for name in self.dtypes if name not in lacking}
        for name in set(self.texts) - lacking.keys():
            columns[name] = files.unpack(arrays[name])
            if len(columns[name]) != rows:
                raise InputError(
                    f"column {name} must have {rows} entries, got {len(columns[name])}"
                )
            self._check_texts(name, columns[name])
        return self.frame(columns)

    def _check_texts(self, name: str, texts: Sequence[Any]) -> None:
        """Raise InputError where a column of texts holds something else."""
        allowed = self.allowed.get(name)
        for text in texts:
            if not isinstance(text, str) or (allowed is not None and text not in allowed):
                rule = "texts" if allowed is None else f"one of {', '.join(filter(None, allowed))}"
                raise InputError(f"column {name} must hold {rule}, got {text!r:.60}")


def _stored(dtype: str) -> str:
    # pandas' nullable dtypes have no numpy dtype: true, false, missing become 1.0, 0.0, NaN.
    return "float64" if dtype in _NULLABLE else dtype
