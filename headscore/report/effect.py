"""Effect: what a model loses without the edges of a role; with its summary, page and CSV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headscore.report import effect_sentences, html
from headscore.report.effect_table import EffectTable
from headscore.report.html.snippet import Sentences
from headscore.report.shown import Shown


@dataclass(frozen=True, eq=False, repr=False)
class Effect(Shown, EffectTable):
    """What a model loses without the edges of a role, see `EffectTable`; summary, page and CSV."""

    _SENTENCES: ClassVar[Sentences] = effect_sentences

    def _page(self) -> str:
        return html.effect_page(self)
