"""Charts of a trajectory: how many heads have a role at each step, with both bounds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from headscore.arrays import Ints
from headscore.report import trajectory_sentences as sentences
from headscore.report.html import paths
from headscore.report.trajectory_table import TrajectoryTable

# A chart is an SVG in units of its view box: numbers on the left, names of steps below.
WIDTH, HEIGHT = 360, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 14, 20, 40
_MOST_NAMES = 7  # of steps


def charts(found: TrajectoryTable) -> list[dict[str, Any]]:
    """Return a chart for each role, each with a scale of its own; steps are evenly spaced."""
    counts, across = found.by_step(), _across(found)
    return [
        {
            "role": role,
            "reading": sentences.of_role(found, role),
            **_chart(counts[counts["role"] == role], across),
        }
        for role in found.roles
    ]


def _chart(rows: pd.DataFrame, across: list[float]) -> dict[str, Any]:
    low, label = rows["has"].to_numpy(), rows["label"].to_numpy()
    high = low + rows["undecided"].to_numpy()
    most = max(1, int(high.max()), int(label.max()))

    def y(n: int) -> float:
        return round(HEIGHT - _BOTTOM - n / most * (HEIGHT - _TOP - _BOTTOM), 1)

    def points(numbers: Ints) -> list[tuple[float, float]]:
        return [(x, y(n)) for x, n in zip(across, numbers.tolist(), strict=True)]

    return {
        "band": paths.line([*points(high), *points(low)[::-1]]),
        "low": paths.line(points(low)),
        "label": paths.line(points(label)),
        "points": points(low),
        "y": [(y(n), str(n)) for n in sorted({0, most // 2, most})],
    }


def x_names(found: TrajectoryTable) -> list[tuple[float, str, str]]:
    """Return place, text and anchor of the names of some evenly spaced steps."""
    across, last = _across(found), len(found.steps) - 1
    shown = np.unique(np.linspace(0, last, _MOST_NAMES).round().astype(int)).tolist()
    return [
        (across[n], sentences.step_name(found.steps[n]), "end" if n == last else "middle")
        for n in shown
    ]


def _across(found: TrajectoryTable) -> list[float]:
    return [float(x) for x in np.linspace(_LEFT, WIDTH - _RIGHT, len(found.steps)).round(1)]
