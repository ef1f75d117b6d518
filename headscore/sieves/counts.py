"""Counts of a batch's sieves before any model: overlap of roles, sieves without a visible key."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np

from headscore.arrays import Array
from headscore.backends.contract import Visibility
from headscore.sieves.plan import SievePlan
from headscore.sieves.weights import count_keys, visible_range

_LARGE = 2**31  # labels beyond this are numbered anew, as sequence * label * T must fit int64


def count_overlap(plan: SievePlan, visibility: Visibility) -> Array:
    """Count the entries that the sieves of each two roles have in common, over all sequences.

    An entry is a query token i and a key token j in S(i) that i may see, counted once for a role
    even where several of its groups, such as word pairs, hold it. No array of T x T is made: two
    label roles are together one label role, whose label is the pair of labels and whose band is
    what both bands share; anything else is looked up at the listed entries.

    Parameters
    ----------
    plan
        Sieves of the batch.
    visibility
        Who sees whom.

    Returns
    -------
    int64 (role, role)
        Symmetric; on the diagonal all entries of a role.
    """
    begin, end = visible_range(plan.lengths, plan.tokens, visibility)
    counts = _at_listed_entries(plan, begin, end)
    for m, n in combinations_with_replacement(range(len(plan.label_role)), 2):
        a, b = plan.label_role[[m, n]]
        counts[a, b] = counts[b, a] = _of_label_roles(plan, m, n, begin, end)
    return counts


def count_invisible(plan: SievePlan, visibility: Visibility) -> Array:
    """Count for each role the sequences with a sieve of which no entry is visible.

    Such as a relation whose pairs all point to later tokens, where attention is causal.

    Returns
    -------
    int64 (role,)
    """
    counts = np.zeros(len(plan.names), np.int64)
    if visibility == Visibility():
        return counts  # all there is can be seen
    invisible__br = ~plan.arrays(visibility).takes_part
    for number, role in enumerate(plan.label_role.tolist()):
        rows = np.flatnonzero(invisible__br[:, role])
        counts[role] = _with_keys(plan, number, rows)
    entries = np.unique(np.stack([plan.entry_sequence, plan.entry_role]), axis=1)
    lost = invisible__br[entries[0], entries[1]]
    return counts + np.bincount(entries[1][lost], minlength=len(counts))


def _of_label_roles(plan: SievePlan, m: int, n: int, begin: Array, end: Array) -> int:
    labels = 1 + max(int(grid[n].max(initial=0)) for grid in (plan.query_label, plan.key_label))
    both = np.stack(
        [
            np.where((grid[m] < 0) | (grid[n] < 0), -1, grid[m].astype(np.int64) * labels + grid[n])
            for grid in (plan.query_label, plan.key_label)
        ]
    )
    if both.max(initial=0) > _LARGE:
        both = np.unique(np.append(-1, both), return_inverse=True)[1][1:].reshape(both.shape) - 1
    query, key = both
    low, high = plan.band[[m, n]].T
    band = np.array([low.max(), high.min()])
    return int(count_keys(query, key, band, begin, end).sum())


def _at_listed_entries(plan: SievePlan, begin: Array, end: Array) -> Array:
    """Count, int64 (role, role), at the distinct entries of pair roles that can be visible."""
    shape = (plan.batch, plan.tokens, plan.tokens)
    at = (plan.entry_sequence, plan.entry_query)
    visible = (plan.entry_key >= begin[at]) & (plan.entry_key < end[at])
    listed = np.ravel_multi_index((*at, plan.entry_key), shape)[visible]
    places, place = np.unique(listed, return_inverse=True)
    sequence, query, key = np.unravel_index(places, shape)
    member = np.zeros((len(plan.names), len(places)), bool)
    member[plan.entry_role[visible], place] = True
    for number, role in enumerate(plan.label_role):
        label = plan.query_label[number, sequence, query]
        low, high = plan.band[number]
        near = (key - query >= low) & (key - query <= high)
        member[role] = near & (label >= 0) & (label == plan.key_label[number, sequence, key])
    pairs = combinations_with_replacement(range(len(plan.names)), 2)
    counts = np.zeros((len(plan.names), len(plan.names)), np.int64)
    for a, b in pairs:
        counts[a, b] = counts[b, a] = np.count_nonzero(member[a] & member[b])
    return counts


def _with_keys(plan: SievePlan, number: int, rows: Array) -> int:
    """Count those of some sequences in which a label role has a key, visible or not."""
    if not len(rows):
        return 0
    query = plan.query_label[number, rows].astype(np.int64)
    key = plan.key_label[number, rows].astype(np.int64)
    begin = np.zeros_like(query)
    end = np.broadcast_to(plan.lengths[rows].astype(np.int64)[:, None], query.shape)
    return int(count_keys(query, key, plan.band[number], begin, end).any(axis=1).sum())
