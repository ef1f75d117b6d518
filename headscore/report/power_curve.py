"""PowerCurve: what corpora of each size would show; with its summary, page and CSV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headscore.report import html, power_sentences
from headscore.report.html.snippet import Sentences
from headscore.report.power_curve_table import PowerCurveTable
from headscore.report.shown import Shown


@dataclass(frozen=True, eq=False, repr=False)
class PowerCurve(Shown, PowerCurveTable):
    """What corpora of each size would show, see `PowerCurveTable`; with summary, page and CSV."""

    _SENTENCES: ClassVar[Sentences] = power_sentences

    def _page(self) -> str:
        return html.power_page(self)
