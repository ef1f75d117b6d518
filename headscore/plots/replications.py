"""Map of a replication: in how many studies each head has a role."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from matplotlib.colors import BoundaryNorm

from headscore.plots import marks, style
from headscore.plots.grids import colorbar_of, size_of
from headscore.report import replication_sentences as sentences
from headscore.report import signs
from headscore.report.replication_table import ReplicationTable
from headscore.statistics.verdict import HAS

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def replicated(
    replication: ReplicationTable, role: str | None = None, *, ax: Axes | None = None
) -> Axes:
    """Draw in how many studies each head is shown to have a role.

    Darkness is the number of studies; a sign in each cell is its state on the number asked for.

    Parameters
    ----------
    replication
        The replication.
    role
        One of ``replication.roles``; None: the only one.
    ax
        Axes to draw on; None: a new figure.

    Raises
    ------
    UsageError
        If there is no such role, or `replication` is something else.
    """
    style.check("replication", replication, ReplicationTable, "a Replication", "replicate")
    at = style.role_number(role, replication.roles, "replication")
    n_studies = len(replication.studies)
    number, verdict, status = (
        replication.array(name)[at] for name in ("replicated", "verdict", "status")
    )
    n_layers, n_heads = number.shape
    ax = style.axes(ax, *size_of(n_layers, n_heads, signs=4))
    mesh = ax.pcolormesh(
        np.where(status == "ok", number, np.nan),
        cmap=style.EFFECT,
        norm=BoundaryNorm(np.arange(n_studies + 2) - 0.5, style.EFFECT.N),
        edgecolors="white",
        linewidth=0.6,
    )
    style.grid(ax, n_layers, n_heads)
    state = signs.states(verdict, np.full_like(verdict, ""), status)
    present = marks.draw(ax, state)
    marks.legend(ax, present, sentences.words(replication))
    name, has = style.name(replication.roles[at]), int((verdict == HAS).sum())
    style.title(ax, f"{name}: {has} in {sentences.wanted(replication)}")
    bar = colorbar_of(ax, mesh, "studies, shown")
    bar.set_ticks(range(0, n_studies + 1, max(1, n_studies // 8)))
    bar.ax.tick_params(length=0)
    return ax
