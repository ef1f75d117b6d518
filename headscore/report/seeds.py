"""Seeds: a table of seeds with its summary, page and CSV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headscore.report import html, seeds_sentences
from headscore.report.html.snippet import Sentences
from headscore.report.seeds_table import SeedsTable
from headscore.report.shown import Shown


@dataclass(frozen=True, eq=False, repr=False)
class Seeds(Shown, SeedsTable):
    """The heads of several seeds of one training recipe, see `SeedsTable`; summary, page, CSV."""

    _SENTENCES: ClassVar[Sentences] = seeds_sentences

    def _page(self) -> str:
        return html.seeds_page(self)
