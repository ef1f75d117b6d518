"""Report: a role table with its summary, page and CSV."""

from __future__ import annotations

import os
from dataclasses import dataclass

import pandas as pd

from headscore import files
from headscore.errors import InputError
from headscore.report import html, sentences
from headscore.report.csv import write_csv
from headscore.report.effect_table import EffectTable
from headscore.report.role_table import RoleTable
from headscore.report.sensitivity import sensitivity


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

    def to_html(self, path: str | os.PathLike[str], effect: EffectTable | None = None) -> None:
        """Write the report as one HTML page that opens anywhere, without a network.

        Parameters
        ----------
        path
            The file.
        effect
            An `Effect` of the same model: the page then shows which roles it uses.

        Raises
        ------
        InputError
            The file cannot be written, or the effect is none, or of another model.
        """
        if effect is not None and not isinstance(effect, EffectTable):
            raise InputError(f"effect must be an Effect, got {type(effect).__name__}")
        files.write_text(path, html.report_page(self, effect))

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
        write_csv(path, self.table, self.COLUMNS.texts)
