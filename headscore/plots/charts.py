"""Curves and bars: heads by threshold, p-values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.ticker import MaxNLocator

from headscore.options import TAUS, CurveOptions
from headscore.plots import style
from headscore.report.role_table import RoleTable
from headscore.report.tau_curve import tau_curve_with
from headscore.scores.head_scores import HeadScores

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_BINS = 20


def tau_curve(
    report: RoleTable | HeadScores, *, ax: Axes | None = None, taus: Iterable[float] = TAUS
) -> Axes:
    """Draw how many heads have each role at each of several thresholds.

    Parameters
    ----------
    report
        Of criterion "mean"; its means and standard errors give the labels at each threshold. Or the
        scores, which are tested as `headscore.test` does by default.
    ax
        Axes to draw on; None: a new figure.
    taus
        Thresholds on the mean score.

    Raises
    ------
    UsageError
        If the criterion is another one, a threshold is not a finite number above 0, or
        `report` is something else.
    """
    counts = tau_curve_with(report, CurveOptions(taus=taus))
    ax = style.axes(ax, 6.0, 3.6)
    for number, (role, row) in enumerate(counts.iterrows()):
        ax.plot(
            counts.columns.to_numpy(),
            row.to_numpy(),
            color=style.ROLES[number % len(style.ROLES)],
            marker=style.MARKERS[number % len(style.MARKERS)],
            markersize=4,
            linewidth=1.2,
            label=style.name(str(role)),
        )
    tau = report.facts.get("tau", "=")  # scores have none
    if "," not in tau and "=" not in tau:
        ax.axvline(float(tau), color=style.FAINT, linewidth=0.8, linestyle=":", zorder=0)
    ax.set_ylim(bottom=0)
    ax.yaxis.set_major_locator(MaxNLocator(integer=True))
    style.title(ax, "heads with each role by threshold")
    ax.set_xlabel("threshold tau")
    ax.set_ylabel("heads with the role")
    ax.spines[["top", "right"]].set_visible(False)
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, borderaxespad=0.2)
    return ax


def pvalues(report: RoleTable, *, ax: Axes | None = None) -> Axes:
    """Draw the histogram of unadjusted p-values of all cells; the count axis is logarithmic.

    Raises
    ------
    UsageError
        If `report` is something else.
    """
    style.check("report", report, RoleTable, "a Report", "test")
    p = report.table["pvalue"].dropna().to_numpy()
    ax = style.axes(ax, 5.4, 2.8)
    ax.hist(p, bins=np.linspace(0, 1, _BINS + 1).tolist(), color="#2b6cb0", edgecolor="white")
    ax.set_yscale("log")
    # On a log axis a count of 1 has height 0 above 1; from 0.7 its bar is visible.
    ax.set_ylim(bottom=0.7)
    ax.set_xlim(0, 1)
    between = float(((p > 0.05) & (p < 0.95)).mean()) if len(p) else 0.0
    style.title(ax, f"{between:.1%} of {len(p)} p-values lie between 0.05 and 0.95")
    ax.set_xlabel("p-value, unadjusted")
    ax.set_ylabel("cells")
    ax.spines[["top", "right"]].set_visible(False)
    return ax
