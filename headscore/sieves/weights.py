"""Weights: what each entry of a sieve counts, and the largest score that attention could reach.

With V(i) the keys that query i sees and S(i) those of its sieve that it sees, a token score is

    r(i) = |V(i)| / |S(i)| * (attention of i on S(i))

and a sequence score the mean of r(i) over the rows with a sieve (Pande et al. 2021). So a kernel
adds up attention times a weight. Of a label role the weight is that of a row:

    |V(i)| / (|S(i)| * rows taking part)

and of a pair role that of an entry. A group, such as a word pair, is the mean over its rows of the
mean over their keys, and the score is the mean over the groups:

    group 0: rows 4, 5   keys 7, 8      weight of (4, 7): |V(4)| / (2 keys * 2 rows * 3 groups)
    group 1: row  6      key  2         weight of (6, 2): |V(6)| / (1 key * 1 row * 3 groups)
    group 2: row  9      keys 2, 3, 4

Keys that are not visible count nowhere: not as a key, nor their row or group where they are all it
has.
"""

from __future__ import annotations

import numpy as np

from headscore.arrays import Array, offsets_of, run_numbers
from headscore.backends.contract import PlanArrays, Visibility
from headscore.sieves.compile import CompiledSieves


def visible_range(lengths: Array, tokens: int, visibility: Visibility) -> tuple[Array, Array]:
    """Return V(i) = [begin, end) of every query: two int64 (batch, T), empty for padding."""
    row = np.arange(tokens)
    end = np.repeat(np.asarray(lengths, np.int64)[:, None], tokens, axis=1)
    begin = np.zeros_like(end)
    real = row < end
    if visibility.causal:
        end = np.minimum(end, row + 1)
    if visibility.window is not None:
        reach = visibility.window - 1 if visibility.causal else visibility.window
        begin = np.maximum(begin, row - reach)
        end = np.minimum(end, row + visibility.window + 1)
    return begin, np.where(real, end, begin)


def weigh(sieves: CompiledSieves, visibility: Visibility) -> PlanArrays:
    """Return the kernels' arrays of some sieves under a visibility."""
    begin, end = visible_range(sieves.lengths, sieves.tokens, visibility)
    n_visible = end - begin
    shape = (sieves.batch, len(sieves.names), sieves.tokens)
    token_part = np.zeros(shape, bool)
    best = np.zeros(shape)  # the most that each row can add to the score
    row_weight = np.zeros((len(sieves.label_role), sieves.batch, sieves.tokens), np.float32)
    for number, role in enumerate(sieves.label_role.tolist()):
        query, key = (
            labels[number].astype(np.int64) for labels in (sieves.query_label, sieves.key_label)
        )
        n_sieve = count_keys(query, key, sieves.band[number], begin, end)
        weight = _label_weights(n_sieve, n_visible)
        row_weight[number] = weight
        token_part[:, role] = n_sieve > 0
        entropic = bool(sieves.times_entropy[role])
        best[:, role] = weight * (_best_with_entropy(n_sieve, n_visible) if entropic else 1.0)
    pair_weight = _pair_weights(sieves, begin, end)
    _add_pairs(sieves, pair_weight, n_visible, token_part, best)
    takes_part = np.asarray(token_part.any(-1))
    # Kernels read the entries of a row together: by sequence and query, then key, then role.
    order = np.lexsort(
        (sieves.entry_role, sieves.entry_key, sieves.entry_query, sieves.entry_sequence)
    )
    row = (sieves.entry_sequence * sieves.tokens + sieves.entry_query)[order]
    return PlanArrays(
        tokens=sieves.tokens,
        lengths=sieves.lengths,
        times_entropy=sieves.times_entropy,
        label_role=sieves.label_role,
        query_label=sieves.query_label,
        key_label=sieves.key_label,
        band=sieves.band,
        row_weight=row_weight,
        pair_offsets=offsets_of(np.bincount(row, minlength=sieves.batch * sieves.tokens)),
        pair_role=sieves.entry_role[order].astype(np.int32),
        pair_key=sieves.entry_key[order].astype(np.int32),
        pair_weight=pair_weight[order].astype(np.float32),
        takes_part=takes_part,
        token_takes_part=token_part,
        attainable=np.where(takes_part, best.sum(-1), np.nan).astype(np.float32),
    )


def count_keys(query: Array, key: Array, band: Array, begin: Array, end: Array) -> Array:
    """Count for each query the keys with its label, within the band and the visible keys.

    Every key gets the number ``(sequence * labels + label) * (T + 1) + position``. Sorted, the keys
    of one sequence and label are neighbours, in the order of their positions, so two binary
    searches count those in [first, last)::

        sequence 0        | sequence 1            of query label 1, sequence 0, [2, 5):
        label 0  label 1  | label 0  label 1
        0 3 4    1 2 6    | 0 1      2            searches for 1.2 and 1.5 -> one key, at 2

    Parameters
    ----------
    query, key
        int64 (batch, T), labels; -1 matches nothing.
    band
        (2,), the lowest and highest j - i.
    begin, end
        int64 (batch, T), as `visible_range` returns them.

    Returns
    -------
    int64 (batch, T)
    """
    batch, tokens = query.shape
    row = np.arange(tokens)
    low, high = band.tolist()
    first = np.maximum(begin, row + low)
    last = np.maximum(first, np.minimum(end, row + high + 1))
    labels = max(int(key.max(initial=0)), int(query.max(initial=0))) + 1
    sequence = np.arange(batch)[:, None]
    stride = tokens + 1

    def place(label: Array, position: Array) -> Array:
        return np.asarray((sequence * labels + label) * stride + position)

    keys = np.sort(place(key, np.broadcast_to(row, key.shape))[key >= 0])
    found = np.searchsorted(keys, place(query, last)) - np.searchsorted(keys, place(query, first))
    return np.asarray(np.where(query >= 0, found, 0))


