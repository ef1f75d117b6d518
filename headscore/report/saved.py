"""Load a file that headscore wrote, of any kind."""

from __future__ import annotations

import os
from typing import TypeAlias

from headscore import files
from headscore.encoding import layout
from headscore.encoding.encoded import Encoded
from headscore.report.comparison import Comparison
from headscore.report.effect import Effect
from headscore.report.power_curve import PowerCurve
from headscore.report.report import Report
from headscore.scores import head_scores
from headscore.scores.head_scores import HeadScores

_LAYOUTS = {
    **head_scores.LAYOUTS,
    **Report.layouts(),
    **Comparison.layouts(),
    **Effect.layouts(),
    **PowerCurve.layouts(),
    **layout.LAYOUTS,
}


_TABLES = {each.KIND: each for each in (Report, Comparison, Effect, PowerCurve)}

Saved: TypeAlias = HeadScores | Report | Comparison | Effect | PowerCurve | Encoded


def load(path: str | os.PathLike[str]) -> Saved:
    """Read any file that headscore wrote; raise InputError if it is damaged."""
    return files.read_as(path, _LAYOUTS, _from_stored)


def _from_stored(stored: files.Stored) -> Saved:
    if stored.kind == head_scores.KIND:
        return HeadScores.from_stored(stored)
    if stored.kind == layout.KIND:
        return Encoded.from_stored(stored)
    return _TABLES[stored.kind].from_stored(stored)
