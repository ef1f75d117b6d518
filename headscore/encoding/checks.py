"""Validate the arrays that a user passes to `Encoded.from_arrays`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import numpy as np

from headscore.arrays import Array
from headscore.errors import InputError

WordPair: TypeAlias = tuple[int, list[int], list[int]]


def grid(name: str, value: Any, shape: tuple[int, ...] | None = None) -> Array:
    """Return a value as integers (batch, T); raises InputError for another dtype or shape."""
    array = _array(name, value)
    if array.ndim != 2 or array.dtype.kind not in "biu":
        raise InputError(
            f"{name} must be integers of shape (batch, T), got {array.dtype} {array.shape}"
        )
    if shape is not None and array.shape != shape:
        raise InputError(f"{name} must have the shape {shape} of input_ids, got {array.shape}")
    return array


def check_values(name: str, values: Array, real: Array, *, most: int | None) -> None:
    """Check that the values of real tokens lie in 0..most; raises InputError."""
    wrong = real & (values < 0) if most is None else real & ((values < 0) | (values > most))
    if wrong.any():
        row, place = np.argwhere(wrong)[0]  # the first offending token is named
        rule = "0 or more" if most is None else f"in 0..{most}"
        raise InputError(
            f"{name} must be {rule} at every token, got {values[row, place]} at token {place} "
            f"of sequence {row}"
        )


def marks(name: str, value: Any, real: Array) -> Array:
    """Return 0 or 1 for every token, (batch, T); None: 0; raises InputError."""
    if value is None:
        return np.zeros(real.shape, np.int64)
    array = grid(name, value, real.shape)
    check_values(name, array, real, most=1)
    return array


def lengths(value: Any, batch: int, tokens: int, name: str = "lengths") -> Array:
    """Return int64 (batch,) in 1..T; None: all T; raises InputError."""
    if value is None:
        return np.full(batch, tokens, np.int64)
    array = _array(name, value)
    if array.shape != (batch,) or array.dtype.kind not in "iu":
        raise InputError(f"{name} must be {batch} integers, got {array.dtype} {array.shape}")
    bad = np.flatnonzero((array < 1) | (array > tokens))
    if len(bad):
        raise InputError(
            f"{name} must lie in 1..T = {tokens}, got {array[bad[0]]} for sequence {bad[0]}"
        )
    return array.astype(np.int64)


def column(name: str, value: Any, real: Array) -> tuple[Array, tuple[str, ...]]:
    """Return the labels of the tokens, int32 (token,), and their names; raises InputError."""
    array = _array(f"columns[{name!r}]", value)
    if array.shape != real.shape or array.dtype.kind not in "iuU":
        raise InputError(
            f"columns[{name!r}] must be texts or integers of the shape {real.shape} of input_ids, "
            f"got {array.dtype} {array.shape}"
        )
    if array.dtype.kind != "U":
        return array[real].astype(np.int32), ()
    # Labels are ranks in sorted order. The empty text, no label, sorts first: where it occurs, all
    # ranks are lowered by 1, which makes it -1.
    names, labels = np.unique(array[real], return_inverse=True)
    blank = bool(len(names) and names[0] == "")
    return (labels - blank).astype(np.int32), tuple(names.tolist()[blank:])


def pairs(value: Any, lengths: Array, head_lengths: Array) -> list[list[WordPair]]:
    """Return (relation, dependent pieces, head pieces) for each sequence; raises InputError."""
    lists: list[list[WordPair]] = [[] for _ in lengths]
    if value is not None and not isinstance(value, Mapping):
        raise InputError(f"pairs must map relations to lists, got {type(value).__name__}")
    for number, (relation, sequences) in enumerate((value or {}).items()):
        name = f"pairs[{relation!r}]"
        if not hasattr(sequences, "__len__") or len(sequences) != len(lengths):
            got = len(sequences) if hasattr(sequences, "__len__") else type(sequences).__name__
            raise InputError(
                f"{name} must have one list for each of the {len(lengths)} sequences, got {got}"
            )
        for s, words in enumerate(sequences):
            ends = (int(lengths[s]), int(head_lengths[s]))
            lists[s] += [(number, *_pair(name, s, pair, ends)) for pair in words]
    return lists


def _pair(
    name: str, sequence: int, pair: Any, lengths: tuple[int, int]
) -> tuple[list[int], list[int]]:
    """Return the pieces of both words of a pair, each in a text of so many tokens."""
    try:
        sides = [_array(name, side) for side in pair]
    except TypeError:
        sides = []
    if len(sides) != 2 or not all(map(_are_positions, sides)):
        raise InputError(
            f"{name} must hold (dependent pieces, head pieces), two lists of positions, "
            f"got {pair!r} for sequence {sequence}"
        )
    dependent, head = (side.tolist() for side in sides)
    got = f"got {dependent} and {head} for sequence {sequence}"
    if not dependent or not head:
        raise InputError(f"{name} must name tokens on both sides, {got}")
    for pieces, length in zip((dependent, head), lengths, strict=True):
        if not all(0 <= piece < length for piece in pieces):
            raise InputError(f"{name} must lie in 0..{length - 1}, {got}")
    return dependent, head


def _are_positions(side: Array) -> bool:
    return side.ndim == 1 and (side.dtype.kind in "iu" or not side.size)


def _array(name: str, value: Any) -> Array:
    """Return an array-like, also a torch tensor, as an array."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
    try:
        return np.asarray(value)
    except (ValueError, TypeError) as error:  # rows of different lengths, or no numbers at all
        raise InputError(f"{name} must be an array with rows of one length: {error}") from error
