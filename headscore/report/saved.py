"""Load a file that headscore wrote, of any kind."""

from __future__ import annotations

import os
from typing import TypeAlias, get_args

from headscore import files
from headscore.encoding import layout
from headscore.encoding.encoded import Encoded
from headscore.report.comparison import Comparison
from headscore.report.effect import Effect
from headscore.report.power_curve import PowerCurve
from headscore.report.replication import Replication
from headscore.report.report import Report
from headscore.report.seeds import Seeds
from headscore.report.trajectory import Trajectory
from headscore.scores import head_scores
from headscore.scores.head_scores import HeadScores

Table: TypeAlias = Report | Comparison | Effect | PowerCurve | Replication | Seeds | Trajectory
_TABLES = {each.KIND: each for each in get_args(Table)}
_LAYOUTS = {**head_scores.LAYOUTS, **layout.LAYOUTS}
for _table in _TABLES.values():
    _LAYOUTS |= _table.layouts()

Saved: TypeAlias = HeadScores | Table | Encoded


def load(path: str | os.PathLike[str]) -> Saved:
    """Read any file that headscore wrote; raise InputError if it is damaged."""
    return files.read_as(path, _LAYOUTS, _from_stored)


def _from_stored(stored: files.Stored) -> Saved:
    if stored.kind == head_scores.KIND:
        return HeadScores.from_stored(stored)
    if stored.kind == layout.KIND:
        return Encoded.from_stored(stored)
    table: Table = _TABLES[stored.kind].from_stored(stored)
    return table
