"""Word pairs besides those of the parse, put behind the words of their segment."""

from __future__ import annotations

import numpy as np

from headscore.arrays import Array, Ints
from headscore.corpus.sequence_table import SequenceTable


def with_pairs(
    table: SequenceTable, pieces: tuple[Array, Array]
) -> tuple[Ints, Array, Array, Array, Array]:
    """Return the columns that word pairs are made of, each pair as two words more.

    Parameters
    ----------
    table
        Sequences.
    pieces
        int32 (word,) each: the first token of every word and the one behind its last, -1 for none.

    Returns
    -------
    word_offsets, heads, relation, begins, stops
        As those of the table, and the pieces, with the words of the pairs.
    """
    n_pairs = len(table.pairs)
    if not n_pairs:
        return table.word_offsets, table.heads, table.relation, *pieces
    # Segment g of n words and a pair (w, h) becomes n + 2 words:
    #
    #     word      0 .. n-1    n        n + 1
    #     head      as it is    n + 1    -1
    #     pieces    as it is    of w     of h
    segment = np.repeat(np.arange(len(table.word_offsets) - 1), np.diff(table.pair_offsets))
    first, behind = table.word_offsets[segment], np.repeat(table.word_offsets[segment + 1], 2)
    own = (first[:, None] + table.pairs).reshape(-1)
    within = np.arange(n_pairs) - table.pair_offsets[segment]
    heads = np.full((n_pairs, 2), -1, np.int32)
    heads[:, 0] = table.word_offsets[segment + 1] - first + 2 * within + 1
    begins, stops = (np.insert(each, behind, each[own]) for each in pieces)
    return (
        table.word_offsets + 2 * table.pair_offsets,
        np.insert(table.heads, behind, heads.reshape(-1)),
        np.insert(table.relation, behind, np.repeat(table.pair_relation, 2)),
        begins,
        stops,
    )
