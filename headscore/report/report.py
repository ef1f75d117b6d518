"""Report: a role table with its summary, page and CSV."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import ClassVar

import pandas as pd

from headscore import files
from headscore.errors import InputError
from headscore.report import html, sentences
from headscore.report.effect_table import EffectTable
from headscore.report.html.snippet import Sentences
from headscore.report.role_table import RoleTable
from headscore.report.sensitivity import sensitivity
from headscore.report.shown import Shown


@dataclass(frozen=True, eq=False, repr=False)
class Report(Shown, RoleTable):
    """The test of every head in every role, see `RoleTable`; with summary, page and CSV."""

    _SENTENCES: ClassVar[Sentences] = sentences

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

    def _page(self) -> str:
        return html.report_page(self)
