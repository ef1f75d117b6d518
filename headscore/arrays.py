"""Shared array types, and the index arithmetic of ragged arrays and runs.

In a ragged array row r holds the elements ``offsets[r] .. offsets[r + 1] - 1`` of a flat one::

    flat      a b c | d | e f          three rows of 3, 1 and 2 elements
    offsets   0       3   4     6

A run is a stretch of neighbours that are equal in every one of some columns::

    column    7 7 7 2 2 7
    new       T F F T F T              `new_runs`: differs from its left neighbour
    number    0 0 0 1 1 2              `run_numbers`
    starts    0     3   5 6            `run_starts`: the offsets of the runs
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

# `Array` is for arrays whose dtype the docstring gives; the others state it in the type.
Array: TypeAlias = np.ndarray[Any, np.dtype[Any]]
Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Texts: TypeAlias = npt.NDArray[np.object_]


def offsets_of(counts: Any) -> Ints:
    """Return the offsets of rows of these lengths, int64 (row + 1,)."""
    return np.concatenate([[0], np.cumsum(np.asarray(counts, np.int64))]).astype(np.int64)


def join_offsets(parts: Sequence[Ints]) -> Ints:
    """Join the offsets of ragged arrays whose elements are put one after the other."""
    ends = np.cumsum([0, *(int(part[-1]) for part in parts)]).tolist()
    shifted = [part[1:] + end for part, end in zip(parts, ends[:-1], strict=True)]
    return np.concatenate([np.zeros(1, np.int64), *shifted])


def ragged_take(offsets: Array, rows: Array) -> tuple[Array, Array]:
    """Take rows of a ragged array.

    Returns
    -------
    offsets, elements
        Offsets of the rows taken, and the index of each of their elements in the flat array, so
        that ``flat[elements]`` are the rows one after the other.
    """
    starts = offsets[:-1][rows]
    counts = offsets[1:][rows] - starts
    taken = offsets_of(counts)
    # Element n of the result lies n - taken[r] behind the start of its row r. Rows 2 and 0 of the
    # drawing above:
    #
    #     n                     0 1 2 3 4       taken = 0 2 5
    #     starts - taken[:-1]   4 4 -2 -2 -2    starts = 4 0
    #     elements              4 5 0 1 2       e f a b c
    elements = np.arange(taken[-1]) + np.repeat(starts - taken[:-1], counts)
    return taken, elements


def new_runs(*columns: Array) -> Bools:
    """Mark the first entry of each run; bool (entry,)."""
    # The first entry has no left neighbour and always begins a run.
    new = np.ones(len(columns[0]), np.bool_)
    new[1:] = np.any([column[1:] != column[:-1] for column in columns], axis=0)
    return new


def run_numbers(*columns: Array) -> Ints:
    """Return the number of each entry's run, from 0; int64 (entry,)."""
    return new_runs(*columns).cumsum() - 1


def run_starts(*columns: Array) -> Ints:
    """Return the offsets of the runs, int64 (run + 1,)."""
    # One offset more than there are runs, as in `offsets_of`.
    return np.append(np.flatnonzero(new_runs(*columns)), len(columns[0])).astype(np.int64)