def _label_weights(n_sieve: Array, n_visible: Array) -> Array:
    rows = np.maximum((n_sieve > 0).sum(1, keepdims=True), 1)
    weight = n_visible / (np.maximum(n_sieve, 1) * rows)
    return np.where(n_sieve > 0, weight, 0.0)


def _pair_weights(sieves: CompiledSieves, begin: Array, end: Array) -> Array:
    """Return float64 (entry,): |V(i)| / (keys of the row * rows of the group * groups)."""
    if not len(sieves.entry_key):
        return np.zeros(0)
    at = (sieves.entry_sequence, sieves.entry_query)
    visible = (sieves.entry_key >= begin[at]) & (sieves.entry_key < end[at])
    score = sieves.entry_role, sieves.entry_sequence
    group = (*score, sieves.entry_group)
    _, keys = _within((*group, sieves.entry_query), visible)
    _, rows = _within(group, _firsts((*group, sieves.entry_query), visible))
    _, groups = _within(score, _firsts(group, visible))
    weight = (end - begin)[at] / np.maximum(keys * rows * groups, 1)
    return np.asarray(np.where(visible, weight, 0.0))


def _within(columns: tuple[Array, ...], counted: Array) -> tuple[Array, Array]:
    """Return the number of each entry's run of equal columns, and how many of it are counted."""
    run = run_numbers(*columns)
    return run, np.bincount(run, weights=counted)[run]


def _firsts(columns: tuple[Array, ...], counted: Array) -> Array:
    """Mark the first counted entry of every run of equal columns."""
    run, _ = _within(columns, counted)
    before = np.concatenate([[0], counted.cumsum()])  # counted entries before each one
    start = np.searchsorted(run, run)  # where the run of each entry begins
    return np.asarray(counted & (before[:-1] == before[start]))


def _add_pairs(
    sieves: CompiledSieves, weight: Array, n_visible: Array, token_part: Array, best: Array
) -> None:
    """Fill in the rows of pair roles: which take part, and the most that each can add.

    A row adds most when all its attention lies on the key of the largest total weight. With the
    entropy factor the largest entropy, ln |V(i)|, bounds it.
    """
    if not len(weight):
        return
    role, sequence, query = sieves.entry_role, sieves.entry_sequence, sieves.entry_query
    np.logical_or.at(token_part, (sequence, role, query), weight > 0)
    place = np.ravel_multi_index(
        (role, sequence, query, sieves.entry_key),
        (len(sieves.names), sieves.batch, sieves.tokens, sieves.tokens),
    )
    entries, entry = np.unique(place, return_inverse=True)
    total = np.bincount(entry, weights=weight)
    row = np.unravel_index(entries, (len(sieves.names), sieves.batch, sieves.tokens, sieves.tokens))
    entropic = sieves.times_entropy[row[0]].astype(bool)
    factor = np.where(entropic, np.log(np.maximum(n_visible[row[1], row[2]], 1)), 1.0)
    np.maximum.at(best, (row[1], row[0], row[2]), total * factor)


def _best_with_entropy(n_sieve: Array, n_visible: Array) -> Array:
    """Return the largest m * H over rows with the share m of attention in the sieve.

    For a given m the entropy is largest when attention is uniform inside and outside:
    H(m) = -m ln(m/s) - (1-m) ln((1-m)/(n-s)). m H(m) has one maximum, since H is concave;
    bisection on the sign of its derivative finds it.
    """
    sizes, where = np.unique(
        np.stack([n_sieve.ravel(), n_visible.ravel()]), axis=1, return_inverse=True
    )
    inside = np.maximum(sizes[0], 1).astype(float)
    outside = np.maximum(sizes[1] - sizes[0], 0).astype(float)
    some = outside > 0
    rest = np.where(some, outside, 1.0)
    low, high = np.full(len(inside), 1e-9), np.full(len(inside), 1 - 1e-12)
    for _ in range(60):
        m = (low + high) / 2
        entropy = -m * np.log(m / inside) - (1 - m) * np.log((1 - m) / rest)
        slope = entropy + m * (np.log((1 - m) / m) + np.log(inside / rest))
        low, high = np.where(slope > 0, m, low), np.where(slope > 0, high, m)
    m = (low + high) / 2
    entropy = -m * np.log(m / inside) - (1 - m) * np.log((1 - m) / rest)
    best = np.where(some, m * entropy, np.log(inside))
    return np.asarray(best[where.reshape(n_sieve.shape)])
