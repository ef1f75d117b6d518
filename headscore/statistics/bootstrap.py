"""Bootstrap intervals of the mean score of each cell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import ndtr, ndtri

from headscore.arrays import Floats, Ints
from headscore.options import IntervalOptions
from headscore.scores.head_scores import HeadScores, check_scores
from headscore.signatures import takes
from headscore.statistics.clusters import clusters_of
from headscore.statistics.criterion import Criterion
from headscore.statistics.draws import counted
from headscore.statistics.looks import looks_of
from headscore.statistics.moments import moments
from headscore.statistics.status import LEAST_UNITS

# A batch of draws needs 4 MiB for the units drawn and as much for their counts.
_DRAWS = 1 << 19  # units drawn at a time
_EQUAL = 1e-12  # relative spread of equal numbers


@takes(IntervalOptions)
def intervals(scores: HeadScores, options: IntervalOptions) -> pd.DataFrame:
    """Return bootstrap intervals of the mean score of every head in every role.

    Bias-corrected and accelerated (BCa): Efron, "Better bootstrap confidence intervals", J. Am.
    Stat. Assoc. 82 (1987). Sequences, or clusters of them, are resampled with all their cells, so
    all cells have the same draws. The acceleration is that of the jackknife. For display; labels
    come from `headscore.test`. Of a run that one of several looks may have stopped, the intervals
    hold at all looks: 1 - level is divided by their number.

    Parameters
    ----------
    scores
        The scores of each sequence.

    Returns
    -------
    pandas.DataFrame
        Columns layer, head, role, mean, low, high; rows as in the table of a report. NaN where
        fewer than eight units take part (intervals of so few miss their level) or a score is not
        finite. Draws that hold no unit that takes part do not count.

    Raises
    ------
    UsageError
        If an option has a value that is not allowed.
    InputError
        If documents are needed and unknown.
    """
    check_scores(scores)
    if (looks := looks_of(scores.facts)) > 1:
        options = replace(options, level=1 - (1 - options.level) / looks)
    groups = clusters_of(scores, options.clusters)
    codes = groups.units(len(scores.values))
    n_units = int(codes.max()) + 1
    n_sequences, n_roles, n_layers, n_heads = scores.values.shape
    means, bounds = [], []
    for role in range(n_roles):
        # A mean is total / size over units, so a resample needs sums and sizes only, never the
        # scores.
        total, size = sums_of_units(scores.values[:, role].reshape(n_sequences, -1), codes, n_units)
        mean, low_high = _bca(total, size, options)
        means.append(mean)
        bounds.append(low_high)
    at = np.indices((n_roles, n_layers, n_heads)).reshape(3, -1)
    low, high = np.concatenate(bounds, axis=1)
    cells = moments(scores.values, scores.attainable, tau=Criterion.of_mean(np.ones(n_roles)))
    low[cells.nonfinite.ravel()] = high[cells.nonfinite.ravel()] = np.nan
    return pd.DataFrame(
        {
            "layer": at[1],
            "head": at[2],
            "role": np.array(scores.roles, dtype=object)[at[0]],
            "mean": np.concatenate(means),
            "low": low,
            "high": high,
        }
    )


def sums_of_units(
    values__sc: npt.NDArray[np.float32], codes: npt.NDArray[np.integer], n_units: int
) -> tuple[Floats, Floats]:
    """Return the sum and the number of the scores of each unit, both (unit, cell)."""
    x = values__sc.astype(np.float64)
    x[:, np.isinf(x).any(axis=0)] = np.nan
    part = ~np.isnan(x)
    x[~part] = 0.0
    if n_units == len(x):
        # Every sequence is a unit: a permutation, much faster than adding up by code.
        order = np.argsort(codes)
        return x[order], part[order].astype(np.float64)
    total, size = np.zeros((2, n_units, x.shape[1]))
    np.add.at(total, codes, x)
    np.add.at(size, codes, part)
    return total, size


def _bca(total: Floats, size: Floats, options: IntervalOptions) -> tuple[Floats, Floats]:
    """Return the mean, (cell,), and the ends of its interval, (2, cell)."""
    level = options.level
    # Mostly all heads of a role have the same sequences: one column (unit, 1) of sizes is enough.
    same = bool((size == size[:, :1]).all())
    count = size[:, :1] if same else size
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = total.sum(axis=0) / size.sum(axis=0)
        # drawn (draw, cell): the mean of each resample, sum_u w_u total_u / sum_u w_u size_u.
        drawn = np.concatenate([(w @ total) / (w @ count) for w in weights(len(total), options)])
        # Jackknife means (unit, cell), and the acceleration of Efron and Tibshirani, "An
        # Introduction to the Bootstrap" (1993), chapter 14: sum d^3 / (6 (sum d^2)^1.5) with d =
        # mean(without) - without.
        without = (total.sum(axis=0) - total) / (size.sum(axis=0) - size)
        pull = without.mean(axis=0) - without
        square = pull * pull
        acceleration = (square * pull).sum(axis=0) / (6 * square.sum(axis=0) ** 1.5)
        known = (~np.isnan(drawn)).sum(axis=0)
        # Bias correction z0 = Phi^-1(share of draws below the mean); a tie counts half, hence the
        # sum of both comparisons over twice the draws.
        below = (drawn < mean).sum(axis=0) + (drawn <= mean).sum(axis=0)
        bias = ndtri(below / (2 * known))
        # Level of each end, (2, cell): Phi(z0 + (z0 + z) / (1 - a (z0 + z))) for z of both tails.
        ends = ndtri([[(1 - level) / 2], [(1 + level) / 2]])
        shares = ndtr(bias + (bias + ends) / (1 - acceleration * (bias + ends)))
        # Units with equal means have no spread, so the formulas above are 0 / 0: the interval is
        # the mean.
        spread = np.fmax.reduce(total / size, axis=0) - np.fmin.reduce(total / size, axis=0)
    bounds = _quantiles(np.sort(drawn, axis=0), known, shares)
    bounds = np.where(spread <= _EQUAL * np.abs(mean), mean, bounds)
    enough = (size > 0).sum(axis=0) >= LEAST_UNITS
    return mean, np.where(enough, bounds, np.nan)


def weights(n_units: int, options: IntervalOptions) -> Iterator[Floats]:
    """Yield how often each unit is drawn, (some draws, unit), `resamples` rows in all."""
    rng = np.random.default_rng(options.seed)
    rows = max(1, _DRAWS // n_units)
    for start in range(0, options.resamples, rows):
        n_rows = min(rows, options.resamples - start)
        yield counted(rng.integers(0, n_units, (n_rows, n_units)), n_units)


def _quantiles(ordered__dc: Floats, known: Ints, shares: Floats) -> Floats:
    """Return the quantiles of the first `known` rows of each column, (share, cell)."""
    last = np.maximum(known - 1, 0)
    unknown = np.isnan(shares)
    # Linear interpolation between order statistics (numpy's default, type 7 of Hyndman and Fan
    # 1996). NaN draws are sorted to the end, so the first `known` rows of a column are its draws.
    rank = np.where(unknown, 0.0, shares) * last
    below = np.floor(rank).astype(np.intp)
    above = np.minimum(below + 1, last)
    low = np.take_along_axis(ordered__dc, below, axis=0)
    high = np.take_along_axis(ordered__dc, above, axis=0)
    between = low + (rank - below) * (high - low)
    return np.where(unknown, np.nan, between)
