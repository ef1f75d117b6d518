"""Load a file that headscore wrote, of any kind."""

from __future__ import annotations

import os

from headscore import files
from headscore.encoding import layout
from headscore.encoding.encoded import Encoded
from headscore.report.comparison import Comparison
from headscore.report.report import Report
from headscore.scores import head_scores
from headscore.scores.head_scores import HeadScores

_LAYOUTS = {
    **head_scores.LAYOUTS,
    **Report.layouts(),
    **Comparison.layouts(),
    **layout.LAYOUTS,
}


def load(path: str | os.PathLike[str]) -> HeadScores | Report | Comparison | Encoded:
    """Read any file that headscore wrote; raise InputError if it is damaged."""
    return files.read_as(path, _LAYOUTS, _from_stored)


def _from_stored(stored: files.Stored) -> HeadScores | Report | Comparison | Encoded:
    if stored.kind == head_scores.KIND:
        return HeadScores.from_stored(stored)
    if stored.kind == layout.KIND:
        return Encoded.from_stored(stored)
    return (Report if stored.kind == Report.KIND else Comparison).from_stored(stored)
