"""Compute the weight of each entry of a sieve, and the largest score that attention can reach.

With V(i) the visible keys of query i and S(i) the visible keys in its sieve, a token score is

    r(i) = |V(i)| / |S(i)| * (attention of i on S(i))

and a sequence score the mean of r(i) over the rows with a sieve (Pande et al. 2021, arXiv
2101.09115). A kernel therefore sums attention times a weight. A label role has one weight per row:

    |V(i)| / (|S(i)| * rows taking part)

and a pair role one weight per entry. The score of a group, such as a word pair, is the mean over
its rows of the mean over their keys, and the score of a sequence the mean over its groups:

    group 0: rows 4, 5   keys 7, 8      weight of (4, 7): |V(4)| / (2 keys * 2 rows * 3 groups)
    group 1: row  6      key  2         weight of (6, 2): |V(6)| / (1 key * 1 row * 3 groups)
    group 2: row  9      keys 2, 3, 4

Keys that are not visible do not count as keys, and a row or group without a visible key does not
count as a row or group.
"""

from __future__ import annotations

import numpy as np

from headscore.arrays import Array, offsets_of, run_numbers
from headscore.backends.contract import PlanArrays, Visibility
from headscore.sieves.compile import CompiledSieves


def visible_range(lengths: Array, tokens: int, visibility: Visibility) -> tuple[Array, Array]:
    """Return V(i) = [begin, end) of every query: two int64 (batch, T), empty for padding."""
    # Every supported pattern makes V(i) one interval of keys. With length 5 and window 2:
    #
    #     i                0      1      2      3      4
    #     causal           [0,1)  [0,2)  [1,3)  [2,4)  [3,5)     window counts query i itself
    #     not causal       [0,3)  [0,4)  [0,5)  [1,5)  [2,5)     window counts keys on each side
    row = np.arange(tokens)
    end = np.repeat(np.asarray(lengths, np.int64)[:, None], tokens, axis=1)
    begin = np.zeros_like(end)
    real = row < end  # before the causal bound lowers `end`: False at padded queries
    if visibility.causal:
        end = np.minimum(end, row + 1)
    if visibility.window is not None:
        reach = visibility.window - 1 if visibility.causal else visibility.window
        begin = np.maximum(begin, row - reach)
        end = np.minimum(end, row + visibility.window + 1)
    return begin, np.where(real, end, begin)


