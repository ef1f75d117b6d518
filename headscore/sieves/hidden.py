"""Hidden sieves: sequences in which a role points only to tokens that no query of it may see."""

from __future__ import annotations

import numpy as np

from headscore.arrays import Array
from headscore.backends.contract import Visibility
from headscore.sieves.plan import SievePlan, count_keys


def count_hidden(plan: SievePlan, visibility: Visibility) -> Array:
    """Count for each role the sequences that have a sieve, of which nothing is visible.

    Such as a relation whose pairs all point to later tokens, where attention is causal.

    Returns
    -------
    int64 (role,)
    """
    counts = np.zeros(len(plan.names), np.int64)
    if visibility == Visibility():
        return counts  # all there is can be seen
    unseen__br = ~plan.arrays(visibility).takes_part
    for number, role in enumerate(plan.label_role.tolist()):
        rows = np.flatnonzero(unseen__br[:, role])
        counts[role] = _with_keys(plan, number, rows)
    entries = np.unique(np.stack([plan.entry_sequence, plan.entry_role]), axis=1)
    hidden = unseen__br[entries[0], entries[1]]
    return counts + np.bincount(entries[1][hidden], minlength=len(counts))


def _with_keys(plan: SievePlan, number: int, rows: Array) -> int:
    """Count those of some sequences in which a label role has a key, visible or not."""
    if not len(rows):
        return 0
    query = plan.query_label[number, rows].astype(np.int64)
    key = plan.key_label[number, rows].astype(np.int64)
    begin = np.zeros_like(query)
    end = np.broadcast_to(plan.lengths[rows].astype(np.int64)[:, None], query.shape)
    return int(count_keys(query, key, plan.band[number], begin, end).any(axis=1).sum())
