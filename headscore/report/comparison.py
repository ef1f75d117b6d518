"""Comparison: a change table with its summary and page."""

from __future__ import annotations

import os
from dataclasses import dataclass

from headscore import files
from headscore.report import change_sentences, html
from headscore.report.change_table import ChangeTable


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(ChangeTable):
    """The change of every head in every role, see `ChangeTable`; with its summary and its page."""

    def summary(self) -> str:
        """Return the comparison and its results as a few lines of plain text."""
        return change_sentences.summary(self)

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the comparison as one HTML page that opens anywhere, without a network.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        files.write_text(path, html.comparison_page(self))
