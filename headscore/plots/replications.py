"""Map of a replication: in how many studies each head has a role."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import BoundaryNorm

from headscore.plots import style
from headscore.plots.grids import colorbar_of, discs
from headscore.report.replication_sentences import wanted
from headscore.report.replication_table import ReplicationTable
from headscore.statistics.verdict import HAS, UNDECIDED

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def replicated(replication: ReplicationTable, role: str, *, ax: Axes | None = None) -> Axes:
    """Draw in how many studies each head is shown to have a role.

    Darkness is the number of studies; a disc marks a head with the verdict "has" on the number
    asked for, a dash an undecided one; grey cells could not be tested in so many studies.

    Parameters
    ----------
    replication
        The replication.
    role
        One of ``replication.roles``.
    ax
        Axes to draw on; None: a new figure.

    Raises
    ------
    UsageError
        If there is no such role.
    """
    replication.check_role(role)
    at, n_studies = replication.roles.index(role), len(replication.studies)
    number, verdict, status = (
        replication.array(name)[at] for name in ("replicated", "verdict", "status")
    )
    n_layers, n_heads = number.shape
    ax = style.axes(ax, 1.6 + 0.28 * n_heads, 0.9 + 0.28 * n_layers)
    mesh = ax.pcolormesh(
        np.where(status == "ok", number, np.nan),
        cmap=style.EFFECT,
        norm=BoundaryNorm(np.arange(n_studies + 2) - 0.5, style.EFFECT.N),
        edgecolors="white",
        linewidth=0.6,
    )
    style.grid(ax, n_layers, n_heads)
    dark = number > n_studies / 2
    for where, color in ((dark, "white"), (~dark, style.INK)):
        discs(ax, (verdict == HAS) & where, 0.4, color, color)
        rows, columns = np.nonzero((verdict == UNDECIDED) & where)
        ax.scatter(columns + 0.5, rows + 0.5, marker="_", s=22, color=color, linewidths=1.1)
    ax.set_title(
        f"{style.name(role)}: {int((verdict == HAS).sum())} in {wanted(replication)}", loc="left"
    )
    bar = colorbar_of(ax, mesh, "studies, shown")
    bar.set_ticks(range(0, n_studies + 1, max(1, n_studies // 8)))
    bar.ax.tick_params(length=0)
    return ax
