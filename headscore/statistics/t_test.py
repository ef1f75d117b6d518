"""One-sided t-test of each cell (role, layer, head) against tau."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from headscore.arrays import Floats, Texts
from headscore.options import AdjustOptions
from headscore.statistics.criterion import of_cells
from headscore.statistics.moments import Moments
from headscore.statistics.status import TESTABLE
from headscore.statistics.units import Units, sequences

# About eight units in the last place of float32 (1.2e-7): a score is a quotient of sums.
ROUNDING = 1e-6  # relative error of a float32 score


@dataclass(frozen=True, eq=False)
class TTest:
    """A one-sided one-sample t-test of each cell; arrays (role, layer, head).

    Attributes
    ----------
    statistic, df, ci_low
        t, its degrees of freedom and the lower confidence bound of the mean; NaN where fewer than
        two units take part or a score is not finite.
    pvalue
        NaN where the status is not one of `TESTABLE`.
    pvalue_skew
        The p-value after Hall's transformation, which corrects for skewness; NaN likewise.
    """

    statistic: Floats
    df: Floats
    pvalue: Floats
    ci_low: Floats
    pvalue_skew: Floats


def t_test(
    cells: Moments,
    status: Texts,
    tau: Floats,
    *,
    alpha: float = AdjustOptions.alpha,
    units: Units | None = None,
) -> TTest:
    """Test that the mean of each cell exceeds tau.

    The standard error has a floor for the rounding of float32 scores,
    ``se^2 = sd^2 / n + (1e-6 max(|mean|, tau))^2``: without it exactly uniform attention would be
    significant at tau 1. Where all scores are equal the p-values are 0 if they exceed tau by more
    than the floor, else 1.

    Parameters
    ----------
    cells
        The moments of each cell, see `headscore.statistics.moments`.
    status
        The status of each cell, see `headscore.statistics.status`.
    tau
        The threshold of each role, (role,), or of each cell, (role, layer, head).
    alpha
        One minus the level of the confidence bound.
    units
        The independent units; None: the sequences.
    """
    tau = of_cells(tau)
    units = sequences(cells) if units is None else units
    # NaN degrees of freedom make every result of an untestable cell NaN.
    n = np.where((units.n >= 2) & ~cells.nonfinite, units.n, np.nan)
    floor = ROUNDING * np.maximum(np.abs(cells.mean), tau)
    se = np.sqrt(units.se**2 + floor**2)
    excess = cells.mean - tau
    statistic = excess / se
    # Equal scores: no variance to test with, so the comparison itself decides.
    decided = status == "zero_variance"
    by_mean = np.where(excess > floor, 0.0, 1.0)
    # stats.t.sf, not 1 - cdf, which is 0 for p below 1e-16.
    transformed = _hall(statistic, units.skew / np.sqrt(n))
    pvalue, pvalue_skew = (
        np.where(
            np.isin(status, TESTABLE), np.where(decided, by_mean, stats.t.sf(t, n - 1)), np.nan
        )
        for t in (statistic, transformed)
    )
    ci_low = cells.mean - stats.t.isf(alpha, n - 1) * se
    return TTest(statistic, n - 1, pvalue, ci_low, pvalue_skew)


def _hall(t: Floats, a: Floats) -> Floats:
    """Return t corrected for the skewness of the units, given as ``a = skew / sqrt(n)``.

    Hall, "On the removal of skewness by transformation", J. R. Statist. Soc. B 54 (1992):
    ``sqrt(n) (S + g S^2 / 3 + g^2 S^3 / 27 + g / (6n))`` for ``S = t / sqrt(n)`` and skewness g.
    """
    # With S = t / sqrt(n) and a = g / sqrt(n) the powers of n cancel:
    #     sqrt(n) (S + g S^2 / 3 + g^2 S^3 / 27 + g / (6 n)) = t + a t^2 / 3 + a^2 t^3 / 27 + a / 6
    # No skewness known (equal scores): a = 0 and t stays as it is.
    a = np.where(np.isnan(a), 0.0, a)
    with np.errstate(over="ignore"):
        return t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6
