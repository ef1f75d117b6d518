"""Curves of power: what corpora of each size are expected to show."""

from __future__ import annotations

from typing import TYPE_CHECKING

from headscore.errors import UsageError, unknown_name
from headscore.plots import style
from headscore.report.power_curve_table import PowerCurveTable
from headscore.statistics.power_curve import STATES

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def power_curve(curve: PowerCurveTable, role: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Draw how many cells are expected in each state at each size, and the range of the labels.

    Parameters
    ----------
    curve
        What `headscore.power_curve` returned.
    role
        One of ``curve.roles``; None: all of them together.
    ax
        Axes to draw on; None: a new figure.

    Raises
    ------
    UsageError
        If there is no such role, or `curve` is something else.
    """
    style.check("curve", curve, PowerCurveTable, "a PowerCurve", "power_curve")
    if role is not None and role not in curve.roles:
        raise UsageError(unknown_name("role must be one of the curve", role, curve.roles))
    table = curve.totals if role is None else curve.table[curve.table["role"] == role]
    ax = style.axes(ax, 6.0, 3.6)
    sizes = table["documents"].to_numpy()
    ax.fill_between(
        *(sizes, table["labels_low"].to_numpy(), table["labels_high"].to_numpy()),
        color=style.ROLES[0],
        alpha=0.18,
        linewidth=0,
        label="labels, 90 % range",
    )
    for number, state in enumerate(STATES):
        ax.errorbar(
            *(sizes, table[state].to_numpy()),
            yerr=table[f"{state}_error"].to_numpy(),
            color=style.ROLES[number],
            marker=style.MARKERS[number],
            markersize=4,
            linewidth=1.2,
            label=state.replace("_", " "),
        )
    ax.set_xscale("log")
    ax.set_xticks(sizes, [str(size) for size in sizes])
    ax.set_xticks([], minor=True)
    ax.set_ylim(bottom=0)
    ax.set_xlabel(f"{curve.units} (logarithmic)\nbars: Monte Carlo error")
    ax.set_ylabel("cells" if role is None else f"heads, {style.name(role)}")
    style.title(ax, "expected verdicts by the size of the corpus")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, borderaxespad=0.2)
    return ax
