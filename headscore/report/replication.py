"""Replication: a replication table with its summary, page and CSV."""

from __future__ import annotations

import os
from dataclasses import dataclass

from headscore import files
from headscore.report import html, replication_sentences
from headscore.report.csv import write_csv
from headscore.report.replication_table import ReplicationTable


@dataclass(frozen=True, eq=False, repr=False)
class Replication(ReplicationTable):
    """In how many studies each head has each role, see `ReplicationTable`; summary, page, CSV."""

    def summary(self) -> str:
        """Return the studies and the results as a few lines of plain text."""
        return replication_sentences.summary(self)

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the replication as one HTML page that opens anywhere, without a network.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        files.write_text(path, html.replication_page(self))

    def _repr_html_(self) -> str:
        """Show the answer in a notebook."""
        return html.replication_snippet(self)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table as CSV; prefix texts that a spreadsheet would run as formulas with '.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        write_csv(path, self.table, self.COLUMNS.texts)
