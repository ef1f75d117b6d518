"""Curves of a trajectory: how many heads have each role at each step."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from headscore.arrays import Ints
from headscore.plots import style
from headscore.report.trajectory_sentences import step_name
from headscore.report.trajectory_table import TrajectoryTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MOST_NAMES = 12  # of steps


def trajectory(found: TrajectoryTable, role: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Draw how many heads are shown to have each role from each step on; steps evenly spaced.

    Parameters
    ----------
    found
        The trajectory.
    role
        One of ``found.roles``, drawn with the heads that are undecided as a band above, and the
        labels of each step on its own as a dotted line; None: all roles, without these.
    ax
        Axes to draw on; None: a new figure.

    Raises
    ------
    UsageError
        If there is no such role, or `found` is something else.
    """
    style.check("found", found, TrajectoryTable, "a Trajectory", "trajectory")
    if role is not None:
        found.check_role(role)
    counts = found.by_step()
    ax = style.axes(ax, 6.0, 3.6)
    at = np.arange(len(found.steps))
    for number, each in enumerate(found.roles):
        if role not in (None, each):
            continue
        rows, colour = counts[counts["role"] == each], style.ROLES[number % len(style.ROLES)]
        low = rows["has"].to_numpy()
        if role is not None:
            _undecided(ax, at, low, low + rows["undecided"].to_numpy(), colour)
            ax.plot(
                at, rows["label"].to_numpy(), ":", color=colour, label="label of the step alone"
            )
        ax.plot(
            at,
            low,
            color=colour,
            marker=style.MARKERS[number % len(style.MARKERS)],
            markersize=4,
            linewidth=1.2,
            label=style.name(each) if role is None else "shown from the step on",
        )
    shown = np.unique(np.linspace(0, at[-1], _MOST_NAMES).round().astype(int))
    ax.set_xticks(at[shown], [step_name(found.steps[n]) for n in shown])
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    ax.set_xlabel("step")
    ax.set_ylabel("heads with the role" if role is None else f"heads with {style.name(role)}")
    style.title(ax, "heads shown to have the role from a step on")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, borderaxespad=0.2)
    return ax


def _undecided(ax: Axes, at: Ints, low: Ints, high: Ints, colour: str) -> None:
    ax.fill_between(at, low, high, color=colour, alpha=0.18, linewidth=0, label="undecided")
