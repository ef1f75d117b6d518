"""Summary: the moments of the scores of a corpus that a test needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from headscore.arrays import Bools, Floats, Ints
from headscore.scores.head_scores import HeadScores
from headscore.statistics.beyond_position import Excess
from headscore.statistics.clusters import Clusters
from headscore.statistics.criterion import Criterion
from headscore.statistics.excess_sums import excess_sums
from headscore.statistics.matched import Matched
from headscore.statistics.moments import Moments, moments
from headscore.statistics.thirds import Thirds
from headscore.statistics.units import Units, units_of


@dataclass(frozen=True, eq=False, kw_only=True)
class Summary:
    """The moments of each cell, with the facts and counts of the scores.

    Attributes
    ----------
    roles, facts, counts, overlap, heads, hidden
        As in `HeadScores`.
    n_sequences
        Number of sequences, also of those that take no part.
    cells, units
        The moments of the scores of each cell, and the independent units.
    excess
        The excess over position; None if unknown.
    matched
        The word pairs beside their matched controls; None without these.
    clusters
        What is independent of each other.
    thirds
        The short, middle and long sequences on their own; None if lengths are unknown.
    sums
        The sums of the scores of each unit less tau, see `headscore.statistics.excess_sums`; None
        where the test needs none.
    """

    roles: tuple[str, ...]
    facts: Mapping[str, str]
    counts: Mapping[str, int]
    n_sequences: int
    cells: Moments
    units: Units
    excess: Excess | None
    overlap: Ints | None
    heads: Ints | None
    hidden: Ints | None
    clusters: Clusters
    thirds: Thirds | None = None
    sums: Floats | None = None
    matched: Matched | None = None

    @classmethod
    def of_scores(
        cls,
        scores: HeadScores,
        criterion: Criterion,
        clusters: Clusters,
        *,
        ddof: int,
        with_sums: bool = False,
    ) -> Summary:
        """Return the summary of scores, for a test against a criterion."""
        # With clusters the e-value is that of the clusters, see `units.clustered`.
        cells = moments(
            scores.values,
            scores.attainable,
            tau=criterion,
            ddof=ddof,
            evalues=clusters.codes is None,
        )
        return cls(
            roles=scores.roles,
            facts=scores.facts,
            counts=scores.counts,
            n_sequences=len(scores.sequence_ids),
            cells=cells,
            units=units_of(scores.values, scores.attainable, clusters, cells, criterion, ddof=ddof),
            excess=excess_of(scores, clusters, ddof=ddof),
            matched=Matched.of_scores(scores, clusters, ddof=ddof),
            overlap=scores.overlap,
            heads=scores.heads,
            hidden=scores.hidden,
            clusters=clusters,
            thirds=Thirds.of_scores(scores, criterion, clusters, ddof=ddof),
            sums=excess_sums(scores.values, scores.attainable, clusters, criterion)
            if with_sums
            else None,
        )

    def takes_part(self) -> Bools:
        """Return bool (role,): some sequence takes part in the role."""
        return np.asarray(self.cells.n.any(axis=(1, 2)), np.bool_)


def excess_of(scores: HeadScores, clusters: Clusters, *, ddof: int) -> Excess | None:
    """Return the moments of the excess over position; None if it is unknown."""
    if scores.excess is None:
        return None
    criterion = Criterion.above_zero(len(scores.roles))
    cells = moments(scores.excess, tau=criterion, ddof=ddof)
    units = units_of(scores.excess, None, clusters, cells, criterion, ddof=ddof, evalues=False)
    return Excess(cells, units, scores.position_sums)
