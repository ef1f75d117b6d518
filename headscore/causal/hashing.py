"""Random numbers that are hashes: equal for the same seed and sequence in any batch."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from headscore.arrays import Array, Ints, run_starts
from headscore.encoding.encoded import Encoded
from headscore.scores.provenance import token_hashes


def sequence_keys(encoded: Encoded, seed: int) -> npt.NDArray[np.uint64]:
    """Return a random number of each sequence, uint64 (sequence,), by its token ids and the seed.

    Sequences with the same token ids have the same number.
    """
    keys = token_hashes(encoded).astype(np.uint64)
    return mixed(keys, np.full(len(keys), seed))


def mixed(key: npt.NDArray[np.uint64], *numbers: Array) -> npt.NDArray[np.uint64]:
    """Return keys mixed with integers of the same shape, one after the other, as random numbers."""
    for number in numbers:
        key = _scrambled(key ^ _scrambled(number.astype(np.int64).view(np.uint64)))
    return key


def draw_from(group: Array, hashes: npt.NDArray[np.uint64], wanted: Array) -> Ints:
    """Draw without replacement: in each group the members with the smallest hashes.

    Parameters
    ----------
    group
        int64 (member,): numbers of groups, below ``len(wanted)``.
    hashes
        uint64 (member,), see `mixed`.
    wanted
        int64 (group,): how many to draw; all of a group that has not more.

    Returns
    -------
    int64 array
        Indices of the members drawn, increasing.
    """
    counts = np.bincount(group, minlength=len(wanted))
    chosen = (counts <= wanted)[group]
    contested = np.flatnonzero(~chosen & (wanted[group] > 0))
    order = contested[np.lexsort((hashes[contested], group[contested]))]
    # Groups follow one another in `order`: the rank of a member is its distance from the first.
    starts = run_starts(group[order])
    rank = np.arange(len(order)) - np.repeat(starts[:-1], np.diff(starts))
    chosen[order[rank < wanted[group[order]]]] = True
    return np.flatnonzero(chosen)


def _scrambled(value: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    # The finalizer of SplitMix64 (Steele, Lea & Flood 2014), with its increment so that 0 moves.
    value = value + np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
