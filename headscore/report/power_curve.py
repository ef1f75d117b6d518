"""PowerCurve: what corpora of each size would show; with its summary, page and CSV."""

from __future__ import annotations

import os
from dataclasses import dataclass

from headscore import files
from headscore.report import html, power_sentences
from headscore.report.csv import write_csv
from headscore.report.power_curve_table import PowerCurveTable


@dataclass(frozen=True, eq=False, repr=False)
class PowerCurve(PowerCurveTable):
    """What corpora of each size would show, see `PowerCurveTable`; with summary, page and CSV."""

    def summary(self) -> str:
        """Return what is expected at each size as a few lines of plain text."""
        return power_sentences.summary(self)

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the curve as one HTML page that opens anywhere, without a network.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        files.write_text(path, html.power_page(self))

    def _repr_html_(self) -> str:
        """Show the answer in a notebook."""
        return html.power_snippet(self)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table as CSV; prefix texts that a spreadsheet would run as formulas with '.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        write_csv(path, self.table, self.COLUMNS.texts)
