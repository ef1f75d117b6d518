"""Flags: reservations about a cell that was tested."""

from __future__ import annotations

import numpy as np
from scipy import stats

from headscore.arrays import Floats, Texts
from headscore.statistics.moments import Moments
from headscore.statistics.status import TESTABLE
from headscore.statistics.t_test import TTest
from headscore.statistics.units import Units

# The usual rule of thumb for the t-test of a mean.
SMALL_N = 30
# Below it a t-test hangs on the equal variances that the degrees of freedom are computed for;
# Pustejovsky and Tipton (2018) find the level to be right from about 5 on, tails need more.
FEW_DF = 20


def flags(
    cells: Moments,
    units: Units,
    tested: TTest,
    status: Texts,
    tau: Floats,
    *,
    level: float,
    tolerance: float = 1e-5,
) -> Texts:
    """Return the flags of each tested cell; texts (role, layer, head).

    Words separated by blanks: ``small_n``, fewer than 30 sequences; ``few_clusters``, clusters with
    fewer than 20 degrees of freedom; ``skewed``, after Hall's transformation the test decides
    otherwise at this level; ``negative``, a score is below 0, so there is no e-value;
    ``borderline``, the decision at this level hangs on the rounding of the scores. Empty for cells
    that are not tested.

    Parameters
    ----------
    cells, units, tested, status
        As in `t_test`, and its result.
    tau
        The threshold of each cell, (role, layer, head).
    level
        Significance level that is really used, that of a single test.
    tolerance
        Relative error of a score.
    """
    # The statistic changes by tolerance * size / se where the mean does by tolerance * size.
    size = np.maximum(np.abs(cells.mean), tau)
    critical = stats.t.isf(level, tested.df)
    with np.errstate(invalid="ignore", divide="ignore"):
        se = (cells.mean - tau) / np.where(tested.statistic != 0, tested.statistic, np.nan)
        near = np.abs(tested.statistic - critical) * se <= tolerance * size
    named = {
        "small_n": cells.n < SMALL_N,
        "few_clusters": units.clustered & (units.df < FEW_DF),
        "skewed": (tested.pvalue <= level) != (tested.pvalue_skew <= level),
        "negative": np.isnan(units.log_evalue) & (cells.minimum < 0),
        "borderline": near & (status != "zero_variance"),
    }
    testable = np.isin(status, TESTABLE)
    # Object dtype: texts of any length, and += joins them element by element.
    words = np.full(status.shape, "", dtype=object)
    for word, holds in named.items():
        words[testable & holds] += f"{word} "
    return np.array([text.rstrip() for text in words.flat], dtype=object).reshape(words.shape)
