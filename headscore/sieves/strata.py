"""Strata: entries are compared where offset, labels of both words and visible keys agree.

The key of a stratum is a hash of the texts of its labels, so that parts of a corpus and runs have
the same keys. Attention falls with the number of visible keys, so strata have bands of it, of half
a doubling each: at most sqrt(2) times as many keys. See `headscore.sieves.surroundings` for what
else agrees.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np

from headscore.arrays import Array
from headscore.encoding.encoded import Encoded

# The finalizer of SplitMix64 (Steele, Lea & Flood 2014, doi 10.1145/2660193.2660195), a bijection
# of 64 bits in which every bit of the input changes every bit of the output with probability 1/2.
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ROUNDS = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB))
CONTROL = -1  # stands for a role where entries are controls
UNLABELLED = np.uint64(0)  # the hash of a token without a label, and of a stratum of such a token


def mix(*values: Array) -> Array:
    """Return a hash of integers, uint64, broadcast; the order of the arguments counts."""
    state = np.zeros(np.broadcast_shapes(*map(np.shape, values)), np.uint64)
    for value in values:
        # Arithmetic modulo 2**64; negative numbers wrap.
        state = _mixed(state ^ _mixed(np.asarray(value).astype(np.uint64) + _GOLDEN))
    return state


def _mixed(state: Array) -> Array:
    for shift, factor in _ROUNDS:
        state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
    return np.asarray(state ^ (state >> np.uint64(31)))


@lru_cache(maxsize=1 << 16)
def text_hash(text: str) -> int:
    """Return a hash of a text, in 1 .. 2**64 - 1."""
    # surrogatepass: a lone surrogate is no valid UTF-8, but may stand in a corpus.
    content = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little") or 1


def label_hashes(batch: Encoded, columns: tuple[str, ...]) -> Array:
    """Return uint64 (token,): a hash of each token's labels in some columns, 0 if it lacks one."""
    hashes = np.zeros(len(batch.input_ids), np.uint64)
    known = np.ones(len(hashes), np.bool_)
    for name in columns:
        if name not in batch.columns:
            return np.zeros_like(hashes)
        labels, names = batch.columns[name]
        distinct, which = np.unique(labels, return_inverse=True)
        of_label = [text_hash(names[n] if names else str(n)) if n >= 0 else 0 for n in distinct]
        hashes = mix(hashes, np.array(of_label, np.uint64)[which])
        known &= labels >= 0
    return np.where(known & ~batch.special, np.maximum(hashes, 1), UNLABELLED)


def band_of(visible: Array) -> Array:
    """Return floor(2 log2 n) of numbers of visible keys n >= 1, int64."""
    # 2 log2 n = log2 n**2, whose floor is an exponent: frexp returns one more, without rounding.
    return np.asarray(np.frexp(np.square(visible, dtype=np.float64))[1] - 1).astype(np.int64)


def stratum_of(
    offset: Array, query: Array, key: Array, visible: Array, surroundings: Array
) -> Array:
    """Return the stratum of entries, uint64 (entry,).

    Parameters
    ----------
    offset
        Position of the key minus that of the query.
    query, key
        Label hashes of both tokens.
    visible
        Number of visible keys of the query.
    surroundings
        Of the entry, see `headscore.sieves.surroundings`.

    Returns
    -------
    Array
        `UNLABELLED` where a token has no label; else a number above 0.
    """
    labelled = (query != UNLABELLED) & (key != UNLABELLED)
    hashes = mix(offset, query, key, band_of(visible), surroundings)
    return np.where(labelled, np.maximum(hashes, 1), UNLABELLED)
