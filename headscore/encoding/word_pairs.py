"""WordPairs: related words of a corpus, as token positions in flat arrays."""

from __future__ import annotations

from collections.abc import Sequence as Many
from dataclasses import dataclass

import numpy as np

from headscore.arrays import Array, offsets_of, ragged_take


@dataclass(frozen=True)
class WordPairs:
    """Related word pairs: pair p of relation ``relation[p]`` joins two sets of token positions.

    Attributes
    ----------
    offsets
        int64 (sequence + 1,): the pairs of each sequence.
    relation
        int32 (pair,): number of the relation's name.
    dependent_offsets, dependents
        int64 (pair + 1,) and int32: positions of the dependent's pieces.
    head_offsets, heads
        The same for the head word.
    """

    # Two levels of ragged rows: sequence s has the pairs offsets[s] .. offsets[s + 1] - 1, and pair
    # p the pieces dependents[dependent_offsets[p] .. dependent_offsets[p + 1] - 1]. Positions count
    # from the start of the sequence, special tokens included.

    offsets: Array
    relation: Array
    dependent_offsets: Array
    dependents: Array
    head_offsets: Array
    heads: Array

    def take(self, sequences: Array) -> WordPairs:
        """Return the pairs of some sequences."""
        # Level by level: the pairs of the sequences, then the pieces of those pairs.
        offsets, chosen = ragged_take(self.offsets, sequences)
        dependent_offsets, dependents = ragged_take(self.dependent_offsets, chosen)
        head_offsets, heads = ragged_take(self.head_offsets, chosen)
        return WordPairs(
            offsets=offsets,
            relation=self.relation[chosen],
            dependent_offsets=dependent_offsets,
            dependents=self.dependents[dependents],
            head_offsets=head_offsets,
            heads=self.heads[heads],
        )

    def keep(self, kept: Array, offsets: Array, head_kept: Array, head_offsets: Array) -> WordPairs:
        """Return the pairs with positions among the kept tokens only.

        Parameters
        ----------
        kept, head_kept
            bool (token,), of the sequences that hold the dependents and of those with the heads.
        offsets, head_offsets
            int64 (sequence + 1,): the tokens of each of these sequences.
        """
        # before[t]: kept tokens before token t of the flat array. A kept piece at position p of a
        # sequence that starts at token s moves to before[s + p] - before[s]:
        #
        #     kept       F T T F | F T F       sequences start at 0 and 4
        #     before     0 0 1 2   2 2 3   3      one more than there are tokens
        #     position   . 0 1 .   . 0 .
        owner = np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

        def side(
            kept: Array, offsets: Array, piece_offsets: Array, pieces: Array
        ) -> tuple[Array, Array]:
            before = np.concatenate([[0], kept.cumsum()])
            # Start of the sequence of each piece; the pieces that stay; and the offsets of a pair's
            # pieces after the others are removed. A pair may lose all pieces but stays a pair.
            start = offsets[np.repeat(owner, np.diff(piece_offsets))]
            stays = kept[start + pieces]
            counted = np.concatenate([[0], stays.cumsum()])
            moved = before[start + pieces] - before[start]
            return counted[piece_offsets], moved[stays].astype(np.int32)

        dependent_offsets, dependents = side(kept, offsets, self.dependent_offsets, self.dependents)
        head_piece_offsets, heads = side(head_kept, head_offsets, self.head_offsets, self.heads)
        return WordPairs(
            offsets=self.offsets,
            relation=self.relation,
            dependent_offsets=dependent_offsets,
            dependents=dependents,
            head_offsets=head_piece_offsets,
            heads=heads,
        )

    @classmethod
    def from_lists(
        cls, pairs: Many[Many[tuple[int, Many[int], Many[int]]]], sequences: int
    ) -> WordPairs:
        """Make word pairs from lists of (relation, dependent pieces, head pieces) per sequence."""
        flat = [pair for sequence in pairs for pair in sequence]
        counts = [len(sequence) for sequence in pairs] or [0] * sequences
        return cls(
            offsets=offsets_of(counts),
            relation=np.array([pair[0] for pair in flat], np.int32),
            dependent_offsets=offsets_of([len(pair[1]) for pair in flat]),
            dependents=np.array([piece for pair in flat for piece in pair[1]], np.int32),
            head_offsets=offsets_of([len(pair[2]) for pair in flat]),
            heads=np.array([piece for pair in flat for piece in pair[2]], np.int32),
        )
