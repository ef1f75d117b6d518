"""Trajectory: a trajectory table with its summary, page and CSV."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from headscore.report import html, trajectory_sentences
from headscore.report.html.snippet import Sentences
from headscore.report.shown import Shown
from headscore.report.trajectory_table import TrajectoryTable


@dataclass(frozen=True, eq=False, repr=False)
class Trajectory(Shown, TrajectoryTable):
    """From which step on every head has every role, see `TrajectoryTable`; summary, page, CSV."""

    _SENTENCES: ClassVar[Sentences] = trajectory_sentences

    def _page(self) -> str:
        return html.trajectory_page(self)
