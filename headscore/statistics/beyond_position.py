"""Test of each cell: more attention on a role's word pairs than their position explains.

For a pair with attention a, the same head has the mean attention c at the same offset of the same
sequence where the parse has no arc. Attention with k times the odds that position gives is
``m_k(c) = k c / (1 + (k - 1) c)``; see `headscore.sieves.odds`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headscore.arrays import Bools, Floats, Ints, Texts
from headscore.options import AdjustOptions
from headscore.sieves.odds import FACTORS, UNIT
from headscore.statistics.above_margin import margin_states, margin_test
from headscore.statistics.moments import Moments
from headscore.statistics.t_test import TTest
from headscore.statistics.units import Units


@dataclass(frozen=True, eq=False)
class Excess:
    """The excess over position of the scores of a corpus.

    Attributes
    ----------
    cells, units
        Moments of the excess of each cell over `MARGIN` times the odds, and the independent units.
    sums
        (row, role, layer, head), as `HeadScores.position_sums`; None if unknown.
    """

    cells: Moments
    units: Units
    sums: Ints | None


@dataclass(frozen=True, eq=False)
class BeyondPosition:
    """Attention on word pairs against that of the same offsets; arrays (role, layer, head).

    Attributes
    ----------
    position_mean
        Mean score that position alone gives.
    odds
        How many times the odds that position gives the attention on the pairs has.
    pvalue
        Of H0: these are at most `MARGIN` times.
    pvalue_below
        Of H0: these are at least `MARGIN` times. All four are NaN where nothing is compared.
    state
        One of `headscore.statistics.verdict.VERDICTS`, empty in other roles and where the score
        itself is not tested.
    """

    position_mean: Floats
    odds: Floats
    pvalue: Floats
    pvalue_below: Floats
    state: Texts


def beyond_position(
    excess: Excess, pvalue: Floats, label: Bools, options: AdjustOptions
) -> BeyondPosition:
    """Test for every head whether its attention on each role's pairs exceeds that of position.

    A cell goes beyond position where it has the role *and* exceeds position: the larger of both
    p-values is adjusted. For maxT it is by Holm: to flip the signs of both tests, each in a family
    of its own, would allow an error of alpha in either.

    Parameters
    ----------
    excess
        The excess over position.
    pvalue
        Of the test of the mean score against tau, (role, layer, head).
    label
        bool (role, layer, head): that test, adjusted over all cells and not only these.
    options
        How p-values become labels.
    """
    cells = excess.cells
    n = np.where(cells.n > 0, cells.n, np.nan)
    sums = np.zeros((2 + len(FACTORS), *cells.n.shape)) if excess.sums is None else excess.sums
    means = np.where(excess.sums is None, np.nan, sums * UNIT / n)
    score, visible, by_factor = means[0], means[1], means[2:]
    tested = excess_test(excess, alpha=options.alpha)
    state = margin_states(
        tested,
        of_pairs=np.broadcast_to(cells.n.any(axis=(1, 2), keepdims=True), cells.n.shape),
        pvalue=pvalue,
        needed=label,
        options=options,
    )
    return BeyondPosition(
        position_mean=by_factor[FACTORS.tolist().index(1.0)],
        odds=odds(score, visible, by_factor),
        pvalue=tested.pvalue_above,
        pvalue_below=tested.pvalue_below,
        state=state,
    )


def excess_test(excess: Excess, *, alpha: float = AdjustOptions.alpha) -> TTest:
    """Test whether the excess of each cell lies above 0, and whether it lies below."""
    cells = excess.cells
    # The excess is a difference of two scores, and rounded as the larger one.
    magnitude = np.abs(cells.mean)
    if excess.sums is not None:
        score = excess.sums[0] * UNIT / np.where(cells.n > 0, cells.n, np.nan)
        magnitude = np.maximum(score, magnitude)
    return margin_test(cells, excess.units, magnitude, alpha=alpha)


def odds(score: Floats, visible: Floats, by_factor: Floats) -> Floats:
    """Return the factor k at which the score with k times the odds of position is the score.

    On the scale of log-odds the score with k times the odds is nearly linear in log k: exactly so
    where all pairs have one c, and at both ends. It is interpolated, and goes on with slope 1.

    Parameters
    ----------
    score, visible
        Mean score of the compared pairs, and mean number of visible keys: (any shape).
    by_factor
        (factor, ...), the mean score with each of `FACTORS` times the odds.
    """
    logs = np.log(FACTORS)
    with np.errstate(divide="ignore", invalid="ignore"):
        target = _log_odds(score / visible)
        curve = _log_odds(by_factor / visible)
        # Segment of each target: the last factor whose score is not above it.
        at = np.clip((curve <= target).sum(axis=0) - 1, 0, len(FACTORS) - 2)
        low, high = (np.take_along_axis(curve, at[None] + step, axis=0)[0] for step in (0, 1))
        outside = (target < curve[0]) | (target > curve[-1])
        nearest = np.where(target > curve[-1], len(FACTORS) - 1, 0)
        beyond = logs[nearest] + target - np.take_along_axis(curve, nearest[None], axis=0)[0]
        between = logs[at] + (target - low) / (high - low) * (logs[at + 1] - logs[at])
        return np.asarray(np.exp(np.where(outside, beyond, between)), np.float64)


def _log_odds(share: Floats) -> Floats:
    return np.asarray(np.log(share) - np.log1p(-share), np.float64)
