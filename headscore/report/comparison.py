"""Comparison: a change table with its summary, page and CSV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headscore.report import change_sentences, html
from headscore.report.change_table import ChangeTable
from headscore.report.html.snippet import Sentences
from headscore.report.shown import Shown


@dataclass(frozen=True, eq=False, repr=False)
class Comparison(Shown, ChangeTable):
    """The change of every head in every role between two sides; with summary, page and CSV."""

    _SENTENCES: ClassVar[Sentences] = change_sentences

    def _page(self) -> str:
        return html.comparison_page(self)
