"""Thirds: the same tests on the short, the middle and the long sequences of a corpus."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from headscore.arrays import Bools, Ints
from headscore.options import AdjustOptions
from headscore.scores.head_scores import HeadScores
from headscore.statistics.adjust import adjust, of_pvalues
from headscore.statistics.clusters import Clusters
from headscore.statistics.criterion import Criterion
from headscore.statistics.moments import Moments, moments
from headscore.statistics.status import statuses
from headscore.statistics.t_test import t_test
from headscore.statistics.units import Units, units_of

NAMES = ("short", "middle", "long")
_AT_A_TIME = 1 << 26  # bytes of scores that are copied
UNTESTED = -1  # labels of a role of which no cell was tested


@dataclass(frozen=True, eq=False)
class Thirds:
    """The moments and units of each third, by length in tokens.

    Attributes
    ----------
    most
        int64 (third,), tokens of the longest sequence of each third.
    parts
        For each third the roles in some groups: which, their moments and their units.
    """

    most: Ints
    parts: tuple[tuple[tuple[slice, Moments, Units], ...], ...]

    @classmethod
    def of_scores(
        cls, scores: HeadScores, criterion: Criterion, clusters: Clusters, *, ddof: int
    ) -> Thirds | None:
        """Return the thirds of scores; None where a length is unknown, or there are few lengths."""
        if scores.lengths is None:
            return None
        third = third_of(scores.lengths)
        if len(np.unique(third)) < len(NAMES):
            return None
        most = [scores.lengths[third == n].max() for n in range(len(NAMES))]
        parts = (
            tuple(_parts(scores, third == n, criterion, clusters, ddof)) for n in range(len(NAMES))
        )
        return cls(np.array(most, np.int64), tuple(parts))

    def labels(self, criterion: Criterion, options: AdjustOptions) -> Ints:
        """Return the number of labels of each third and role, int64 (third, role); -1: untested.

        For maxT they are those by Holm, as in `headscore.report.sensitivity`.
        """
        counts = []
        for roles in self.parts:
            pvalues = []
            for one, cells, units in roles:
                own = criterion.of_roles(one)
                status = statuses(cells, units, own.thresholds(cells.attainable))
                pvalues.append(t_test(cells, units, status, own, alpha=options.alpha).pvalue)
            pvalue = np.concatenate(pvalues)
            label = adjust(pvalue, of_pvalues(options.adjust)) <= options.alpha
            tested = ~np.isnan(pvalue).all(axis=(1, 2))
            counts.append(np.where(tested, label.sum(axis=(1, 2)), UNTESTED))
        return np.array(counts, np.int64)


def third_of(lengths: Ints) -> Ints:
    """Return 0, 1 or 2 for each sequence; sequences of one length are in one third."""
    cuts = np.quantile(lengths, [1 / 3, 2 / 3])
    return np.searchsorted(cuts, lengths, side="left")


def _parts(
    scores: HeadScores, chosen: Bools, criterion: Criterion, clusters: Clusters, ddof: int
) -> Iterator[tuple[slice, Moments, Units]]:
    """Yield moments and units of some roles at a time, whose scores are copied."""
    own = clusters.at(chosen)
    n_roles = len(scores.roles)
    step = max(1, _AT_A_TIME * n_roles * len(chosen) // (scores.values.nbytes * chosen.sum()))
    for start in range(0, n_roles, step):
        some = slice(start, min(start + step, n_roles))
        values = scores.values[:, some][chosen]
        attainable = None if scores.attainable is None else scores.attainable[:, some][chosen]
        of_some = criterion.of_roles(some)
        cells = moments(values, attainable, tau=of_some, ddof=ddof)
        yield (
            some,
            cells,
            units_of(values, attainable, own, cells, of_some, ddof=ddof, evalues=False),
        )
