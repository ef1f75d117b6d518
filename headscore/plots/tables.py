"""Tables with darkness behind their numbers: heads per layer, heads that roles share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from matplotlib.patches import Rectangle

from headscore.plots import style
from headscore.plots.grids import colorbar_of
from headscore.report.role_table import RoleTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh

_DARK = 0.55
_MOST_NUMBERS = 40  # rows; with more, numbers would be unreadable


def layers(report: RoleTable, *, ax: Axes | None = None) -> Axes:
    """Draw how many heads of each layer have each role.

    Raises
    ------
    UsageError
        If `report` is something else.
    """
    style.check("report", report, RoleTable, "a Report", "test")
    counts = report.layers()
    n_layers, n_roles = counts.shape
    heads = report.heads_per_layer
    of = "-".join(str(n) for n in sorted({heads.min(), heads.max()}))
    names = [style.name(role) for role in counts.columns]
    ax = style.axes(
        ax, 2.3 + 0.3 * _room(names) + 0.55 * n_roles, 1.4 + _room(names) + 0.28 * min(n_layers, 40)
    )
    share = counts.to_numpy() / np.maximum(heads, 1)[:, None]
    mesh = _table(ax, share, counts.to_numpy().astype(str))
    colorbar_of(ax, mesh, "share of the layer's heads")
    ax.set_xlabel("role")
    style.named(ax, "x", names)
    style.numbered(ax, "y", n_layers)
    ax.set_ylabel("layer")
    style.title(ax, f"heads of each role, of {of} in a layer")
    return ax


def colocation(report: RoleTable, *, ax: Axes | None = None) -> Axes:
    """Draw which share of the heads of a role (row) have another role (column) too.

    The number is that of the heads with both; a frame marks pairs that share more than the counts
    in each layer let expect (Holm-adjusted exact p at most the alpha of the report), never roles of
    which one is a part of the other; the diagonal is the number of heads.

    Raises
    ------
    UsageError
        If `report` is something else.
    """
    style.check("report", report, RoleTable, "a Report", "test")
    pairs = report.colocation()
    roles = report.roles
    share = np.full((len(roles), len(roles)), np.nan)
    text = np.full(share.shape, "", dtype=object)
    for row in pairs.to_dict("records"):
        at = roles.index(row["a"]), roles.index(row["b"])
        share[at] = row["share_of_a"]
        text[at] = str(row["both"])
    heads = report.labels().sum()
    for number, role in enumerate(roles):
        text[number, number] = str(heads[role])
    names = [style.name(role) for role in roles]
    room = _room(names) + 0.5 * len(roles)
    ax = style.axes(ax, 2.3 + room, 2.4 + room)
    mesh = _table(ax, share, text)
    colorbar_of(ax, mesh, "share of the heads of the row's role")
    ax.set_aspect("equal")
    ax.set_ylabel("heads with this role")
    style.named(ax, "x", names)
    style.named(ax, "y", names)
    alpha = float(report.facts["alpha"])
    sure = pairs[pairs["pvalue_adj"] <= alpha]  # NaN, so no frame, where roles are nested
    for a, b in sure[["a", "b"]].to_numpy():
        corner = roles.index(b) + 0.06, roles.index(a) + 0.06
        # `not ... >` instead of `<=`: a NaN share is light too.
        frame = style.INK if not share[roles.index(a), roles.index(b)] > _DARK else "white"
        ax.add_patch(Rectangle(corner, 0.88, 0.88, fill=False, edgecolor=frame, linewidth=1))
    style.title(ax, "heads with both roles")
    frames = f"frame: more than by chance\n(adjusted exact p ≤ {alpha:g})"
    ax.set_xlabel(f"that also have this one\n{frames}")
    return ax


def _room(names: list[str]) -> float:
    """Return the room in inches that names need at an angle of 45 degrees."""
    return 0.07 * max(map(len, names))


def _table(ax: Axes, share: npt.NDArray[Any], text: npt.NDArray[Any]) -> QuadMesh:
    """Draw a cell for each share, darker for larger ones, with a text in it."""
    n_rows, n_columns = share.shape
    mesh = ax.pcolormesh(
        share, cmap=style.EFFECT, vmin=0, vmax=1, edgecolors="white", linewidth=0.6
    )
    ax.set_xlim(0, n_columns)
    ax.set_ylim(n_rows, 0)
    style.bare(ax)
    if n_rows > _MOST_NUMBERS:
        return mesh
    for row, at in np.ndindex(share.shape):
        color = "white" if share[row, at] > _DARK else style.INK
        shown = str(text[row, at])
        color = style.FAINT if shown == "0" else color
        ax.text(at + 0.5, row + 0.5, shown, ha="center", va="center", color=color, fontsize="small")
    return mesh
