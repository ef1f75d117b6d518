"""Comparison: a change table that can be shown and saved."""

from __future__ import annotations

import os
from dataclasses import dataclass

from headscore.report import html, sentences
from headscore.report.change_table import ChangeTable
from headscore.scores import files


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(ChangeTable):
    """The change of every head in every role, see `ChangeTable`; it can be shown and saved."""

    def summary(self) -> str:
        """Return a few lines of plain text: what was compared and what came out."""
        return sentences.summary_of_change(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the comparison to one file, all of it or nothing; raises InputError if not."""
        files.write(path, self.stored())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Comparison:
        """Read what `save` wrote; raises InputError if the file is not whole and of this kind."""
        return files.read_as(path, {cls.KIND: cls.layout()}, cls.from_stored)

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the comparison as one HTML page that opens anywhere, without a network.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        files.write_text(path, html.comparison_page(self))
