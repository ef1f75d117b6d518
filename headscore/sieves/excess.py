"""Compare the attention on a role's word pairs with what position alone gives.

The entries of a word pair (query piece i, key piece j) have the weights of the score, with the keys
and rows that have a comparison counted only:

    w_ij = |V(i)| / (keys of the row * rows of the pair)

so that a pair has the score A, and attention of its offsets elsewhere would give it C, where
c(offset) is the mean over the comparison entries, see `headscore.sieves.position`:

    A = sum w_ij a_ij        C = sum w_ij c(j - i)        V = sum w_ij, the mean of |V(i)|

C / V is a mean of attention, and position with k times the odds gives the pair V m_k(C / V), see
`headscore.sieves.odds`. The excess of a sequence is the mean over its pairs of
A - V m_1.5(C / V). A pair none of whose entries has a comparison is left out.

All sums are products of sparse matrices with the columns that kernels return, of shape
(column, layer * head)::

    own         (pair, column)           w at the columns of its entries
    means       (role * offset, column)  1 / comparison entries, at the column of the offset's free
                                         entries and at those of other roles' entries
    elsewhere   (pair, role * offset) @ means, w at the offsets of its entries
    average     (sequence * role, pair)  1 / pairs
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse

from headscore.arrays import Array, Bools, Floats, Ints, new_runs, run_numbers
from headscore.backends.contract import Visibility
from headscore.sieves.comparison import Comparison
from headscore.sieves.odds import FACTORS, MARGIN, ROWS, UNIT, scaled
from headscore.sieves.position import PositionPlan
from headscore.sieves.weights import visible_range


class Comparable(NamedTuple):
    """The word pairs of a batch that have a comparison under one visibility.

    Attributes
    ----------
    role, pair, entry
        int64 (member,), as in `PositionPlan`.
    weight
        float64 (member,), w_ij.
    means
        (role * offset, column): the mean of the comparison entries.
    left_out
        Visible pairs that have no comparison, a pair of several roles once for each.
    """

    role: Ints
    pair: Ints
    entry: Ints
    weight: Floats
    means: sparse.csr_array
    left_out: int


class PositionControl(NamedTuple):
    """Scores of word pairs against position, as in `headscore.scores.head_scores.HeadScores`.

    Attributes
    ----------
    excess
        float32 (batch, role, head).
    sums
        int64 (row, role, head), over the sequences of the batch.
    """

    excess: Array
    sums: Ints


def control_position(
    comparison: Comparison,
    scores__bch: Array,
    counted: Bools | None,
    roles: int,
) -> PositionControl:
    """Compare the word pairs of a batch with position.

    Parameters
    ----------
    comparison
        Of the visibility of these layers.
    scores__bch
        float32 (batch, column, head), what a backend returned; NaN where there is no head. Layers
        may be stacked on the head axis.
    counted
        bool (batch,): the others have the excess NaN and add nothing to the sums; None: all.
    roles
        Number of roles.

    Returns
    -------
    PositionControl
    """
    batch, _, heads = scores__bch.shape
    every = scores__bch.reshape(-1, heads).astype(np.float64)
    excess = np.full((batch, roles, heads), np.nan)
    sums = np.zeros((ROWS, roles, heads), np.int64)
    mean = np.repeat(np.arange(len(comparison.mean_share)), np.diff(comparison.mean_offsets))
    means = np.zeros((len(comparison.mean_share), heads))
    np.add.at(means, mean, every[comparison.mean_column])
    means *= comparison.mean_share[:, None]
    for unit, (b, r) in enumerate(zip(comparison.unit_sequence, comparison.unit_role, strict=True)):
        if counted is not None and not counted[b]:
            continue
        pairs = range(comparison.unit_offsets[unit], comparison.unit_offsets[unit + 1])
        total = np.zeros((ROWS, heads))
        above = np.zeros(heads)
        for pair in pairs:
            at = slice(comparison.pair_offsets[pair], comparison.pair_offsets[pair + 1])
            weight = comparison.member_weight[at, None]
            visible = weight.sum()
            score = (weight * every[comparison.member_column[at]]).sum(0)
            share = (weight * means[comparison.member_mean[at]]).sum(0) / visible
            above += score - visible * scaled(share, MARGIN)
            total[0] += score
            total[1] += visible
            for row, factor in enumerate(FACTORS.tolist(), start=2):
                total[row] += visible * scaled(share, factor)
        excess[b, r] = above / len(pairs)
        total /= len(pairs)
        total[:, np.isnan(above)] = 0
        sums[:, r] += np.rint(total / UNIT).astype(np.int64)
    return PositionControl(excess.astype(np.float32), sums)


def compare(plan: PositionPlan, visibility: Visibility) -> Comparable:
    """Return the members that have comparison entries, and the means over these entries."""
    visible = plan.visible(plan.entries, visibility)
    count__ro, others__re = _comparison_entries(plan, visible, visibility)
    member_visible = visible[plan.member_entry]
    counts = count__ro[plan.member_role, plan.offset[plan.member_entry]]
    chosen = member_visible & (counts > 0)
    # A pair is left out where it has visible members but none of them has a comparison entry.
    pairs = [len(np.unique(plan.member_pair[some])) for some in (member_visible, chosen)]
    pair, entry = plan.member_pair[chosen], plan.member_entry[chosen]
    return Comparable(
        role=plan.member_role[chosen],
        pair=pair,
        entry=entry,
        weight=_weights(plan, pair, entry, visibility),
        means=_means(plan, count__ro, others__re),
        left_out=pairs[0] - pairs[1],
    )


def _comparison_entries(
    plan: PositionPlan, visible: Bools, visibility: Visibility
) -> tuple[Ints, Bools]:
    """Count the comparison entries of each role and offset; mark those of other roles' pairs.

    Returns
    -------
    count__ro, others__re
        int64 (role, offset) and bool (role, entry).
    """
    # The plan's columns are one per entry and one per offset.
    roles, offsets = len(plan.plan.names), len(plan.column_number) - len(plan.offset)
    # Every sampled visible entry serves every role except those that have a word pair there.
    others__re = np.tile(visible & plan.sampled, (roles, 1))
    others__re[plan.own_role, plan.own_entry] = False
    # Free entries belong to no role, so that all roles start from the same count.
    free = plan.free_offset[plan.visible(plan.free, visibility)]
    count__ro = np.tile(np.bincount(free, minlength=offsets), (roles, 1))
    role, entry = others__re.nonzero()
    # `add.at` because (role, offset) repeats: plain indexing would add 1 for all its entries.
    np.add.at(count__ro, (role, plan.offset[entry]), 1)
    return count__ro, others__re


def _weights(plan: PositionPlan, pair: Ints, entry: Ints, visibility: Visibility) -> Floats:
    """Return w_ij of each member; members are sorted by pair, then query."""
    # As in `headscore.sieves.weights`, for one level less: a row is a run of one pair and query.
    query = plan.entries.query[entry]
    row = run_numbers(pair, query)
    keys = np.bincount(row)[row]
    rows = np.bincount(pair, weights=new_runs(pair, query))[pair]
    begin, end = visible_range(plan.lengths, plan.tokens, visibility)
    n_visible = (end - begin)[plan.entries.sequence[entry], query]
    return np.asarray(n_visible / (keys * rows))


def _means(plan: PositionPlan, count__ro: Ints, others__re: Bools) -> sparse.csr_array:
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


def _matrix(row: Array, column: Array, value: Array, shape: tuple[int, int]) -> sparse.csr_array:
    return sparse.csr_array((value, (row, column)), shape=shape)
