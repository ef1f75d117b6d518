"""Whether a head goes beyond position: a test of each cell."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from headscore import statistics
from headscore.clusters import Clusters
from headscore.criterion import Criterion, Floats
from headscore.moments import moments
from headscore.scores import HeadScores
from headscore.units import clustered, sequences

RATIO = 1.5


@dataclass(frozen=True, eq=False)
class BeyondPosition:
    """How each cell goes beyond position; arrays (role, layer, head).

    Attributes
    ----------
    ratio
        How many times more attention is on the pairs of the role than at their offsets elsewhere,
        a geometric mean over the sequences.
    pvalue
        Of H0: the ratio is at most `RATIO`.
    holds
        1 where the adjusted p-value is at most alpha, else 0. All are NaN where nothing is tested.
    """

    ratio: Floats
    pvalue: Floats
    holds: Floats


def beyond_position(
    scores: HeadScores, clusters: Clusters | None, *, alpha: float, adjust: str, ddof: int
) -> BeyondPosition:
    """Test for every head and role with pairs whether it looks at more than their positions.

    The one-sided t-test of `statistics.t_test` on the log ratios, `headscore.beyond`, of the
    sequences or clusters. p-values are adjusted over the cells that are tested here.

    Parameters
    ----------
    scores
        The scores of each sequence.
    clusters
        The cluster of each sequence; None: sequences are independent.
    alpha, adjust, ddof
        As in `Report.from_scores`; not checked here.
    """
    if scores.beyond is None:
        return BeyondPosition(*np.full((3, *scores.values.shape[1:]), np.nan))
    criterion = Criterion.of_mean(np.full(len(scores.roles), math.log(RATIO)))
    cells = moments(scores.beyond, tau=criterion, ddof=ddof)
    units = sequences(cells)
    if clusters is not None:
        units = clustered(scores.beyond, None, clusters, cells, criterion, ddof=ddof)
    status = statistics.statuses(cells, criterion.tau, units=units)
    pvalue = statistics.t_test(cells, status, criterion.tau, alpha=alpha, units=units).pvalue
    holds = np.where(np.isnan(pvalue), np.nan, statistics.adjust(pvalue, adjust) <= alpha)
    return BeyondPosition(np.exp(cells.mean), pvalue, holds)
