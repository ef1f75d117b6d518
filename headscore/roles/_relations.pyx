# cython: language_level=3, boundscheck=False, wraparound=False, cdivision=True
# distutils: language = c++
"""The entries of word pairs: every piece of one word with every piece of the other."""

import numpy as np

from libc.stdint cimport int32_t, int64_t, uint8_t


cdef void _cross(
    const int64_t[::1] offsets,
    const uint8_t[::1] chosen,
    const int64_t[::1] row_offsets,
    const int32_t[::1] rows,
    const int64_t[::1] column_offsets,
    const int32_t[::1] columns,
    int64_t first_group,
    bint one_text,
    int64_t[:, ::1] entries,
    int64_t* count,
) noexcept nogil:
    """Write the entries of the chosen pairs behind `count` others; without room for any, count.

    In one text a token may be a piece of both words, e.g. of "don't": it does not look at itself.
    """
    cdef int64_t at = count[0], room = entries.shape[1], group = first_group
    cdef int64_t sequence, pair, r, c
    for sequence in range(offsets.shape[0] - 1):
        for pair in range(offsets[sequence], offsets[sequence + 1]):
            if not chosen[pair]:
                continue
            for r in range(row_offsets[pair], row_offsets[pair + 1]):
                for c in range(column_offsets[pair], column_offsets[pair + 1]):
                    if one_text and rows[r] == columns[c]:
                        continue
                    if room:
                        entries[0, at] = sequence
                        entries[1, at] = group
                        entries[2, at] = rows[r]
                        entries[3, at] = columns[c]
                    at += 1
            group += 1
    count[0] = at


def word_pair_entries(
    pairs, const uint8_t[::1] wanted, bint forward, bint backward, bint one_text
):
    """Return the entries of the word pairs of some relations.

    Parameters
    ----------
    pairs
        A `WordPairs`.
    wanted
        For each relation whether its pairs are.
    forward, backward
        Entries from the dependent to its head, and from the head to its dependent; where both,
        each direction of a pair is a group of its own.
    one_text
        Dependents and heads are tokens of one text: without the entries from a token to itself.

    Returns
    -------
    int64 (4, entry): sequence, group, query, key. Groups are numbered over the batch.
    """
    cdef const int64_t[::1] offsets = pairs.offsets
    cdef const int64_t[::1] dependent_offsets = pairs.dependent_offsets
    cdef const int64_t[::1] head_offsets = pairs.head_offsets
    cdef const int32_t[::1] relation = pairs.relation
    cdef const int32_t[::1] dependents = pairs.dependents
    cdef const int32_t[::1] heads = pairs.heads
    cdef uint8_t[::1] chosen = np.empty(relation.shape[0], np.uint8)
    cdef int64_t[:, ::1] entries = np.empty((4, 0), np.int64)
    cdef int64_t pair, count = 0, groups = 0
    for pair in range(relation.shape[0]):
        chosen[pair] = wanted[relation[pair]]
        groups += chosen[pair]
    for filling in (False, True):
        if filling:
            entries = np.empty((4, count), np.int64)
            count = 0
        with nogil:
            if forward:
                _cross(
                    offsets, chosen, dependent_offsets, dependents, head_offsets, heads,
                    0, one_text, entries, &count,
                )
            if backward:
                _cross(
                    offsets, chosen, head_offsets, heads, dependent_offsets, dependents,
                    groups if forward else 0, one_text, entries, &count,
                )
    return np.asarray(entries)
