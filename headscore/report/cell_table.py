"""CellTable: a table with a row for each cell (role, layer, head), and the facts of the run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from headscore import files
from headscore.arrays import Ints
from headscore.errors import InputError, UsageError, unknown_name
from headscore.log import log
from headscore.report.base_table import BaseTable
from headscore.report.older import Older
from headscore.statistics.columns import Columns
from headscore.statistics.status import ABSENT

Table = TypeVar("Table", bound="CellTable")


@dataclass(frozen=True, eq=False, repr=False)
class CellTable(BaseTable):
    """A table of cells.

    Attributes
    ----------
    table
        One row per cell, in the order of the roles, then layers, then heads.
    roles
        Name of each role.
    facts
        The entries of the signature, in order.
    counts
        Counts of the run.

    Raises
    ------
    InputError
        The rows are not all heads of the first role, then of the second, ...
    """

    COLUMNS: ClassVar[Columns]
    KIND: ClassVar[str]
    EXTRA: ClassVar[Mapping[str, files.Field]] = {}  # arrays of a file beside the columns
    OLDER: ClassVar[Mapping[int, Older]]  # by format version

    table: pd.DataFrame
    roles: tuple[str, ...]
    facts: Mapping[str, str]
    counts: Mapping[str, int]

    def __post_init__(self) -> None:
        columns = list(self.COLUMNS.dtypes)
        if list(self.table) != columns:
            raise InputError(f"table must have the columns {columns}, got {list(self.table)}")
        n_heads = len(self.table) // max(len(self.roles), 1)
        # Every `array` reshapes columns to (role, layer, head), which is right in this order only.
        expected = [role for role in self.roles for _ in range(n_heads)]
        if not expected or self.table["role"].tolist() != expected:
            counts = self.table["role"].value_counts(sort=False).to_dict()
            raise InputError(
                f"table must have the rows of {self.roles} one role after the other, as many for "
                f"each, got {counts}"
            )
        self._check_grid(n_heads)

    def _check_grid(self, n_heads: int) -> None:
        """Raise InputError unless each role has the same heads of each layer, in order."""
        cells = self.table[["layer", "head"]].to_numpy().reshape(len(self.roles), n_heads, 2)
        n_layers = len(np.unique(cells[0, :, 0]))
        # Layer by layer; absent heads have rows too, so that layers have as many.
        grid = np.indices((n_layers, n_heads // n_layers)).reshape(2, -1).T
        if len(grid) != n_heads or (cells != grid).any():
            raise InputError(
                "table must have the rows of each role layer by layer, with the heads 0, 1, ... "
                f"of each, got {cells[0][:4].tolist()} ... first"
            )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.table)} cells, {self.signature})"

    def check_role(self, role: str) -> None:
        """Check that a role is one of the table's; raises UsageError."""
        if role not in self.roles:
            raise UsageError(unknown_name(f"role must be one of the {self.KIND}", role, self.roles))

    def check_head(self, layer: int, head: int) -> None:
        """Check that a head is one of the table's; raises UsageError."""
        for name, number in (("layer", layer), ("head", head)):
            largest = int(self.table[name].max())
            if not isinstance(number, int | np.integer) or not 0 <= number <= largest:
                raise UsageError(f"{name} must lie in 0..{largest}, got {number!r}")

    def cell(self, role: str, layer: int, head: int) -> pd.Series[Any]:
        """Return the row of one head in one role.

        Its values are those of the columns of `table`, as ``cell["mean"]``: as attributes, names
        like ``mean`` and ``skew`` are methods of pandas.

        Parameters
        ----------
        role
            One of `roles`.
        layer, head
            The head, counted from 0.

        Raises
        ------
        UsageError
            There is no such role, layer or head.
        """
        self.check_role(role)
        self.check_head(layer, head)
        n_layers, n_heads = self.array("layer").shape[1:]
        # Rows run by role, then layer, then head.
        row = (self.roles.index(role) * n_layers + layer) * n_heads + head
        return self.table.iloc[int(row)].rename(f"{role} {layer}.{head}")

    def array(self, name: str) -> npt.NDArray[Any]:
        """Return a column as an array (role, layer, head)."""
        n_layers = int(self.table["layer"].max()) + 1
        # Rows of absent heads are in the table too (status no_head), so every layer has as many
        # rows.
        return np.asarray(self.table[name].to_numpy()).reshape(len(self.roles), n_layers, -1)

    @property
    def heads_per_layer(self) -> Ints:
        """The number of heads of each layer, 0 where it has no attention; int64 (layer,)."""
        # Whether a head exists is the same in all roles: look at the first.
        there = ~np.isin(self.array("status")[0], ABSENT)
        return np.asarray(there.sum(axis=1, dtype=np.int64))

    @classmethod
    def layouts(cls) -> dict[tuple[str, int], files.Layout]:
        """Return the layouts of a file of such a table, by kind and format version."""
        columns = {version: older.columns for version, older in cls.OLDER.items()}
        columns[files.FORMAT_VERSION] = cls.COLUMNS
        return {(cls.KIND, n): {**each.layout(), **cls.EXTRA} for n, each in columns.items()}

    def stored(self) -> files.Stored:
        """Return the content of a file of this table."""
        arrays = self.COLUMNS.to_arrays(self.table)
        extra = {name: getattr(self, name) for name in self.EXTRA}
        arrays |= {name: array for name, array in extra.items() if array is not None}
        return files.Stored(
            kind=self.KIND, roles=self.roles, facts=self.facts, counts=self.counts, arrays=arrays
        )

    @classmethod
    def from_stored(cls: type[Table], stored: files.Stored) -> Table:
        """Return the table of a file; raise InputError if its parts do not fit together.

        Log a warning where the file is of an older format, with what that lacks.
        """
        table, facts = cls._table(stored)
        cls._check_file(stored.roles, facts, stored.counts)
        return cls(
            table=table,
            roles=stored.roles,
            facts=facts,
            counts=stored.counts,
            **cls._extra(stored),
        )

    @classmethod
    def _extra(cls, stored: files.Stored) -> dict[str, Any]:
        """Return what a file holds beside the columns, facts and counts."""
        return {name: stored.arrays.get(name) for name in cls.EXTRA}

    @classmethod
    def _table(cls, stored: files.Stored) -> tuple[pd.DataFrame, Mapping[str, str]]:
        """Return the table of a file, with the columns of today, and the facts."""
        if stored.version == files.FORMAT_VERSION:
            return cls.COLUMNS.from_arrays(stored.arrays), stored.facts
        older = cls.OLDER[stored.version]
        log.warning(
            "%s: a %s of format %d lacks %s; test the scores again to have them",
            *(stored.path, cls.KIND, stored.version, older.lacks),
        )
        table = older.columns.from_arrays(stored.arrays)
        return older.renewed(table, stored.facts, cls.COLUMNS), older.facts(stored.facts)
