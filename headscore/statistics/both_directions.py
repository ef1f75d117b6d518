"""P-values of each cell in both directions: that it has a role, and that it lacks it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headscore.arrays import Floats, Ints, Texts
from headscore.options import AdjustOptions, TrajectoryOptions
from headscore.scores.head_scores import HeadScores
from headscore.statistics.beyond_position import excess_test
from headscore.statistics.clusters import Clusters
from headscore.statistics.criterion import Criterion
from headscore.statistics.looks import spent
from headscore.statistics.moments import moments
from headscore.statistics.status import statuses
from headscore.statistics.summary import excess_of
from headscore.statistics.t_test import t_test
from headscore.statistics.units import units_of


@dataclass(frozen=True, eq=False, kw_only=True)
class BothDirections:
    """The tests of each cell in both directions; arrays (role, layer, head).

    Attributes
    ----------
    mean
        Mean score.
    above
        P-value of H0: the cell lacks the role. NaN where nothing is tested.
    below
        P-value of H0: the cell has the role; NaN likewise.
    status
        See `headscore.statistics.status`.
    """

    mean: Floats
    above: Floats
    below: Floats
    status: Texts

    def at(self, roles: Ints) -> BothDirections:
        """Return the tests of some roles, in their order."""
        return BothDirections(
            mean=self.mean[roles],
            above=self.above[roles],
            below=self.below[roles],
            status=self.status[roles],
        )


def both_directions(
    scores: HeadScores,
    criterion: Criterion,
    clusters: Clusters,
    options: AdjustOptions,
    label: str = TrajectoryOptions.label,
) -> BothDirections:
    """Test each cell in both directions, by the tests of `headscore.test`.

    A cell has a role where its mean exceeds the threshold. With ``label="beyond_position"`` it has
    a role of word pairs where also the excess over position is above 0: the larger of both p-values
    shows that, and twice the smaller one shows the contrary, as one of the two suffices.
    """
    cells = moments(scores.values, scores.attainable, tau=criterion, ddof=options.ddof)
    units = units_of(
        *(scores.values, scores.attainable, clusters, cells, criterion),
        ddof=options.ddof,
        evalues=False,
    )
    tau = criterion.thresholds(cells.attainable)
    status = statuses(cells, units, tau, heads__l=scores.heads, invisible__rl=scores.hidden)
    tested = t_test(cells, units, status, criterion, alpha=options.alpha)
    above, below = tested.pvalue, tested.pvalue_below
    if label == "beyond_position":
        above, below = _with_position(scores, clusters, above, below, options)
    return BothDirections(
        mean=cells.mean,
        above=spent(above, scores.facts),
        below=spent(below, scores.facts),
        status=status,
    )


def _with_position(
    scores: HeadScores,
    clusters: Clusters,
    above: Floats,
    below: Floats,
    options: AdjustOptions,
) -> tuple[Floats, Floats]:
    """Return the p-values of cells that also must go beyond position, in roles of word pairs."""
    excess = excess_of(scores, clusters, ddof=options.ddof)
    if excess is None:
        return above, below
    tested = excess_test(excess, alpha=options.alpha)
    # Cells of roles of word pairs too few of which are compared: nothing is shown of position.
    beyond, within = (
        np.where(np.isnan(p), 1.0, p) for p in (tested.pvalue_above, tested.pvalue_below)
    )
    of_pairs = excess.cells.n.any(axis=(1, 2), keepdims=True)
    either = np.minimum(2 * np.minimum(below, within), 1.0)
    return (
        np.where(of_pairs, np.maximum(above, beyond), above),
        np.where(of_pairs, either, below),
    )