def weigh(sieves: CompiledSieves, visibility: Visibility) -> PlanArrays:
    """Compute the kernels' arrays of a batch's sieves under a visibility."""
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
        # |S(i)|, (batch, T). All attention on S(i) gives r(i) = |V(i)| / |S(i)|, so a row adds at
        # most its weight, times the largest m * H where the role multiplies by the row entropy H.
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
    # Row (b, i) has the number b * T + i; counting entries per row gives the CSR offsets.
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
    """Count for each query the visible keys with its label within the band.

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
    # Keys within band and visibility are [first, last); the outer maximum makes the interval empty
    # rather than reversed where band and visibility are disjoint.
    first = np.maximum(begin, row + low)
    last = np.maximum(first, np.minimum(end, row + high + 1))
    labels = max(int(key.max(initial=0)), int(query.max(initial=0))) + 1
    sequence = np.arange(batch)[:, None]
    stride = tokens + 1  # not T: `last` may be T, which must not reach the next label's numbers

    def place(label: Array, position: Array) -> Array:
        return np.asarray((sequence * labels + label) * stride + position)

    # O(N log N) for N = batch * T, however many labels there are: labels may be token ids, for
    # which a table of counts by label and position would not fit in memory.
    keys = np.sort(place(key, np.broadcast_to(row, key.shape))[key >= 0])
    found = np.searchsorted(keys, place(query, last)) - np.searchsorted(keys, place(query, first))
    return np.asarray(np.where(query >= 0, found, 0))


def _label_weights(n_sieve: Array, n_visible: Array) -> Array:
    # Shapes (batch, T). Each maximum avoids a division by 0 where the weight is 0 anyway.
    rows = np.maximum((n_sieve > 0).sum(1, keepdims=True), 1)  # rows taking part, (batch, 1)
    weight = n_visible / (np.maximum(n_sieve, 1) * rows)
    return np.where(n_sieve > 0, weight, 0.0)


def _pair_weights(sieves: CompiledSieves, begin: Array, end: Array) -> Array:
    """Return float64 (entry,): |V(i)| / (keys of the row * rows of the group * groups)."""
    if not len(sieves.entry_key):
        return np.zeros(0)
    at = (sieves.entry_sequence, sieves.entry_query)
    visible = (sieves.entry_key >= begin[at]) & (sieves.entry_key < end[at])
    # Entries are sorted by (role, sequence, group, query, key), so each level of the hierarchy is a
    # run of equal columns, and all three counts are counts within runs:
    #
    #     columns of a run                counted in it                    result
    #     role, sequence, group, query    visible entries                  keys of the row
    #     role, sequence, group           first visible entry of a row     rows of the group
    #     role, sequence                  first visible entry of a group   groups of the sequence
    score = sieves.entry_role, sieves.entry_sequence
    group = (*score, sieves.entry_group)
    _, keys = _within((*group, sieves.entry_query), visible)
    _, rows = _within(group, _firsts((*group, sieves.entry_query), visible))
    _, groups = _within(score, _firsts(group, visible))
    weight = (end - begin)[at] / np.maximum(keys * rows * groups, 1)
    return np.asarray(np.where(visible, weight, 0.0))


def _within(columns: tuple[Array, ...], counted: Array) -> tuple[Array, Array]:
    """Return the number of each entry's run of equal columns, and the run's counted entries."""
    run = run_numbers(*columns)
    # bincount adds the flags per run; indexed by `run` each entry gets the total of its own run.
    return run, np.bincount(run, weights=counted)[run]


def _firsts(columns: tuple[Array, ...], counted: Array) -> Array:
    """Mark the first counted entry of every run of equal columns."""
    # An entry is the first counted one of its run where the number of counted entries before it
    # equals the number before the start of its run:
    #
    #     run               0 0 0 1 1 2
    #     counted           F T T T T F
    #     before            0 0 1 2 3 4
    #     before[start]     0 0 0 2 2 4
    #     result            F T F T F F
    run, _ = _within(columns, counted)
    before = np.concatenate([[0], counted.cumsum()])  # counted entries before each one
    start = np.searchsorted(run, run)  # `run` never decreases: the left end of its equal values
    return np.asarray(counted & (before[:-1] == before[start]))


def _add_pairs(
    sieves: CompiledSieves, weight: Array, n_visible: Array, token_part: Array, best: Array
) -> None:
    """Write the rows of pair roles into `token_part` and `best`.

    A row adds most when all its attention lies on the key of the largest total weight. With the
    entropy factor that weight times ln |V(i)|, the largest entropy of the row, is an upper bound.
    """
    if not len(weight):
        return
    role, sequence, query = sieves.entry_role, sieves.entry_sequence, sieves.entry_query
    # `.at` is unbuffered: plain indexing would keep only the last of several entries of one row.
    np.logical_or.at(token_part, (sequence, role, query), weight > 0)
    # The same (role, sequence, query, key) may occur in several groups: its weights add up, since
    # all of them multiply the same attention.
    place = np.ravel_multi_index(
        (role, sequence, query, sieves.entry_key),
        (len(sieves.names), sieves.batch, sieves.tokens, sieves.tokens),
    )
    entries, entry = np.unique(place, return_inverse=True)
    total = np.bincount(entry, weights=weight)
    row = np.unravel_index(entries, (len(sieves.names), sieves.batch, sieves.tokens, sieves.tokens))
    # `row` is (role, sequence, query, key) of each distinct entry; `best` is indexed by (sequence,
    # role, query).
    entropic = sieves.times_entropy[row[0]].astype(bool)
    factor = np.where(entropic, np.log(np.maximum(n_visible[row[1], row[2]], 1)), 1.0)
    np.maximum.at(best, (row[1], row[0], row[2]), total * factor)


def _best_with_entropy(n_sieve: Array, n_visible: Array) -> Array:
    """Return the largest m * H over rows with the share m of attention in the sieve.

    For a given m the entropy is largest when attention is uniform inside and outside the sieve:
    H(m) = -m ln(m/s) - (1-m) ln((1-m)/(n-s)), with s = |S(i)| and n = |V(i)|. H is concave, so
    ln m + ln H(m) is concave too and m H(m) has one maximum, which bisection on the sign of its
    derivative, H(m) + m (ln((1-m)/m) + ln(s/(n-s))), finds.
    """
    # Computed once per distinct (s, n): a batch of documents has few of them, but many rows.
    sizes, where = np.unique(
        np.stack([n_sieve.ravel(), n_visible.ravel()]), axis=1, return_inverse=True
    )
    inside = np.maximum(sizes[0], 1).astype(float)
    outside = np.maximum(sizes[1] - sizes[0], 0).astype(float)
    some = outside > 0  # where nothing is outside, m = 1 and the entropy is ln s
    rest = np.where(some, outside, 1.0)
    # The ends keep both logarithms finite. At m = 1/2 the derivative is ln 2 + ln s > 0, so the
    # maximum lies above; 60 halvings leave less than the spacing of float64 there, 2**-53.
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
