"""Charts of a trajectory: how many heads have a role at each step, with both bounds."""

from __future__ import annotations

from typing import Any

import numpy as np

from headscore.report import trajectory_sentences as sentences
from headscore.report.html import paths
from headscore.report.trajectory_table import TrajectoryTable

# A chart is an SVG in units of its view box: numbers on the left, names of steps below.
WIDTH, HEIGHT = 360, 190
_LEFT, _RIGHT, _TOP, _BOTTOM = 34, 14, 8, 40
_MOST_NAMES = 6  # of steps


def charts(found: TrajectoryTable) -> list[dict[str, Any]]:
    """Return a chart for each role, all on one scale of heads; steps are evenly spaced."""
    counts = found.by_step()
    most = max(1, int((counts["has"] + counts["undecided"]).max()))
    across = np.linspace(_LEFT, WIDTH - _RIGHT, len(found.steps)).round(1).tolist()

    def y(n: float) -> float:
        return round(HEIGHT - _BOTTOM - n / most * (HEIGHT - _TOP - _BOTTOM), 1)

    found_charts = []
    for role in found.roles:
        rows = counts[counts["role"] == role]
        low, label = rows["has"].tolist(), rows["label"].tolist()
        high = (rows["has"] + rows["undecided"]).tolist()
        upper = [(x, y(n)) for x, n in zip(across, high, strict=True)]
        lower = [(x, y(n)) for x, n in zip(across, low, strict=True)]
        found_charts.append(
            {
                "role": role,
                "reading": sentences.of_role(found, role),
                "band": paths.line([*upper, *lower[::-1]]),
                "low": paths.line(lower),
                "label": paths.line([(x, y(n)) for x, n in zip(across, label, strict=True)]),
                "points": lower,
            }
        )
    return found_charts


def x_names(found: TrajectoryTable) -> list[tuple[float, str, str]]:
    """Return place, text and anchor of the names of some evenly spaced steps."""
    across = np.linspace(_LEFT, WIDTH - _RIGHT, len(found.steps)).round(1)
    last = len(found.steps) - 1
    shown = np.unique(np.linspace(0, last, _MOST_NAMES).round().astype(int)).tolist()
    return [
        (float(across[n]), sentences.step_name(found.steps[n]), "end" if n == last else "middle")
        for n in shown
    ]


def y_names(found: TrajectoryTable) -> list[tuple[float, str]]:
    """Return place and text of the numbers of heads: none, half and all."""
    counts = found.by_step()
    most = max(1, int((counts["has"] + counts["undecided"]).max()))
    height = HEIGHT - _TOP - _BOTTOM
    return [
        (round(HEIGHT - _BOTTOM - n / most * height, 1), str(n))
        for n in sorted({0, most // 2, most})
    ]
