"""Summary: the moments of the scores of a corpus that a test needs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from headscore.arrays import Bools, Ints
from headscore.scores.head_scores import HeadScores
from headscore.statistics import beyond_position
from headscore.statistics.clusters import Clusters
from headscore.statistics.criterion import Criterion
from headscore.statistics.moments import Moments, moments
from headscore.statistics.units import Units, clustered, sequences, units_of


@dataclass(frozen=True, eq=False)
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
    ratios, ratio_units
        The same of the log ratios to attention at the same offsets; None if unknown.
    clusters
        Name of the clusters, "none" where the units are sequences.
    """

    roles: tuple[str, ...]
    facts: Mapping[str, str]
    counts: Mapping[str, int]
    n_sequences: int
    cells: Moments
    units: Units
    ratios: Moments | None
    ratio_units: Units | None
    overlap: Ints | None
    heads: Ints | None
    hidden: Ints | None
    clusters: str = "none"

    @classmethod
    def of_scores(
        cls, scores: HeadScores, criterion: Criterion, clusters: Clusters | None, *, ddof: int
    ) -> Summary:
        """Return the summary of scores, for a test against a criterion."""
        # With clusters the e-value is that of the cluster means, see `units.clustered`.
        cells = moments(
            scores.values, scores.attainable, tau=criterion, ddof=ddof, evalues=clusters is None
        )
        ratios, ratio_units = _ratios(scores, clusters, ddof=ddof)
        return cls(
            roles=scores.roles,
            facts=scores.facts,
            counts=scores.counts,
            n_sequences=len(scores.sequence_ids),
            cells=cells,
            units=units_of(scores, clusters, cells, criterion, ddof=ddof),
            ratios=ratios,
            ratio_units=ratio_units,
            overlap=scores.overlap,
            heads=scores.heads,
            hidden=scores.hidden,
            clusters="none" if clusters is None else clusters.name,
        )

    def takes_part(self) -> Bools:
        """Return bool (role,): some sequence takes part in the role."""
        return np.asarray(self.cells.n.any(axis=(1, 2)), np.bool_)


def _ratios(
    scores: HeadScores, clusters: Clusters | None, *, ddof: int
) -> tuple[Moments | None, Units | None]:
    if scores.excess is None:
        return None, None
    criterion = beyond_position.criterion(len(scores.roles))
    cells = moments(scores.excess, tau=criterion, ddof=ddof)
    if clusters is None:
        return cells, sequences(cells)
    return cells, clustered(scores.excess, None, clusters, cells, criterion, ddof=ddof)
