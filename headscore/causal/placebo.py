"""The placebo of a role: as many edges at the same offsets that are not the role's.

An edge (query, key) lies at the offset key - query. For each sequence and offset as many entries
are drawn as the role has edges there, among the visible entries of rows in which the role has no
sieve. For word pairs these lie between two tokens of one text, none of them special, and hold no
arc of the parse in either direction, as in `headscore.sieves.batch_plan`.

Where an offset has too few, the others come from the rows of the role's edges: as many keys that
are not the role's, the nearest to the role's keys first, and of equally near ones those farther
from the query. So a role that takes every row has a placebo too::

    role        its key     placebo
    previous    i - 1       i - 2
    sink        0           1

Where a row has no such key left, there are fewer edges than the role has.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from headscore.arrays import Array, Bools, Ints
from headscore.causal.entry_blocks import Entries, EntryBlocks
from headscore.causal.hashing import draw_from, mixed, sequence_keys
from headscore.encoding.encoded import Encoded


class Edges(NamedTuple):
    """Entries of a batch, sorted by sequence, query and key; positions count real tokens.

    Attributes
    ----------
    sequence, query, key
        int64 (edge,).
    same_offset
        bool (edge,): drawn at an offset of the role, from a row that is not the role's.
    """

    sequence: Ints
    query: Ints
    key: Ints
    same_offset: Bools


def role_edges(blocks: EntryBlocks) -> Edges:
    """Return the visible entries of a role in a batch, all of them at its offsets."""
    found = blocks.edges
    return _sorted(found, np.ones(len(found.row), np.bool_), blocks.tokens)


def draw(blocks: EntryBlocks, encoded: Encoded, *, seed: int) -> Edges:
    """Draw the placebo of a role in a batch.

    Parameters
    ----------
    blocks, encoded
        The role in the batch, and the batch.
    seed
        Edges are drawn by a hash of seed, token ids, offset and row: the same for a sequence in any
        batch.
    """
    keys, tokens, edges = sequence_keys(encoded, seed), blocks.tokens, blocks.edges
    wanted = np.bincount(edges.offsets(tokens), minlength=2 * tokens * len(encoded))
    drawn = _draw(_candidates(blocks, edges, wanted), wanted, keys, tokens)
    missing = wanted - np.bincount(drawn.offsets(tokens), minlength=len(wanted))
    nearest = _nearest(blocks, _draw(edges, missing, keys, tokens))
    both = Entries.joined((drawn, nearest))
    return _sorted(both, np.arange(len(both.row)) < len(drawn.row), tokens)


def _candidates(blocks: EntryBlocks, edges: Entries, wanted: Ints) -> Entries:
    """Return the entries of rows without a sieve at the offsets at which entries are wanted."""
    tokens = blocks.tokens
    found = []
    for rows in blocks.blocks(np.flatnonzero(blocks.real & ~blocks.with_any(edges.row))):
        entries = Entries.marked(blocks.others(rows), rows)
        found.append(entries.at(wanted[entries.offsets(tokens)] > 0))
    return Entries.joined(found)


def _draw(entries: Entries, wanted: Ints, keys: Array, tokens: int) -> Entries:
    """Draw the wanted number of entries of each sequence and offset."""
    sequence, query = np.divmod(entries.row, tokens)
    hashes = mixed(keys[sequence], entries.key - query, query)
    return entries.at(draw_from(entries.offsets(tokens), hashes, wanted))


def _nearest(blocks: EntryBlocks, edges: Entries) -> Entries:
    """Return for the edges of each row as many other keys of the row, the nearest ones."""
    found = []
    for rows in blocks.blocks(np.flatnonzero(blocks.with_any(edges.row))):
        marked = np.zeros((len(rows), blocks.tokens), np.bool_)
        edges.mark(marked, rows, as_=True)
        found.append(_nearest_in(marked, blocks.others(rows), rows))
    return Entries.joined(found)


def _nearest_in(marked: Bools, free: Bools, rows: Ints) -> Entries:
    """Return as many free keys of each row as are marked, nearest to a marked one first."""
    tokens = marked.shape[1]
    dtype = np.int32 if tokens < 2**15 else np.int64  # 2 T^2 must fit
    away = np.arange(tokens, dtype=dtype) - (rows % tokens).astype(dtype)[:, None]
    # One number orders the free keys of a row and can be read back: the distance from the nearest
    # marked key, then T - |key - query|, then the side of the query.
    order = (_distance(marked, dtype) * tokens + tokens - 1 - abs(away)) * 2 + (away > 0)
    order[~free] = np.iinfo(dtype).max
    order.sort(axis=1)
    counts = np.minimum(marked.sum(1), free.sum(1))
    chosen = order[np.arange(tokens) < counts[:, None]].astype(np.int64)
    row = np.repeat(rows, counts)
    distance = tokens - 1 - chosen // 2 % tokens
    return Entries(row, row % tokens + np.where(chosen % 2, distance, -distance))


def _distance(marked: Bools, dtype: type) -> Array:
    """Return the distance of each key from the nearest marked one of its row, (row, key)."""
    tokens = marked.shape[1]
    key: Array = np.arange(tokens, dtype=dtype)
    none_before, none_after = dtype(-tokens), dtype(2 * tokens)
    before = np.maximum.accumulate(np.where(marked, key, none_before), axis=1)
    after = np.minimum.accumulate(np.where(marked, key, none_after)[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(np.minimum(key - before, after - key))


def _sorted(entries: Entries, same_offset: Bools, tokens: int) -> Edges:
    order = np.argsort(entries.row * tokens + entries.key)
    sequence, query = np.divmod(entries.row[order], tokens)
    return Edges(sequence, query, entries.key[order], same_offset[order])
