"""Compute how much more attention a role's word pairs get than other entries at their offsets.

For one sequence, role and head the log ratio is the mean over the word pairs of

    log( mean over the pair's entries of a  /  mean over the same entries of c(offset) )

where a is the attention of an entry, and c(offset) its mean over the comparison entries of that
offset, see `headscore.sieves.position`. A word in pieces makes one pair of several entries; means
are taken before the logarithm, so that a head may look at any one of the pieces. Entries without a
comparison are left out of both means, and a pair that has no other entries is left out entirely.

All means are products of sparse matrices with the columns that kernels return, of shape
(column, layer * head)::

    own         (pair, column)           1 / entries of the pair, at the columns of its entries
    means       (role * offset, column)  1 / comparison entries, at the column of the offset's free
                                         entries and at those of other roles' entries
    elsewhere   (pair, role * offset) @ means
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse

from headscore.arrays import Array, Bools
from headscore.backends.contract import Visibility
from headscore.sieves.position import PositionPlan

# Attention below counts as this: about the smallest number of float16, 2**-24 = 6e-8. It bounds the
# log ratio of a pair that gets no attention at all.
LEAST = 1e-7


class Comparable(NamedTuple):
    """The word pairs of a batch that have a comparison under one visibility.

    Attributes
    ----------
    role, pair, entry
        int64 (member,), as in `PositionPlan`.
    means
        (role * offset, column): the mean of the comparison entries.
    left_out
        Visible pairs that have no comparison, a pair of several roles once for each.
    """

    role: Array
    pair: Array
    entry: Array
    means: sparse.csr_array
    left_out: int


def log_ratios(plan: PositionPlan, scores__bclh: Array, comparable: Comparable) -> Array:
    """Return the log ratio of each sequence, role and head.

    Parameters
    ----------
    plan
        The plan that was scored.
    scores__bclh
        (batch, column, layer, head), what a backend returned for it.
    comparable
        What `compare` returned for the visibility of these layers.

    Returns
    -------
    float32 (batch, role, layer, head)
        NaN where no pair of a sequence can be compared.
    """
    _, _, layers, heads = scores__bclh.shape
    # (column, layer * head): the rows in the order of the plan's columns, entries before offsets.
    attention = scores__bclh[plan.column_sequence, plan.column_number]
    attention = attention.reshape(len(attention), layers * heads).astype(np.float64)
    own, elsewhere = _pair_means(plan, comparable)  # each (pair, column)
    logs = np.log(np.maximum(own @ attention, LEAST) / np.maximum(elsewhere @ attention, LEAST))
    roles = len(plan.plan.names)
    # All members of a pair have its sequence and role: the first one is used. `mean` is
    # (sequence * role, pair) with 1 / pairs at each pair.
    pair, first = np.unique(comparable.pair, return_index=True)
    place = plan.entries.sequence[comparable.entry[first]] * roles + comparable.role[first]
    mean = _matrix(place, np.arange(len(pair)), _shares(place), (plan.batch * roles, len(pair)))
    # The CSR row pointers differ by the number of pairs in a row; a row without pairs is NaN.
    ratios = np.where(np.diff(mean.indptr)[:, None] > 0, mean @ logs, np.nan)
    return ratios.reshape(plan.batch, roles, layers, heads).astype(np.float32)


def compare(plan: PositionPlan, visibility: Visibility) -> Comparable:
    """Return the members that have comparison entries, and the means over these entries."""
    visible = plan.visible(plan.entries, visibility)
    count__ro, others__re = _comparison_entries(plan, visible, visibility)
    member_visible = visible[plan.member_entry]
    counts = count__ro[plan.member_role, plan.offset[plan.member_entry]]
    chosen = member_visible & (counts > 0)
    # A pair is left out where it has visible members but none of them has a comparison entry.
    pairs = [len(np.unique(plan.member_pair[some])) for some in (member_visible, chosen)]
    return Comparable(
        role=plan.member_role[chosen],
        pair=plan.member_pair[chosen],
        entry=plan.member_entry[chosen],
        means=_means(plan, count__ro, others__re),
        left_out=pairs[0] - pairs[1],
    )


def _comparison_entries(
    plan: PositionPlan, visible: Bools, visibility: Visibility
) -> tuple[Array, Array]:
    """Count the comparison entries of each role and offset; mark those of other roles' pairs.

    Returns
    -------
    count__ro, others__re
        int64 (role, offset) and bool (role, entry).
    """
    # The plan's columns are one per entry and one per offset.
    roles, offsets = len(plan.plan.names), len(plan.column_number) - len(plan.offset)
    # Every sampled visible entry serves every role except those that have a word pair there.
    others__re = np.tile(visible & plan.comparable, (roles, 1))
    others__re[plan.member_role, plan.member_entry] = False
    # Free entries belong to no role, so that all roles start from the same count.
    free = plan.free_offset[plan.visible(plan.free, visibility)]
    count__ro = np.tile(np.bincount(free, minlength=offsets), (roles, 1))
    role, entry = others__re.nonzero()
    # `add.at` because (role, offset) repeats: plain indexing would add 1 for all its entries.
    np.add.at(count__ro, (role, plan.offset[entry]), 1)
    return count__ro, others__re


def _means(plan: PositionPlan, count__ro: Array, others__re: Array) -> sparse.csr_array:
    roles, offsets = count__ro.shape
    entries = len(plan.offset)
    # Row (role, offset), column: the offset's own column, which holds the SUM of its free entries,
    # and the columns of other roles' entries. All of them times 1 / count make the mean:
    #
    #     row r * offsets + o:   1/n at entries + o, and at each e with others[r, e], offset[e] = o
    role, entry = others__re.nonzero()
    every = np.arange(roles * offsets)
    row = np.append(every, role * offsets + plan.offset[entry])
    column = np.append(np.tile(entries + np.arange(offsets), roles), entry)
    # Where nothing is compared, count 0, no member refers to the row: any finite share will do.
    share = 1 / np.maximum(count__ro.ravel(), 1)
    return _matrix(row, column, share[row], (roles * offsets, entries + offsets))


def _pair_means(
    plan: PositionPlan, comparable: Comparable
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Return two (pair, column): the mean attention on each pair, and on its comparison entries."""
    # Both have 1 / members at each member of a pair: `own` in the column of the member's entry,
    # `of_rows` in the row of `means` that belongs to the member's role and offset.
    pairs, pair = np.unique(comparable.pair, return_inverse=True)
    columns = comparable.means.shape[1]
    offsets = columns - len(plan.offset)
    row = comparable.role * offsets + plan.offset[comparable.entry]
    share = _shares(pair)
    own = _matrix(pair, comparable.entry, share, (len(pairs), columns))
    of_rows = _matrix(pair, row, share, (len(pairs), comparable.means.shape[0]))
    return own, of_rows @ comparable.means


def _shares(owner: Array) -> Array:
    """Return 1 / (members with the same owner) for each member."""
    return np.asarray(1 / np.bincount(owner)[owner])


def _matrix(row: Array, column: Array, value: Array, shape: tuple[int, int]) -> sparse.csr_array:
    return sparse.csr_array((value, (row, column)), shape=shape)
