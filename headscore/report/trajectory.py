"""Trajectory: a trajectory table with its summary, page and CSV."""

from __future__ import annotations

import os
from dataclasses import dataclass

from headscore import files
from headscore.report import html, trajectory_sentences
from headscore.report.csv import write_csv
from headscore.report.trajectory_table import TrajectoryTable


@dataclass(frozen=True, eq=False, repr=False)
class Trajectory(TrajectoryTable):
    """From which step on every head has every role, see `TrajectoryTable`; summary, page, CSV."""

    def summary(self) -> str:
        """Return the trajectory and its results as a few lines of plain text."""
        return trajectory_sentences.summary(self)

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the trajectory as one HTML page that opens anywhere, without a network.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        files.write_text(path, html.trajectory_page(self))

    def _repr_html_(self) -> str:
        """Show the answer in a notebook."""
        return html.trajectory_snippet(self)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table as CSV; prefix texts that a spreadsheet would run as formulas with '.

        Raises
        ------
        InputError
            The file cannot be written.
        """
        write_csv(path, self.table, self.COLUMNS.texts)
