"""Overlap: how many sieve entries the roles of a batch have in common, before any model."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np

from headscore.arrays import Array
from headscore.backends.contract import Visibility
from headscore.sieves.plan import SievePlan, count_keys, visible_range

_LARGE = 2**31  # labels beyond this are numbered anew, as sequence * label * T must fit int64


def count_overlap(plan: SievePlan, visibility: Visibility) -> Array:
    """Count the entries that each two roles' sieves have in common, over all sequences.

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
    """Count, int64 (role, role), at the distinct entries of pair roles that can be seen."""
    shape = (plan.batch, plan.tokens, plan.tokens)
    at = (plan.entry_sequence, plan.entry_query)
    seen = (plan.entry_key >= begin[at]) & (plan.entry_key < end[at])
    listed = np.ravel_multi_index((*at, plan.entry_key), shape)[seen]
    places, place = np.unique(listed, return_inverse=True)
    sequence, query, key = np.unravel_index(places, shape)
    member = np.zeros((len(plan.names), len(places)), bool)
    member[plan.entry_role[seen], place] = True
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
