"""Add up the rows of a matched control: by stratum for the odds ratio, by cluster for its error."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from headscore.arrays import Array, Floats, Ints
from headscore.scores.head_scores import HeadScores
from headscore.scores.matched_rows import MATCHED
from headscore.sieves.strata import CONTROL, UNLABELLED
from headscore.statistics.indicator import indicator
from headscore.statistics.mantel_haenszel import Strata, influence, information
from headscore.statistics.units import Sums


@dataclass(frozen=True, eq=False)
class AllRows:
    """The rows of a matched control; attributes as `HeadScores` has them, without its prefix."""

    attention: npt.NDArray[np.float32]
    weight: npt.NDArray[np.float32]
    sequence: Ints
    role: npt.NDArray[np.int32]
    stratum: npt.NDArray[np.uint64]

    @classmethod
    def of(cls, scores: HeadScores) -> AllRows | None:
        """Return the rows of scores; None where they have none."""
        arrays = [getattr(scores, name) for name in MATCHED]
        return None if any(each is None for each in arrays) else cls(*arrays)

    def of_role(self, role: int) -> tuple[Ints, Ints]:
        """Return the numbers of the rows of a role, and of the controls of the same strata."""
        cases = np.flatnonzero(self.role == role)
        usable = (self.role == CONTROL) & (self.stratum != UNLABELLED)
        return cases, np.flatnonzero(usable & np.isin(self.stratum, self.stratum[cases]))

    def of_layer(self, rows: Ints, layer: int) -> Rows:
        """Return some rows in a layer."""
        return Rows(
            self.attention[rows, layer].astype(np.float64),
            self.weight[rows, layer].astype(np.float64)[:, None],
            self.stratum[rows],
            self.sequence[rows],
        )


@dataclass(frozen=True, eq=False)
class Rows:
    """Rows of one layer, all cases or all controls.

    Attributes
    ----------
    attention, weight
        float64 (row, head) and (row, 1).
    stratum, sequence
        (row,): the key of the stratum, or its number, and the number of the sequence.
    """

    attention: Floats
    weight: Floats
    stratum: Array
    sequence: Ints

    def visible(self) -> Array:
        """Return the strata of which this layer sees an entry, each once, in ascending order."""
        return np.unique(self.stratum[self.weight[:, 0] > 0])

    def within(self, strata: Array) -> Rows:
        """Return the rows of some strata, in ascending order, numbered by them."""
        kept = np.isin(self.stratum, strata)
        return Rows(
            self.attention[kept],
            self.weight[kept],
            np.searchsorted(strata, self.stratum[kept]),
            self.sequence[kept],
        )


@dataclass(frozen=True, eq=False)
class Compared:
    """Word pairs of a role in one layer beside their controls.

    Attributes
    ----------
    strata
        The strata that have both.
    cases, controls
        The rows of these strata.
    """

    strata: Strata
    cases: Rows
    controls: Rows

    @classmethod
    def of(cls, cases: Rows, controls: Rows) -> Compared | None:
        """Compare rows in the strata that hold both; None where there is no such stratum."""
        common = np.intersect1d(cases.visible(), controls.visible(), assume_unique=True)
        if not len(common):
            return None
        cases, controls = cases.within(common), controls.within(common)
        # onto @ x sums the rows of each stratum: (stratum, row) @ (row, head).
        of_cases, of_controls = (indicator(rows.stratum, len(common)) for rows in (cases, controls))
        strata = Strata(
            cases=of_cases @ cases.attention,
            controls=of_controls @ controls.attention,
            n_cases=of_cases @ cases.weight,
            n_controls=of_controls @ controls.weight,
        )
        return cls(strata, cases, controls)

    def sums(self, codes: Ints, margin: float) -> Sums:
        """Return the sums of clusters, of which the size adds up to ``sum_s n_a n_c / N``.

        Parameters
        ----------
        codes
            The number of the cluster of each sequence.
        margin
            k of ``U = P - k Q``.
        """
        effect, share = influence(self.strata, margin), information(self.strata)
        groups = (
            (self.cases, effect.cases, effect.n_cases, share[0]),
            (self.controls, effect.controls, effect.n_controls, share[1]),
        )
        n_clusters = int(codes.max()) + 1
        total = np.zeros((n_clusters, self.cases.attention.shape[1]))
        size = np.zeros((n_clusters, 1))
        for rows, of_attention, of_weight, each in groups:
            onto, at = indicator(codes[rows.sequence], n_clusters), rows.stratum
            total += onto @ (of_attention[at] * rows.attention + of_weight[at] * rows.weight)
            size += onto @ (each[at] * rows.weight)
        deviation = total - size * (total.sum(axis=0) / size.sum())
        return Sums(deviation, np.zeros_like(size), size)
