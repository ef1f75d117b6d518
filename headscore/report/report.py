"""Report: a role table with its summary, page and CSV."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pandas as pd

from headscore import files
from headscore.report import html, sentences
from headscore.report.role_table import RoleTable
from headscore.report.sensitivity import sensitivity

# Starts that Excel and LibreOffice run as formulas (OWASP, "CSV Injection").
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, eq=False, repr=False)
class Report(RoleTable):
    """The test of every head in every role, see `RoleTable`; with summary, page and CSV."""

    def summary(self) -> str:
        """Return the test and its results as a few lines of plain text."""
        return sentences.summary(self)

    def sensitivity(self) -> pd.DataFrame:
        """Count the labels at other thresholds, for other lengths of sequences, other units.

        See `headscore.report.sensitivity.sensitivity` for rows and columns.
        """
        return sensitivity(self)

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the report as one HTML page that opens anywhere, without a network.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        files.write_text(path, html.report_page(self))

    def _repr_html_(self) -> str:
        """Show the answer in a notebook."""
        return html.report_snippet(self)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table as CSV; prefix texts that a spreadsheet would run as formulas with '.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        safe = {
            name: pd.Series([_no_formula(text) for text in self.table[name]], dtype="object")
            for name in self.COLUMNS.texts  # as objects: Arrow cannot hold half a surrogate pair
        }
        with files.replacing(path) as temporary:
            self.table.assign(**safe).to_csv(
                temporary, index=False, lineterminator="\n", errors="backslashreplace"
            )


def _no_formula(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
