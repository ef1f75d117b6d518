"""Layers x heads: one role, all roles of each head, the change between two models."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle

from headscore.arrays import Bools, Floats, Texts
from headscore.errors import UsageError
from headscore.plots import marks, style
from headscore.report import side_words, signs
from headscore.report.change_table import ChangeTable
from headscore.report.maps import maps
from headscore.report.role_table import RoleTable
from headscore.report.wording import explained_by
from headscore.scores.choice import chosen_roles
from headscore.statistics.change import CHANGED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.collections import QuadMesh
    from matplotlib.colorbar import Colorbar

_SIGN = 0.2  # inches of a line of the legend


def role_map(
    report: RoleTable,
    role: str | None = None,
    *,
    ax: Axes | None = None,
    colorbar: bool = True,
    legend: bool = True,
) -> Axes:
    """Draw how much each head attends to the tokens of a role.

    Darkness is the attained effect; a sign in each cell is its state, as in reports.

    Parameters
    ----------
    report
        The report.
    role
        One of ``report.roles``; None: the only one.
    ax
        Axes to draw on; None: a new figure.
    colorbar
        Whether to explain the darkness beside the map.
    legend
        Whether to explain the signs below the map.

    Raises
    ------
    UsageError
        If there is no such role, or `report` is something else.
    """
    style.check("report", report, RoleTable, "a Report", "test")
    number = style.role_number(role, report.roles, "report")
    found = maps(report)
    effect = np.where(found.tested[number], found.effect[number], np.nan)
    n_layers, n_heads = effect.shape
    ax = style.axes(ax, *size_of(n_layers, n_heads, signs=5 if legend else 0))
    mesh = ax.pcolormesh(
        effect, cmap=style.EFFECT, norm=style.EFFECT_SCALE, edgecolors="white", linewidth=0.6
    )
    style.grid(ax, n_layers, n_heads)
    present = marks.draw(ax, found.state[number])
    count = int(found.label[number].sum())
    style.title(
        ax, _title(report.roles[number], f"{count} of {report.heads_per_layer.sum()} heads")
    )
    if legend:
        marks.legend(ax, present, signs.legend(present, explained_by(report.control, report.facts)))
    if colorbar:
        colorbar_of(ax, mesh, found.unit)
    return ax


def role_maps(
    report: RoleTable, roles: str | Iterable[str] | None = None, *, columns: int = 3
) -> tuple[Axes, ...]:
    """Draw the maps of several roles in one figure, with one scale and one legend.

    Parameters
    ----------
    report
        The report.
    roles
        Some of ``report.roles``, in a list or as in ``"nsubj,obj"``; None: all.
    columns
        Maps beside each other.

    Returns
    -------
    tuple of Axes
        One for each role; ``axes[0].figure`` is the figure.

    Raises
    ------
    UsageError
        If there is no such role, none is given, or `report` is something else.
    """
    style.check("report", report, RoleTable, "a Report", "test")
    numbers, _ = chosen_roles(report.roles, roles, "the report")
    names = [report.roles[number] for number in numbers]
    if not isinstance(columns, int) or columns < 1:
        raise UsageError(f"columns must be a whole number above 0, got {columns!r}")
    columns = min(columns, len(names))
    n_rows = math.ceil(len(names) / columns)
    found = maps(report)
    width, height = size_of(*found.effect.shape[1:], signs=0)
    size = (columns * (width - 0.9) + 0.9, n_rows * (height + 0.1) + _SIGN * 5)
    grid = plt.subplots(n_rows, columns, figsize=size, layout=style.layout(), squeeze=False)[1]
    axes = tuple(grid.ravel()[: len(names)])
    for ax, name in zip(axes, names, strict=True):
        role_map(report, name, ax=ax, colorbar=False, legend=False)
    for ax in grid.ravel()[len(names) :]:
        ax.remove()
    present = np.unique(found.state[numbers].astype(str))
    shown = [state for state in marks.SIGNS if state in present]
    marks.legend(
        grid[-1, 0], shown, signs.legend(shown, explained_by(report.control, report.facts))
    )
    colorbar_of(axes[columns - 1], axes[0].collections[0], found.unit)
    return axes


def combined_map(report: RoleTable, *, ax: Axes | None = None) -> Axes:
    """Draw all roles of each head: a square per role, always at the same place in the cell.

    The key beside the map names the place of each role in a cell.

    Raises
    ------
    UsageError
        If `report` is something else.
    """
    style.check("report", report, RoleTable, "a Report", "test")
    all_maps = maps(report)
    n_roles, n_layers, n_heads = all_maps.label.shape
    ax = style.axes(ax, 3.2 + 0.36 * n_heads, max(1.1 + 0.36 * n_layers, 1.0 + 0.2 * n_roles))
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
    style.title(ax, f"{busy} of {report.heads_per_layer.sum()} heads have more than one role")
    _key(ax, report.roles)
    return ax


def change(comparison: ChangeTable, role: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Draw how the mean score of each head in a role changed between two sides.

    Blue: it rose, orange: it fell; a triangle up marks a head that gained the role, or where it
    appeared (hollow), down one that lost it, or where it vanished (hollow); ``+`` and ``-``: the
    change is significant, and the role is neither gained nor lost. Of two samples: the difference
    of what heads attain, or of the mean scores where these were compared.

    Parameters
    ----------
    comparison
        The comparison.
    role
        One of ``comparison.roles``; None: the only one.
    ax
        Axes to draw on; None: a new figure.

    Raises
    ------
    UsageError
        If there is no such role, or `comparison` is something else.
    """
    style.check("comparison", comparison, ChangeTable, "a Comparison", "compare")
    number = style.role_number(role, comparison.roles, "comparison")
    difference, outcome, adjusted = (
        comparison.array(name)[number] for name in ("change", "outcome", "pvalue_adj")
    )
    difference = difference.astype(float)
    n_layers, n_heads = difference.shape
    ax = style.axes(ax, *size_of(n_layers, n_heads, signs=6))
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
    facts, found = comparison.facts, marks.draw(ax, _signs(difference, outcome, significant))
    marks.legend(ax, found, _words(facts))
    style.title(ax, _title(comparison.roles[number], _changes(outcome, comparison)))
    colorbar_of(ax, mesh, f"{side_words.change_word(facts)} of the {side_words.scale_name(facts)}")
    return ax


