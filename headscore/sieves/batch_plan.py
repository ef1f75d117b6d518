"""BatchPlan: what the host computes of a batch, for the kernels and for position control."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from headscore.arrays import Array, offsets_of
from headscore.backends.contract import PlanArrays, Visibility
from headscore.encoding.encoded import Encoded
from headscore.roles.role import Role
from headscore.sieves.comparison import Comparison
from headscore.sieves.counts import count_invisible, count_overlap
from headscore.sieves.excess import compare
from headscore.sieves.plan import SievePlan
from headscore.sieves.position import PositionPlan


@dataclass(frozen=True, eq=False)
class VisiblePlan:
    """Everything about a batch under one visibility.

    Attributes
    ----------
    arrays
        What kernels read: the roles, then the further columns of position control.
    comparison
        What the word pairs are compared with.
    overlap
        int64 (role, role), see `headscore.sieves.counts`.
    invisible
        int64 (role,), see `headscore.sieves.counts`.
    left_out
        Visible word pairs that have no comparison, a pair of several roles once for each.
    """

    arrays: PlanArrays
    comparison: Comparison
    overlap: Array
    invisible: Array
    left_out: int


@dataclass(frozen=True, eq=False)
class BatchPlan:
    """The sieves of a batch with position control; plain data, so that it can be pickled.

    Attributes
    ----------
    sieves
        The sieves of the roles.
    """

    sieves: SievePlan
    position: PositionPlan
    _under: dict[Visibility, VisiblePlan] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(
        cls,
        roles: tuple[Role, ...],
        encoded: Encoded,
        *,
        compared: bool = True,
        under: tuple[Visibility, ...] = (),
    ) -> BatchPlan:
        """Compile roles for a batch.

        Parameters
        ----------
        roles
            A role that lacks its parse has no sieve.
        encoded
            The batch.
        compared
            Whether word pairs are compared; if not, there are no further columns.
        under
            Visibilities to compute at once.
        """
        sieves = SievePlan.unchecked(roles, encoded)
        plan = cls(sieves, PositionPlan.of(sieves, encoded, compared=compared))
        for visibility in under:
            plan.under(visibility)
        return plan

    @property
    def roles(self) -> tuple[str, ...]:
        """Names of the roles, without the further columns."""
        return self.sieves.names

    @property
    def names(self) -> tuple[str, ...]:
        """The roles, then a name for every further column."""
        return self.position.names

    @property
    def batch(self) -> int:
        """Number of sequences."""
        return self.sieves.batch

    @property
    def lengths(self) -> Array:
        """int32 (batch,), real tokens of each sequence."""
        return self.sieves.lengths

    @property
    def tokens(self) -> int:
        """Padded length T."""
        return self.sieves.tokens

    def arrays(self, visibility: Visibility) -> PlanArrays:
        """Return the kernels' arrays under a visibility.

        `token_takes_part` covers the roles only: for all columns it would be of size T x T.
        """
        return self.under(visibility).arrays

    def under(self, visibility: Visibility) -> VisiblePlan:
        """Return the plan under a visibility, computed on the first call for it."""
        if visibility not in self._under:
            self._under[visibility] = self._computed(visibility)
        return self._under[visibility]

    def _computed(self, visibility: Visibility) -> VisiblePlan:
        comparison, left_out = _comparison(self.position, visibility)
        return VisiblePlan(
            arrays=self.position.arrays(visibility),
            comparison=comparison,
            overlap=count_overlap(self.sieves, visibility),
            invisible=count_invisible(self.sieves, visibility),
            left_out=left_out,
        )


def _comparison(plan: PositionPlan, visibility: Visibility) -> tuple[Comparison, int]:
    found = compare(plan, visibility)
    columns = len(plan.plan.names) + plan._further
    flat = plan.column_sequence * columns + plan.column_number
    offsets = len(flat) - len(plan.offset)
    rows, mean = np.unique(found.role * offsets + plan.offset[found.entry], return_inverse=True)
    means = found.means[rows]
    means.sort_indices()
    pairs, first, counts = np.unique(found.pair, return_index=True, return_counts=True)
    del pairs
    sequence, role = plan.entries.sequence[found.entry[first]], found.role[first]
    new = np.ones(len(first), bool)
    new[1:] = (sequence[1:] != sequence[:-1]) | (role[1:] != role[:-1])
    starts = np.flatnonzero(new)
    share = np.ones(len(rows))
    some = np.diff(means.indptr) > 0
    share[some] = means.data[means.indptr[:-1][some]]
    return Comparison(
        pair_offsets=offsets_of(counts),
        member_column=flat[found.entry].astype(np.int32),
        member_mean=mean.astype(np.int32),
        member_weight=found.weight,
        mean_offsets=means.indptr.astype(np.int64),
        mean_column=flat[means.indices].astype(np.int32),
        mean_share=share,
        unit_offsets=np.append(starts, len(first)).astype(np.int64),
        unit_sequence=sequence[starts].astype(np.int32),
        unit_role=role[starts].astype(np.int32),
    ), found.left_out
