"""One-sided t-tests of each cell (role, layer, head) against tau, upwards and downwards."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats

from headscore.arrays import Bools, Floats, Texts
from headscore.options import AdjustOptions
from headscore.statistics.criterion import Criterion
from headscore.statistics.moments import Moments
from headscore.statistics.skewness import cautious, cautious_ratio, hall
from headscore.statistics.status import TESTABLE
from headscore.statistics.units import Units

# About eight units in the last place of float32 (1.2e-7): a score is a quotient of sums.
ROUNDING = 1e-6  # relative error of a float32 score
NEAR = 0.0025  # of tau: a mean that is nearer is on neither side of it


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
    pvalue_above, pvalue_below
        Of H0: the mean is at most tau, and of H0: it is at least tau, each cautious where the
        sample may lack the large scores on the other side, see `headscore.statistics.skewness`.
    """

    statistic: Floats
    df: Floats
    ci_low: Floats
    attained_low: Floats
    attained_high: Floats
    pvalue: Floats
    pvalue_skew: Floats
    pvalue_above: Floats
    pvalue_below: Floats


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
    se = np.hypot(units.se, floor)
    with np.errstate(invalid="ignore", divide="ignore"):
        statistic = (cells.mean - tau) / se
    transformed = hall(statistic, units.asymmetry, units.size_asymmetry)
    testable, equal = np.isin(status, TESTABLE), status == "zero_variance"
    above, below = _equal(cells, units, criterion, tau, floor)
    cautious_above, cautious_below = _cautious_pvalues(cells, units, criterion, tau, size, testable)

    def of_tests(by_t: Any, of_equal: Floats) -> Floats:
        return np.where(testable, np.where(equal, of_equal, by_t), np.nan)

    reach = stats.t.isf(alpha, units.df)
    attained_reach = reach * _attained_error(cells, units, floor)
    bound = cells.mean - reach * np.hypot(units.se_mean, floor)
    if criterion.fraction is None:  # else the scores less their allowance are equal
        bound = np.where(equal, cells.mean * alpha ** (1 / np.maximum(units.weight, 1)), bound)
    return TTest(
        statistic=statistic,
        df=units.df,
        ci_low=bound,
        attained_low=cells.attained - attained_reach,
        attained_high=cells.attained + attained_reach,
        # stats.t.sf, not 1 - cdf, which is 0 for p below 1e-16.
        pvalue=of_tests(stats.t.sf(statistic, units.df), above),
        pvalue_skew=of_tests(stats.t.sf(transformed, units.df), above),
        pvalue_above=of_tests(cautious_above, above),
        pvalue_below=of_tests(cautious_below, below),
    )


def _cautious_pvalues(
    cells: Moments,
    units: Units,
    criterion: Criterion,
    tau: Floats,
    size: Floats,
    testable: Bools,
) -> tuple[Floats, Floats]:
    """Return the p-values of H0 "the mean is at most tau" and "the mean is at least tau".

    A head that attends in the same way to nearly every sequence has a standard error of nearly 0,
    and an exception that the sample lacks would move its mean by more: means within a quarter per
    cent of tau are not told apart. Below tau the relative error counts where scores are at least 0.
    """
    se = np.hypot(units.se, NEAR * size)
    t = (cells.mean - tau) / np.where(size > 0, se, np.nan)
    b = units.asymmetry / 3 - units.size_asymmetry
    above = cautious(-t, -b, testable)
    if criterion.nonnegative:
        mean = np.where(cells.mean > 0, cells.mean, np.nan)
        relative = np.hypot(units.se / mean, NEAR)
        below = np.fmax(t, cautious_ratio(cells.mean / tau, relative, b, testable))
    else:
        below = cautious(t, b, testable)
    return np.asarray(stats.t.cdf(above, units.df)), np.asarray(stats.t.cdf(below, units.df))


def _attained_error(cells: Moments, units: Units, floor: Floats) -> Floats:
    reach = np.where(cells.attainable > 1, cells.attainable - 1, np.nan)
    return np.hypot(units.se_attained, floor / reach)


def _equal(
    cells: Moments, units: Units, criterion: Criterion, tau: Floats, floor: Floats
) -> tuple[Floats, Floats]:
    """Return the p-values of cells whose scores all are equal: above tau, and below it.

    Scores are never below 0, so by Markov's inequality a unit is at least c = mean with probability
    at most tau / c, and all of them with at most ``(tau / c)^units``; with A the largest possible
    score, all are at most c with at most ``((A - tau) / (A - c))^units``. Units of different sizes
    count by their share of the largest one. The lower bound of the mean follows: ``c
    alpha^(1/units)``.
    """
    excess = np.where(np.abs(cells.mean - tau) > floor, cells.mean - tau, 0.0)
    scale = np.broadcast_to(criterion.scale[:, None, None], excess.shape)
    room = cells.most - criterion.tau[:, None, None]
    above = markov(np.maximum(excess, 0), scale, units.weight)
    below = markov(np.maximum(-excess, 0), room, units.weight)
    return above, np.where(room > 0, below, 1.0)


def markov(excess: Floats, scale: Floats | float, weight: Floats) -> Floats:
    """Return the chance that all units exceed a mean of `scale` by as much, numbers of at least 0.

    Parameters
    ----------
    excess
        Of the units over the mean, at least 0.
    scale
        The mean, from the lower end of the numbers.
    weight
        As in `headscore.statistics.units.Units`.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.exp(-weight * np.log1p(excess / scale)))
