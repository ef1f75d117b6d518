"""Controls: entries of a batch or a corpus that word pairs are compared with."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headscore.arrays import Array, ragged_take


@dataclass(frozen=True)
class Controls:
    """Sampled entries without an arc, to compare word pairs of the same labels with.

    Attributes
    ----------
    columns
        Names of the columns whose labels are compared.
    offsets
        int64 (sequence + 1,): the entries of each sequence.
    query, key
        int32 (entry,), token positions in the sequence; sorted, each entry once.
    """

    columns: tuple[str, ...]
    offsets: Array
    query: Array
    key: Array

    def take(self, sequences: Array) -> Controls:
        """Return the controls of some sequences."""
        offsets, entries = ragged_take(self.offsets, sequences)
        return Controls(self.columns, offsets, self.query[entries], self.key[entries])

    def keep(self, kept: Array, token_offsets: Array) -> Controls:
        """Return the entries between kept tokens only, at their new positions.

        Parameters
        ----------
        kept
            bool (token,).
        token_offsets
            int64 (sequence + 1,): the tokens of each sequence.
        """
        # before[t]: kept tokens before token t, see `headscore.encoding.word_pairs.WordPairs.keep`.
        before = np.concatenate([[0], kept.cumsum()])
        start = np.repeat(token_offsets[:-1], np.diff(self.offsets))
        query, key = start + self.query, start + self.key
        stays = kept[query] & kept[key]
        counted = np.concatenate([[0], stays.cumsum()])
        moved = [(before[side] - before[start])[stays].astype(np.int32) for side in (query, key)]
        return Controls(self.columns, counted[self.offsets], *moved)
