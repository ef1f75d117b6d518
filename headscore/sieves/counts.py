"""Count, before any model runs, overlapping sieves and sieves without a visible key."""

from __future__ import annotations

from itertools import combinations_with_replacement

import numpy as np

from headscore.arrays import Array
from headscore.backends.contract import Visibility
from headscore.sieves.plan import SievePlan
from headscore.sieves.weights import count_keys, visible_range

# Larger labels are renumbered: `count_keys` packs (sequence * labels + label) * (T + 1) + position
# into an int64, which leaves 2**32 for batch * (T + 1) where labels stay below 2**31.
_LARGE = 2**31


def count_overlap(plan: SievePlan, visibility: Visibility) -> Array:
    """Count the entries that the sieves of each two roles have in common, over all sequences.

    An entry is a query token i with a visible key token j in S(i). It counts once for a role even
    where several of its groups, such as word pairs, contain it. No T x T array is made: the
    intersection of two label roles is a label role again, whose label is the pair of labels and
    whose band is the intersection of the bands; an intersection with a pair role is a subset of
    the listed entries.

    Parameters
    ----------
    plan
        Sieves of the batch.
    visibility
        Which keys a query may attend to.

    Returns
    -------
    int64 (role, role)
        Symmetric; on the diagonal all entries of a role.
    """
    begin, end = visible_range(plan.lengths, plan.tokens, visibility)
    # The first step covers every two roles of which at least one is a pair role; where both are
    # label roles it has counted at listed entries only, which the loop overwrites.
    counts = _at_listed_entries(plan, begin, end)
    for m, n in combinations_with_replacement(range(len(plan.label_role)), 2):
        a, b = plan.label_role[[m, n]]
        counts[a, b] = counts[b, a] = _of_label_roles(plan, m, n, begin, end)
    return counts


def count_invisible(plan: SievePlan, visibility: Visibility) -> Array:
    """Count for each role the sequences that have a sieve but no visible entry in it.

    An example is a relation whose pairs all point to later tokens, under causal attention.

    Returns
    -------
    int64 (role,)
    """
    counts = np.zeros(len(plan.names), np.int64)
    if visibility == Visibility():
        return counts  # every real key is visible, so no entry is lost
    invisible__br = ~plan.arrays(visibility).takes_part
    for number, role in enumerate(plan.label_role.tolist()):
        rows = np.flatnonzero(invisible__br[:, role])
        counts[role] = _with_keys(plan, number, rows)
    # Pair roles: the distinct (sequence, role) that have an entry at all, and of these the ones
    # that do not take part, hence have lost every entry.
    entries = np.unique(np.stack([plan.entry_sequence, plan.entry_role]), axis=1)
    lost = invisible__br[entries[0], entries[1]]
    return counts + np.bincount(entries[1][lost], minlength=len(counts))


def _of_label_roles(plan: SievePlan, m: int, n: int, begin: Array, end: Array) -> int:
    # Two labels a, b become the single label a * labels + b; it is equal for query and key where
    # both labels are, and -1 where either matches nothing. Both are below 2**31, so that the
    # product stays below 2**62.
    labels = 1 + max(int(grid[n].max(initial=0)) for grid in (plan.query_label, plan.key_label))
    both = np.stack(
        [
            np.where((grid[m] < 0) | (grid[n] < 0), -1, grid[m].astype(np.int64) * labels + grid[n])
            for grid in (plan.query_label, plan.key_label)
        ]
    )
    # Renumbered, labels are ranks among the distinct values. The -1 in front makes sure that rank
    # 0 is that of -1, also where every place has a label; minus 1 turns it back into -1.
    if both.max(initial=0) > _LARGE:
        both = np.unique(np.append(-1, both), return_inverse=True)[1][1:].reshape(both.shape) - 1
    query, key = both
    low, high = plan.band[[m, n]].T
    # The intersection may be empty (low above high); `count_keys` then finds no key.
    band = np.array([low.max(), high.min()])
    return int(count_keys(query, key, band, begin, end).sum())


def _at_listed_entries(plan: SievePlan, begin: Array, end: Array) -> Array:
    """Count at the distinct visible entries of pair roles only; int64 (role, role)."""
    shape = (plan.batch, plan.tokens, plan.tokens)
    at = (plan.entry_sequence, plan.entry_query)
    visible = (plan.entry_key >= begin[at]) & (plan.entry_key < end[at])
    # Each (sequence, query, key) becomes one flat number; `places` are the distinct ones and
    # `place` maps every visible entry of a role to its column in `member`.
    listed = np.ravel_multi_index((*at, plan.entry_key), shape)[visible]
    places, place = np.unique(listed, return_inverse=True)
    sequence, query, key = np.unravel_index(places, shape)
    member = np.zeros((len(plan.names), len(places)), bool)  # role r holds place p
    member[plan.entry_role[visible], place] = True
    # A label role holds a place where label and band match, whichever role lists it.
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
    """Count the sequences, of those in `rows`, in which a label role has a key, visible or not."""
    if not len(rows):
        return 0
    query = plan.query_label[number, rows].astype(np.int64)
    key = plan.key_label[number, rows].astype(np.int64)
    begin = np.zeros_like(query)  # [0, length) for every query: no mask but padding
    end = np.broadcast_to(plan.lengths[rows].astype(np.int64)[:, None], query.shape)
    return int(count_keys(query, key, plan.band[number], begin, end).any(axis=1).sum())
