"""Seeds: a table of seeds with its summary, page and CSV."""

from __future__ import annotations

import os
from dataclasses import dataclass

from headscore import files
from headscore.report import html, seeds_sentences
from headscore.report.csv import write_csv
from headscore.report.seeds_table import SeedsTable
from headscore.statistics.seeds import COLUMNS


@dataclass(frozen=True, eq=False, repr=False)
class Seeds(SeedsTable):
    """The heads of several seeds of one training recipe, see `SeedsTable`; summary, page, CSV."""

    def summary(self) -> str:
        """Return the seeds and their results as a few lines of plain text."""
        return seeds_sentences.summary(self)

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the seeds as one HTML page that opens anywhere, without a network.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        files.write_text(path, html.seeds_page(self))

    def _repr_html_(self) -> str:
        """Show the answer in a notebook."""
        return html.seeds_snippet(self)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table as CSV; prefix texts that a spreadsheet would run as formulas with '.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        write_csv(path, self.table, COLUMNS.texts)
