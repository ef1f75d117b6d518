"""Files that headscore wrote, of any kind."""

from __future__ import annotations

import os

from headscore.report import comparison, report
from headscore.report.comparison import Comparison
from headscore.report.report import Report
from headscore.scores import files
from headscore.scores import head_scores as scores
from headscore.scores.head_scores import HeadScores

_LAYOUTS = {
    scores.KIND: scores.LAYOUT,
    report.KIND: report.LAYOUT,
    comparison.KIND: comparison.LAYOUT,
}


def load(path: str | os.PathLike[str]) -> HeadScores | Report | Comparison:
    """Read any file that headscore wrote; raises InputError if it is not whole."""
    return files.read_as(path, _LAYOUTS, _from_stored)


def _from_stored(stored: files.Stored) -> HeadScores | Report | Comparison:
    if stored.kind == scores.KIND:
        return HeadScores.from_stored(stored)
    return (Report if stored.kind == report.KIND else Comparison).from_stored(stored)
