"""Validate the sieves of a batch's roles and lay them out as flat arrays."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from headscore.arrays import Array
from headscore.errors import InputError
from headscore.roles.role import Labels, Pairs, Sieve
from headscore.sieves._planning import EntryList, copy_labels

_ENTRY_COLUMNS = ("entry_role", "entry_sequence", "entry_group", "entry_query", "entry_key")


@dataclass(frozen=True, eq=False)
class CompiledSieves:
    """The sieves of every role in a batch of sequences, independent of visibility.

    Attributes
    ----------
    names
        The roles, in order.
    lengths, key_lengths
        int32 (batch,), real tokens of each sequence, as queries and as keys.
    tokens, key_tokens
        Padded lengths T, of queries and of keys.
    crosses
        The keys are of another text than the queries: all are visible.
    times_entropy
        uint8 (role,).
    label_role, query_label, key_label, band
        Label roles, as in `PlanArrays`.
    listed
        bool (role,): the sieve is `Pairs`. False for a bool mask, although it is stored as entries.
    entry_role, entry_sequence, entry_group, entry_query, entry_key
        int32 (entry,), the entries of pair roles, sorted by these five in this order, each once.
    """

    names: tuple[str, ...]
    lengths: Array
    key_lengths: Array
    tokens: int
    key_tokens: int
    crosses: bool
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
    keys: tuple[Array, int] | None,
    times_entropy: list[bool],
    bands: list[tuple[int, int]],
    sieves: list[Sieve],
) -> dict[str, Any]:
    """Return the fields of `CompiledSieves` by name.

    `keys` are lengths and T of keys of another text than the queries'; None: they are the queries.

    Raises
    ------
    InputError
        A sieve has the wrong shape or dtype, or points outside its sequence.
    """
    batch, real = len(lengths), np.ascontiguousarray(lengths, np.int32)
    of_keys, key_tokens = (real, tokens) if keys is None else keys
    key_real = real if keys is None else np.ascontiguousarray(of_keys, np.int32)
    labels = {number: each for number, each in enumerate(sieves) if isinstance(each, Labels)}
    label_role = list(labels)
    query_label = np.empty((len(label_role), batch, tokens), np.int32)
    key_label = np.empty((len(label_role), batch, key_tokens), np.int32)
    for row, (number, each) in enumerate(labels.items()):
        _copy_labels(names[number], "query", each.query, real, query_label[row])
        _copy_labels(names[number], "key", each.key, key_real, key_label[row])
    entries, shape = EntryList(), (batch, tokens, key_tokens)
    for number, (name, sieve) in enumerate(zip(names, sieves, strict=True)):
        if not isinstance(sieve, Labels):
            pairs = (
                sieve
                if isinstance(sieve, Pairs)
                else _from_mask(name, sieve, real, key_real, shape)
            )
            _add_pairs(entries, number, name, pairs, real, key_real)
    return {
        "names": names,
        "lengths": real,
        "key_lengths": key_real,
        "tokens": tokens,
        "key_tokens": key_tokens,
        "crosses": keys is not None,
        "times_entropy": np.array(times_entropy, np.uint8),
        "label_role": np.array(label_role, np.int32),
        "query_label": query_label,
        "key_label": key_label,
        # reshape: without label roles the array is (0,), kernels expect (0, 2).
        "band": np.array([bands[number] for number in label_role], np.int32).reshape(-1, 2),
        "listed": np.array([isinstance(sieve, Pairs) for sieve in sieves], bool),
        **dict(zip(_ENTRY_COLUMNS, entries.columns(), strict=True)),
    }


def _copy_labels(name: str, side: str, labels: Array, lengths: Array, into: Array) -> None:
    if np.shape(labels) != into.shape:
        raise InputError(
            f"role {name!r} must give {side} labels of shape {into.shape}, got {np.shape(labels)}"
        )
    # A role may leave any label at padding: -1 keeps it out of every count and kernel.
    extremes = copy_labels(_whole(name, f"{side} labels", labels), lengths, into)
    _check_range(name, f"{side} labels", extremes)


def _whole(name: str, what: str, values: Array) -> Array:
    """Return integers as a contiguous array that compiled functions read."""
    array = np.asarray(values)
    if array.dtype.kind not in "iu":
        raise InputError(f"role {name!r} must give {what} as integers, got {array.dtype}")
    if array.dtype == np.uint64:  # before it wraps
        _check_range(name, what, [array.max(initial=0)])
    kept = array.dtype in (np.int32, np.int64)
    return np.ascontiguousarray(array, array.dtype if kept else np.int64)


def _check_range(name: str, what: str, extremes: Iterable[int]) -> None:
    for extreme in extremes:  # kernels read int32
        if not -(2**31) <= extreme < 2**31:
            raise InputError(f"role {name!r} must give {what} below 2**31, got {extreme}")


def _from_mask(
    name: str, sieve: Array, lengths: Array, key_lengths: Array, shape: tuple[int, int, int]
) -> Pairs:
    """Convert a bool mask to entries in one group per sequence: the score is a mean over rows."""
    mask = np.asarray(sieve)
    if mask.shape != shape or mask.dtype != np.bool_:
        raise InputError(
            f"role {name!r} must give Labels, Pairs or a bool mask of shape {shape}, "
            f"got {mask.dtype} {mask.shape}"
        )
    sequence, query, key = mask.nonzero()
    # An entry is real where both its positions lie in front of the padding of its sequence.
    real = (query < lengths[sequence]) & (key < key_lengths[sequence])
    sequence = sequence[real]
    return Pairs(sequence, np.zeros_like(sequence), query[real], key[real])


def _add_pairs(
    entries: EntryList, number: int, name: str, pairs: Pairs, lengths: Array, key_lengths: Array
) -> None:
    given = (pairs.sequence, pairs.group, pairs.query, pairs.key)
    shapes = [np.shape(column) for column in given]
    if len(set(shapes)) > 1 or len(shapes[0]) != 1:
        raise InputError(
            f"role {name!r} must give sequence, group, query and key of one length, got {shapes}"
        )
    if not len(pairs.query):
        return
    columns = [_whole(name, "its pairs", column).astype(np.int64, copy=False) for column in given]
    bad = entries.add(number, lengths, key_lengths, *columns)
    if bad >= 0:
        sequence, group, query, key = (column[bad] for column in columns)
        _check_range(name, "its pairs", [group])
        raise InputError(
            f"role {name!r} must list positions inside their sequence, got query {query}, "
            f"key {key} in sequence {sequence}"
        )
