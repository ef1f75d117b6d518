"""Effect: what a model loses without the edges of a role; with its summary, page and CSV."""

from __future__ import annotations

import os
from dataclasses import dataclass

from headscore import files
from headscore.report import effect_sentences, html
from headscore.report.csv import write_csv
from headscore.report.effect_table import EffectTable


@dataclass(frozen=True, eq=False, repr=False)
class Effect(EffectTable):
    """What a model loses without the edges of a role, see `EffectTable`; summary, page and CSV."""

    def summary(self) -> str:
        """Return the experiment and its results as a few lines of plain text."""
        return effect_sentences.summary(self)

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the effects as one HTML page that opens anywhere, without a network.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        files.write_text(path, html.effect_page(self))

    def _repr_html_(self) -> str:
        """Show the answer in a notebook."""
        return html.effect_snippet(self)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table as CSV; prefix texts that a spreadsheet would run as formulas with '.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        write_csv(path, self.table, self.COLUMNS.texts)
