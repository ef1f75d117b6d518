"""Shown: the page, CSV and notebook view of a result, from its sentences."""

from __future__ import annotations

import inspect
import os
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol

import pandas as pd

from headscore import files
from headscore.report.csv import write_csv
from headscore.report.html.snippet import Sentences, snippet
from headscore.statistics.columns import Columns


class _Tabular(Protocol):
    COLUMNS: ClassVar[Columns]

    @property
    def table(self) -> pd.DataFrame: ...


class Shown(ABC):
    """What the results of one table share."""

    _SENTENCES: ClassVar[Sentences]

    def __init_subclass__(cls) -> None:
        """Append the sections of the table's docstring: `help` then describes the columns."""
        super().__init_subclass__()
        _, _, sections = (inspect.getdoc(cls.__bases__[-1]) or "").partition("\n\n")
        cls.__doc__ = f"{cls.__doc__}\n\n{sections}"

    @abstractmethod
    def _page(self) -> str:
        """Return the result as one HTML page."""

    def summary(self) -> str:
        """Return the result as a few lines of plain text."""
        return self._SENTENCES.summary(self)

    def __str__(self) -> str:
        """Return the summary, for `print`."""
        return self.summary()

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the result as one HTML page that opens anywhere, without a network.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        files.write_text(path, self._page())

    def to_csv(self: _Tabular, path: str | os.PathLike[str]) -> None:
        """Write the table as CSV; prefix texts that a spreadsheet would run as formulas with '.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        write_csv(path, self.table, self.COLUMNS.texts)

    def _repr_html_(self: Any) -> str:
        """Show the answer in a notebook."""
        return snippet(self, self._SENTENCES)
