"""One-sided t-tests of each cell (role, layer, head) against tau, upwards and downwards."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from headscore.arrays import Bools, Floats, Texts
from headscore.options import AdjustOptions
from headscore.statistics.criterion import Criterion
from headscore.statistics.moments import Moments
from headscore.statistics.status import TESTABLE
from headscore.statistics.units import Units

# About eight units in the last place of float32 (1.2e-7): a score is a quotient of sums.
ROUNDING = 1e-6  # relative error of a float32 score


@dataclass(frozen=True, eq=False, kw_only=True)
class TTest:
    """One-sided one-sample t-tests of each cell; arrays (role, layer, head).

    Attributes
    ----------
    statistic, df
        t and its degrees of freedom; NaN where fewer than two units take part or a score is not
        finite.
    ci_low
        Lower confidence bound of the mean score, NaN likewise.
    attained_low, attained_high
        Lower and upper confidence bound of `attained`, each of its own level; NaN where unknown.
    pvalue
        Of H0: the mean is at most tau. NaN where the status is not one of `TESTABLE`.
    pvalue_skew
        The same after Hall's transformation, which corrects for skewness.
    pvalue_below, pvalue_below_skew
        The same two of H0: the mean is at least tau.
    """

    statistic: Floats
    df: Floats
    ci_low: Floats
    attained_low: Floats
    attained_high: Floats
    pvalue: Floats
    pvalue_skew: Floats
    pvalue_below: Floats
    pvalue_below_skew: Floats


def t_test(
    cells: Moments,
    units: Units,
    status: Texts,
    criterion: Criterion,
    *,
    alpha: float = AdjustOptions.alpha,
    magnitude: Floats | None = None,
) -> TTest:
    """Test for each cell whether its mean exceeds tau, and whether it falls below.

    The standard error has a floor for the rounding of float32 scores,
    ``se^2 = se_units^2 + (1e-6 max(|mean|, tau))^2``: without it exactly uniform attention would be
    significant at tau 1. Where all scores are equal, see `_equal`.

    Parameters
    ----------
    cells, units
        The moments of each cell, and its independent units.
    status
        The status of each cell, see `headscore.statistics.status`.
    criterion
        The threshold of the means.
    alpha
        One minus the level of the confidence bounds.
    magnitude
        Size of the numbers that were rounded, (role, layer, head), where it is not that of mean
        and tau.
    """
    tau = criterion.thresholds(cells.attainable)
    size = np.maximum(np.abs(cells.mean), tau) if magnitude is None else magnitude
    floor = ROUNDING * size
    se = np.sqrt(units.se**2 + floor**2)
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = (cells.mean - tau) / se
    transformed = hall(statistic, units.asymmetry, units.size_asymmetry)
    testable, equal = np.isin(status, TESTABLE), status == "zero_variance"
    above, below = _equal(cells, units, criterion, tau, floor)

    def of_tests(by_t: Floats, of_equal: Floats) -> Floats:
        return np.where(testable, np.where(equal, of_equal, by_t), np.nan)

    reach = stats.t.isf(alpha, units.df)
    attained_reach = reach * _attained_error(cells, units, floor)
    return TTest(
        statistic=statistic,
        df=units.df,
        ci_low=cells.mean - reach * np.sqrt(units.se_mean**2 + floor**2),
        attained_low=cells.attained - attained_reach,
        attained_high=cells.attained + attained_reach,
        # stats.t.sf, not 1 - cdf, which is 0 for p below 1e-16.
        pvalue=of_tests(stats.t.sf(statistic, units.df), above),
        pvalue_skew=of_tests(stats.t.sf(transformed, units.df), above),
        pvalue_below=of_tests(stats.t.cdf(statistic, units.df), below),
        pvalue_below_skew=of_tests(stats.t.cdf(transformed, units.df), below),
    )


def hall(t: Floats, asymmetry: Floats, size_asymmetry: Floats | float = 0.0) -> Floats:
    """Return t corrected for the skewness of the units, whose cubic root law it follows.

    Hall, "On the removal of skewness by transformation", J. R. Statist. Soc. B 54 (1992):
    ``sqrt(n) (S + g S^2 / 3 + g^2 S^3 / 27 + g / (6n))`` for ``S = t / sqrt(n)`` and skewness g.
    With a = g / sqrt(n) and b = a / 3 this is ``t + b t^2 + b^2 t^3 / 3 + a / 6``, which increases
    with t for any b.

    The mean over clusters of different sizes is a ratio of two means. To the same order,
    ``t = t_0 + c t_0^2`` with t_0 the t of a plain mean and ``c = cov(n_g, u_g) / (mean n_g sd u_g
    sqrt(G))``, as the residuals of the variance contain the error of the ratio; so b is
    ``a / 3 - c``.

    Parameters
    ----------
    t
        The statistic.
    asymmetry, size_asymmetry
        a and c, see `headscore.statistics.units.Units`.
    """
    # No skewness known (equal scores): a = 0 and t stays as it is.
    a = np.where(np.isnan(asymmetry), 0.0, asymmetry)
    b = a / 3 - size_asymmetry
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(t + b * t**2 + b**2 * t**3 / 3 + a / 6)


def _attained_error(cells: Moments, units: Units, floor: Floats) -> Floats:
    reach = np.where(cells.attainable > 1, cells.attainable - 1, np.nan)
    return np.sqrt(units.se_attained**2 + (floor / reach) ** 2)


def _equal(
    cells: Moments, units: Units, criterion: Criterion, tau: Floats, floor: Floats
) -> tuple[Floats, Floats]:
    """Return the p-values of cells whose scores all are equal: above tau, and below it.

    Scores are never below 0, so by Markov's inequality a unit is at least c = mean with probability
    at most tau / c, and all of them with at most ``(tau / c)^units``; with A the largest possible
    score, all are at most c with at most ``((A - tau) / (A - c))^units``. Units of different sizes
    count by their share of the largest one.
    """
    excess = np.where(np.abs(cells.mean - tau) > floor, cells.mean - tau, 0.0)
    scale = np.broadcast_to(criterion.scale[:, None, None], excess.shape)
    room = cells.most - criterion.tau[:, None, None]
    with np.errstate(invalid="ignore", divide="ignore"):
        above = np.exp(-units.weight * np.log1p(np.maximum(excess, 0) / scale))
        below = np.exp(-units.weight * np.log1p(np.maximum(-excess, 0) / room))
    return above, np.where(room > 0, below, 1.0)