def _words(facts: Mapping[str, str]) -> dict[str, str]:
    """Return the words of the signs of a change."""
    directions = zip((marks.ROSE, marks.FELL), side_words.directions_of(facts), strict=True)
    same = f"without a {side_words.change_word(facts)} of the role"
    return side_words.outcomes_of(facts) | {name: f"{text}, {same}" for name, text in directions}


def _signs(difference: Floats, outcome: Texts, significant: Bools) -> Texts:
    """Return the sign of each cell: its outcome, or the direction of a significant change."""
    other = np.where(difference > 0, marks.ROSE, marks.FELL)
    return np.where(
        np.isin(outcome, list(signs.OUTCOMES)), outcome, np.where(significant, other, "")
    )


def size_of(n_layers: int, n_heads: int, *, signs: int) -> tuple[float, float]:
    """Return width and height in inches of the figure of a map, with room for so many signs."""
    return max(1.8 + 0.28 * n_heads, 3.6), 1.5 + 0.28 * n_layers + _SIGN * signs


def _changes(outcome: Texts, comparison: ChangeTable) -> str:
    words = side_words.short_outcomes_of(comparison.facts)
    counts = [f"{n} {words[name]}" for name in CHANGED if (n := int((outcome == name).sum()))]
    return ", ".join(counts) or f"no {side_words.change_word(comparison.facts)} shown"


def _title(role: str, counts: str) -> str:
    return f"{style.name(role)}: {counts}"


def colorbar_of(ax: Axes, mesh: QuadMesh, label: str) -> Colorbar:
    """Explain the darkness of a map beside it, as high as the map."""
    bar = ax.figure.colorbar(mesh, cax=ax.inset_axes((1.03, 0.0, 0.03, 1.0)))
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
