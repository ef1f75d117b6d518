"""Validate the sieves of a batch's roles and lay them out as flat arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from headscore.arrays import Array, new_runs
from headscore.errors import InputError
from headscore.roles.role import Labels, Pairs, Sieve


@dataclass(frozen=True, eq=False)
class CompiledSieves:
    """The sieves of every role in a batch of sequences, independent of visibility.

    Attributes
    ----------
    names
        The roles, in order.
    lengths
        int32 (batch,), real tokens of each sequence.
    tokens
        Padded length T.
    times_entropy
        uint8 (role,).
    label_role, query_label, key_label, band
        Label roles, as in `PlanArrays`.
    listed
        bool (role,): the sieve is `Pairs`. False for a bool mask, although it is stored as entries.
    entry_role, entry_sequence, entry_group, entry_query, entry_key
        int64 (entry,), the entries of pair roles, sorted by these five in this order.
    """

    names: tuple[str, ...]
    lengths: Array
    tokens: int
    times_entropy: Array
    label_role: Array
    query_label: Array
    key_label: Array
    band: Array
    listed: Array
    entry_role: Array
    entry_sequence: Array
    entry_group: Array
    entry_query: Array
    entry_key: Array

    @property
    def batch(self) -> int:
        """Number of sequences."""
        return len(self.lengths)


def compile_sieves(
    names: tuple[str, ...],
    lengths: Array,
    tokens: int,
    *,
    times_entropy: list[bool],
    bands: list[tuple[int, int]],
    sieves: list[Sieve],
) -> dict[str, Any]:
    """Return the fields of `CompiledSieves` by name.

    Raises
    ------
    InputError
        A sieve has the wrong shape or dtype, or points outside its sequence.
    """
    shape = (len(lengths), tokens)
    labels: list[tuple[int, Labels]] = []
    pairs: list[tuple[int, Pairs]] = []
    for number, (name, sieve) in enumerate(zip(names, sieves, strict=True)):
        if isinstance(sieve, Labels):
            labels.append((number, _checked_labels(name, sieve, lengths, shape)))
        else:
            entries = sieve if isinstance(sieve, Pairs) else _from_mask(name, sieve, lengths, shape)
            pairs.append((number, _checked_pairs(name, entries, lengths)))
    return {
        "names": names,
        "lengths": np.ascontiguousarray(lengths, np.int32),
        "tokens": tokens,
        "times_entropy": np.array(times_entropy, np.uint8),
        "label_role": np.array([number for number, _ in labels], np.int32),
        "query_label": _stack([each.query for _, each in labels], shape),
        "key_label": _stack([each.key for _, each in labels], shape),
        # reshape: without label roles the array is (0,), kernels expect (0, 2).
        "band": np.array([bands[number] for number, _ in labels], np.int32).reshape(-1, 2),
        "listed": np.array([isinstance(sieve, Pairs) for sieve in sieves], bool),
        **_sorted_entries(pairs),
    }


def _stack(grids: list[Array], shape: tuple[int, int]) -> Array:
    return np.array(grids, np.int32).reshape(len(grids), *shape)


def _checked_labels(name: str, labels: Labels, lengths: Array, shape: tuple[int, int]) -> Labels:
    for side, grid in (("query", labels.query), ("key", labels.key)):
        if np.shape(grid) != shape:
            raise InputError(
                f"role {name!r} must give {side} labels of shape {shape}, got {np.shape(grid)}"
            )
        _check_integers(name, f"{side} labels", grid)
    # A role may leave any label at padding: -1 keeps it out of every count and kernel.
    real = np.arange(shape[1]) < np.asarray(lengths)[:, None]  # (batch, T)
    return Labels(np.where(real, labels.query, -1), np.where(real, labels.key, -1))


def _check_integers(name: str, what: str, values: Array) -> None:
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise InputError(f"role {name!r} must give {what} as integers, got {array.dtype}")
    # Kernels read int32. `initial=0` gives an empty array a minimum and a maximum.
    for extreme in (array.min(initial=0), array.max(initial=0)):
        if not -(2**31) <= extreme < 2**31:
            raise InputError(f"role {name!r} must give {what} below 2**31, got {extreme}")


def _from_mask(name: str, sieve: Array, lengths: Array, shape: tuple[int, int]) -> Pairs:
    """Convert a bool mask to entries in one group per sequence: the score is a mean over rows."""
    mask = np.asarray(sieve)
    wanted = (*shape, shape[1])
    if mask.shape != wanted or mask.dtype != np.bool_:
        raise InputError(
            f"role {name!r} must give Labels, Pairs or a bool mask of shape {wanted}, "
            f"got {mask.dtype} {mask.shape}"
        )
    sequence, query, key = mask.nonzero()
    # An entry is real where both its positions lie in front of the padding of its sequence.
    real = np.maximum(query, key) < np.asarray(lengths)[sequence]
    sequence = sequence[real]
    return Pairs(sequence, np.zeros_like(sequence), query[real], key[real])


def _checked_pairs(name: str, pairs: Pairs, lengths: Array) -> Pairs:
    columns = [np.asarray(c) for c in (pairs.sequence, pairs.group, pairs.query, pairs.key)]
    pairs = Pairs(*columns)
    shapes = [np.shape(column) for column in columns]
    if len(set(shapes)) > 1 or len(shapes[0]) != 1:
        raise InputError(
            f"role {name!r} must give sequence, group, query and key of one length, got {shapes}"
        )
    if not len(pairs.query):
        return pairs
    for column in columns:
        _check_integers(name, "its pairs", column)
    inside = (pairs.sequence >= 0) & (pairs.sequence < len(lengths))
    # A number out of range reads the length 0 that is appended: no position is inside it, and a
    # batch without sequences has an element to read too.
    limit = np.append(lengths, 0)[np.where(inside, pairs.sequence, -1)]
    for position in (pairs.query, pairs.key):
        inside = inside & (position >= 0) & (position < limit)
    if not inside.all():
        bad = np.flatnonzero(~inside)[0]  # the first entry that breaks the rule is named
        raise InputError(
            f"role {name!r} must list positions inside their sequence, got query "
            f"{pairs.query[bad]}, key {pairs.key[bad]} in sequence {pairs.sequence[bad]}"
        )
    return pairs


def _sorted_entries(pairs: list[tuple[int, Pairs]]) -> dict[str, Array]:
    """Return the columns of all entries, sorted and without repeats."""
    # One (5, entry) array per role, with the rows role, sequence, group, query and key.
    rows = [
        np.stack([np.full(len(p.query), number), p.sequence, p.group, p.query, p.key])
        for number, p in pairs
    ]
    # The empty array keeps the shape (5, 0) where no role has entries.
    entries = np.concatenate([np.zeros((5, 0), np.int64), *rows], axis=1).astype(np.int64)
    # lexsort takes its last key as the primary one: reversed, role comes first and key last.
    entries = entries[:, np.lexsort(entries[::-1])]
    # Equal entries are neighbours now and form one run, of which the first is kept: an entry that
    # a user lists twice counts once.
    columns = np.ascontiguousarray(entries[:, new_runs(*entries)])
    names = ("entry_role", "entry_sequence", "entry_group", "entry_query", "entry_key")
    return dict(zip(names, columns, strict=True))
