"""Layers x heads: one role, all roles of each head, the change between two models."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import EllipseCollection, PatchCollection
from matplotlib.patches import Rectangle

from headscore.arrays import Bools, Texts
from headscore.errors import UsageError, unknown_name
from headscore.plots import style
from headscore.report.change_table import ChangeTable
from headscore.report.maps import maps
from headscore.report.role_table import RoleTable
from headscore.statistics.change import CHANGED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.colorbar import Colorbar

_DARK = 0.3  # effects above it get white marks


def role_map(
    report: RoleTable, role: str, *, ax: Axes | None = None, colorbar: bool = True
) -> Axes:
    """Draw how much each head attends to the tokens of a role.

    Darkness is the attained effect; a ring marks a head that has the role, a disc one whose label
    is robust, a small dot one that is not shown to go beyond the strongest control of word pairs
    that was computed, a dash one undecided; grey cells could not be tested.

    Parameters
    ----------
    report
        The report.
    role
        One of ``report.roles``.
    ax
        Axes to draw on; None: a new figure.
    colorbar
        Whether to explain the darkness beside the map.

    Raises
    ------
    UsageError
        If there is no such role.
    """
    number = _number(role, report.roles)
    all_maps = maps(report)
    effect = np.where(all_maps.tested[number], all_maps.effect[number], np.nan)
    n_layers, n_heads = effect.shape
    ax = style.axes(ax, 1.6 + 0.28 * n_heads, 0.9 + 0.28 * n_layers)
    mesh = ax.pcolormesh(
        effect, cmap=style.EFFECT, norm=style.EFFECT_SCALE, edgecolors="white", linewidth=0.6
    )
    style.grid(ax, n_layers, n_heads)
    light = effect > _DARK
    position = all_maps.position[number]
    label, robust = all_maps.label[number] & ~position, all_maps.robust[number] & ~position
    # `light` marks cells dark enough for white marks; NaN > 0.3 is False, so untested cells get
    # ink.
    for where, color in ((light, "white"), (~light, style.INK)):
        discs(ax, label & ~robust & where, 0.4, "none", color)
        discs(ax, robust & where, 0.4, color, color)
        discs(ax, position & where, 0.14, color, color)
        rows, columns = np.nonzero(all_maps.undecided[number] & where)
        ax.scatter(columns + 0.5, rows + 0.5, marker="_", s=22, color=color, linewidths=1.1)
    ax.set_title(
        _title(role, f"{int((label | position).sum())} of {report.heads_per_layer.sum()} heads"),
        loc="left",
    )
    if colorbar:
        colorbar_of(ax, mesh, all_maps.unit)
    return ax


def combined_map(report: RoleTable, *, ax: Axes | None = None) -> Axes:
    """Draw all roles of each head: a square per role, always at the same place in the cell.

    The key beside the map is one cell, enlarged.
    """
    all_maps = maps(report)
    n_roles, n_layers, n_heads = all_maps.label.shape
    ax = style.axes(ax, 3.2 + 0.36 * n_heads, 0.9 + 0.36 * n_layers)
    # One cell is the unit square with its corner at (head, layer); y grows downwards
    # (`style.grid`).
    frames = [Rectangle((h, y), 1, 1) for y, h in np.ndindex(n_layers, n_heads)]
    # A collection is one artist: fast to draw, and one group in a vector file.
    outline = PatchCollection(frames, facecolor="none", edgecolor="#d9d9d9", linewidth=0.5)
    ax.add_collection(outline)
    width, height = _square(n_roles)
    for role in range(n_roles):
        x, y = _place(role, n_roles)
        squares = [
            Rectangle((h + x, k + y), width - 0.03, height - 0.03)
            for k, h in np.argwhere(all_maps.label[role])
        ]
        color = style.ROLES[role % len(style.ROLES)]
        ax.add_collection(PatchCollection(squares, facecolor=color, edgecolor="none"))
    style.grid(ax, n_layers, n_heads)
    busy = int((all_maps.label.sum(axis=0) > 1).sum())
    ax.set_title(
        f"{busy} of {report.heads_per_layer.sum()} heads have more than one role", loc="left"
    )
    _key(ax, report.roles)
    return ax


def change(comparison: ChangeTable, role: str, *, ax: Axes | None = None) -> Axes:
    """Draw how the mean score of each head in a role changed between two models.

    Blue and ``+``: it rose, orange and ``-``: it fell, where the paired change is significant; a
    triangle up marks a head that gained the role, or where it appeared, down one that lost it, or
    where it vanished.

    Parameters
    ----------
    comparison
        The comparison.
    role
        One of ``comparison.roles``.
    ax
        Axes to draw on; None: a new figure.

    Raises
    ------
    UsageError
        If there is no such role.
    """
    number = _number(role, comparison.roles)
    difference, outcome, adjusted = (
        comparison.array(name)[number] for name in ("change", "outcome", "pvalue_adj")
    )
    difference = difference.astype(float)
    n_layers, n_heads = difference.shape
    ax = style.axes(ax, 1.6 + 0.28 * n_heads, 0.9 + 0.28 * n_layers)
    largest = float(np.nanmax(np.abs(difference), initial=0.0, where=np.isfinite(difference)))
    mesh = ax.pcolormesh(
        difference,
        cmap=style.CHANGE,
        vmin=-(largest or 1.0),
        vmax=largest or 1.0,
        edgecolors="white",
        linewidth=0.6,
    )
    style.grid(ax, n_layers, n_heads)
    significant = adjusted <= float(comparison.facts["alpha"])
    gained, lost = (
        np.isin(outcome, names) for names in (("gained", "appeared"), ("lost", "vanished"))
    )
    other = significant & ~gained & ~lost
    signs = (
        (gained, "^"),
        (lost, "v"),
        (other & (difference > 0), "+"),
        (other & (difference < 0), "_"),
    )
    for where, marker in signs:
        # White marks on the dark ends of the diverging scale.
        strong = np.abs(difference) > 0.6 * largest
        for dark, color in ((where & strong, "white"), (where & ~strong, style.INK)):
            rows, columns = np.nonzero(dark)
            ax.scatter(columns + 0.5, rows + 0.5, marker=marker, s=22, color=color, linewidths=1)
    ax.set_title(_title(role, _changes(outcome)), loc="left")
    colorbar_of(ax, mesh, "change of the mean score")
    return ax


def _number(role: str, roles: tuple[str, ...]) -> int:
    if role not in roles:
        raise UsageError(unknown_name("role must be one of the report", role, roles))
    return roles.index(role)


def _changes(outcome: Texts) -> str:
    counts = [f"{n} {name}" for name in CHANGED if (n := int((outcome == name).sum()))]
    # Four counts in one line would be wider than the map of a small model.
    lines = [", ".join(counts[start : start + 2]) for start in range(0, len(counts), 2)]
    return ",\n".join(lines) or "no change shown"


def _title(role: str, counts: str) -> str:
    return f"{style.name(role)}: {counts}"


def discs(ax: Axes, where: Bools, size: float, face: str, edge: str) -> None:
    """Draw circles in the cells, as large as the cells are."""
    rows, columns = np.nonzero(where)
    if len(rows):
        # units="xy": sizes are in data units, so a circle scales with its cell.
        offsets = np.column_stack([columns + 0.5, rows + 0.5])
        sizes = np.full(len(rows), size)
        ax.add_collection(
            EllipseCollection(
                sizes,
                sizes,
                np.zeros(len(rows)),
                units="xy",
                offsets=offsets,
                offset_transform=ax.transData,
                facecolors=face,
                edgecolors=edge,
                linewidths=1.3,
            )
        )


def colorbar_of(ax: Axes, mesh: QuadMesh, label: str) -> Colorbar:
    """Explain the darkness of a map beside it."""
    bar = ax.figure.colorbar(mesh, ax=ax, shrink=0.8, aspect=25, pad=0.02)
    bar.set_label(label)
    bar.outline.set_visible(False)
    if bar.solids is not None:
        bar.solids.set_edgecolor("face")  # no hairlines between the colours
    return bar


def _across(n_roles: int) -> int:
    return math.ceil(math.sqrt(n_roles))


def _square(n_roles: int) -> tuple[float, float]:
    """Return the size of the place that a role has in a cell."""
    across = _across(n_roles)
    # The places share 0.86 of a cell: 0.08 stays free before them and 0.06 behind; the squares are
    # 0.03 smaller than their places, so that neighbours do not touch.
    return 0.86 / across, 0.86 / math.ceil(n_roles / across)


def _place(role: int, n_roles: int) -> tuple[float, float]:
    """Return where in a cell the square of a role begins."""
    width, height = _square(n_roles)
    row, at = divmod(role, _across(n_roles))
    return 0.08 + at * width, 0.08 + row * height


def _key(ax: Axes, roles: tuple[str, ...]) -> None:
    """Explain the squares: their places in a cell, their colours and names."""
    across = _across(len(roles))
    for number, role in enumerate(roles):
        row, at = divmod(number, across)
        ax.plot(
            [],
            [],
            marker="s",
            linestyle="none",
            color=style.ROLES[number % len(style.ROLES)],
            label=f"{row + 1}.{at + 1}  {style.name(role)}",
        )
    ax.legend(
        loc="upper left",
        bbox_to_anchor=(1.0, 1.0),
        frameon=False,
        title="row.column in a cell",
        alignment="left",
        borderaxespad=0.2,
    )
