"""Sample the entries that word pairs are compared with: at the same offset, of one text, no arc."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from headscore.arrays import Array, rank_within
from headscore.encoding.encoded import Encoded
from headscore.roles.syntactic import arcs

MOST = 128  # entries sampled of an offset, so that their number grows with T and not T x T
_AT_A_TIME = 1 << 16  # entries enumerated at once: about 0.5 MiB for each int64 column of them


class Entries(NamedTuple):
    """Entries of a batch, one int64 (entry,) column for each part of their place."""

    sequence: Array
    query: Array
    key: Array

    def at(self, chosen: Array) -> Entries:
        """Return the entries of some numbers, or of a mask."""
        return Entries(*(column[chosen] for column in self))

    def places(self, encoded: Encoded) -> Array:
        """Return one flat number for each (sequence, query, key), int64 (entry,)."""
        return np.ravel_multi_index(self, (len(encoded), encoded.tokens, encoded.tokens))

    @classmethod
    def from_places(cls, places: Array, encoded: Encoded) -> Entries:
        """Return the entries of flat numbers."""
        return cls(*np.unravel_index(places, (len(encoded), encoded.tokens, encoded.tokens)))


class Offsets(NamedTuple):
    """The distinct offsets, key - query, of each sequence of a batch.

    Attributes
    ----------
    sequence, offset
        int64 (offset,), in order.
    places
        int64 (offset,): one flat number for each (sequence, offset).
    """

    sequence: Array
    offset: Array
    places: Array

    @classmethod
    def of(cls, entries: Entries, encoded: Encoded) -> Offsets:
        """Return the distinct offsets of some entries."""
        places = np.unique(_offset_places(entries, encoded))
        sequence, shifted = np.unravel_index(places, (len(encoded), 2 * encoded.tokens))
        return cls(sequence, shifted - encoded.tokens, places)

    def number_of(self, entries: Entries, encoded: Encoded) -> Array:
        """Return the number of the offset of each entry, which must be one of these."""
        return np.searchsorted(self.places, _offset_places(entries, encoded))


def _offset_places(entries: Entries, encoded: Encoded) -> Array:
    # Offsets run from -(T - 1) to T - 1; shifted by T they fit one axis of length 2 T.
    shifted = entries.key - entries.query + encoded.tokens  # 1 .. 2 T - 1
    shape = len(encoded), 2 * encoded.tokens
    return np.ravel_multi_index((entries.sequence, shifted), shape)


def sample_entries(offsets: Offsets, encoded: Encoded) -> tuple[Entries, Array]:
    """Sample the entries of one text at each offset that hold no arc of the parse.

    Arcs count in either direction and whatever their relation, special tokens are of no text. Of
    more than `MOST` entries at an offset, `MOST` evenly spaced ones are sampled.

    Returns
    -------
    entries, number
        The entries, and int64 (entry,) the numbers of their offsets.
    """
    if not len(offsets.offset):
        return Entries(*np.zeros((3, 0), np.int64)), np.zeros(0, np.int64)
    pairs = arcs(encoded)
    arc_places = Entries(pairs.sequence, pairs.query, pairs.key).places(encoded)
    texts = encoded.grid(np.where(encoded.special, -1, encoded.segments), fill=-1)
    # An offset has at most T entries. Enumerating all of them at once would take T * offsets, up to
    # T x T for each sequence; blocks of `step` offsets bound the memory.
    step = max(1, _AT_A_TIME // max(1, encoded.tokens))
    every = np.arange(len(offsets.offset))
    parts = []
    for start in range(0, len(every), step):
        entries, number = _entries_at(every[start : start + step], offsets, encoded)
        free = _in_one_text(texts, entries) & ~np.isin(entries.places(encoded), arc_places)
        parts.append(_evenly(entries.at(free), number[free]))
    blocks, number_of_blocks = zip(*parts, strict=True)
    return Entries(*map(np.concatenate, zip(*blocks, strict=True))), np.concatenate(
        number_of_blocks
    )


def _entries_at(numbers: Array, offsets: Offsets, encoded: Encoded) -> tuple[Entries, Array]:
    """Return all entries at some offsets, given by their sorted numbers; and these numbers."""
    offset = offsets.offset[numbers]
    # Offset o has the T - |o| queries from max(0, -o) on; `rank_within` counts them from 0.
    number = np.repeat(numbers, np.maximum(0, encoded.tokens - np.abs(offset)))
    query = rank_within(number) + np.maximum(0, -offsets.offset[number])
    return Entries(offsets.sequence[number], query, query + offsets.offset[number]), number


def _in_one_text(texts: Array, entries: Entries) -> Array:
    query = texts[entries.sequence, entries.query]
    key = texts[entries.sequence, entries.key]
    return np.asarray((query == key) & (query >= 0))


def _evenly(entries: Entries, number: Array) -> tuple[Entries, Array]:
    """Keep up to `MOST` evenly spaced entries of each number.

    Of m > MOST entries the k-th one kept is number k m // MOST. Entry n is one of these where
    n MOST is a multiple of m or less than MOST below one: -n MOST modulo m is below MOST. With MOST
    4 and m 10::

        number              0   1   2   3   4   5   6   7   8   9
        -4 * number % 10    0   6   2   8   4   0   6   2   8   4     kept where below 4
        kept                0       2           5       7
    """
    # Ranks count free entries of one text only, so that the sample does not depend on padding. Of
    # m <= MOST entries all are kept: a number modulo m is below MOST.
    kept = -rank_within(number) * MOST % np.bincount(number)[number] < MOST
    return entries.at(kept), number[kept]
