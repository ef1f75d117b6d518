"""Derive the arrays that the CUDA kernels read from a plan, on the host."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch

from headscore.arrays import Array, run_starts
from headscore.backends.contract import PlanArrays

# As in csrc/cuda/sieve_scores.h. A query without a label is NO_QUERY and not NO_LABEL, because the
# kernels compare labels for equality alone: it must differ from a key or tile without a label.
NO_LABEL, MANY_LABELS, NO_QUERY = -1, -2, -3
# Keys of a tile, rows of the largest block of threads, label roles of one pass (one bit each of a
# 32-bit word), runs of a piece.
TILE_KEYS, MOST_ROWS, ROLES_AT_ONCE, PIECE_RUNS = 64, 128, 32, 64


class DevicePlan(NamedTuple):
    """The arrays of `csrc/cuda/sieve_scores.h` under the same names; sizes beside them."""

    batch: int
    roles: int
    tokens: int
    key_tokens: int
    label_roles: int
    padded: int
    key_padded: int
    tiles: int
    pieces: int
    lengths: torch.Tensor
    key_lengths: torch.Tensor
    times_entropy: torch.Tensor
    label_role: torch.Tensor
    band: torch.Tensor
    row_weight: torch.Tensor
    role_label: torch.Tensor
    query_label: torch.Tensor
    key_label: torch.Tensor
    tile_label: torch.Tensor
    tile_roles: torch.Tensor
    unit_piece: torch.Tensor
    piece_run: torch.Tensor
    piece_role: torch.Tensor
    run_entry: torch.Tensor
    run_row: torch.Tensor
    entry_key: torch.Tensor
    entry_weight: torch.Tensor


def derive(arrays: PlanArrays) -> dict[str, Array]:
    """Return the arrays of a `DevicePlan` by name; no torch, so that any process can do it."""
    _, roles = arrays.takes_part.shape
    # Inverse of label_role: the label role of each role, -1 for a pair role.
    role_label = np.full(roles, -1, np.int32)
    role_label[arrays.label_role] = np.arange(len(arrays.label_role))
    query_label = _padded(np.where(arrays.query_label < 0, NO_QUERY, arrays.query_label), NO_QUERY)
    key_label = _padded(arrays.key_label, NO_LABEL)
    labels__btl = tile_labels(key_label, arrays.key_lengths)
    found = {
        "lengths": arrays.lengths,
        "key_lengths": arrays.key_lengths,
        "times_entropy": arrays.times_entropy,
        "label_role": arrays.label_role,
        "band": arrays.band,
        "row_weight": arrays.row_weight,
        "role_label": role_label,
        "query_label": query_label,
        "key_label": key_label,
        "tile_label": labels__btl,
        "tile_roles": tile_roles(labels__btl),
        **_pieces(arrays, roles),
    }
    return {name: np.ascontiguousarray(array) for name, array in found.items()}


def plan_of(arrays: PlanArrays, columns: Mapping[str, torch.Tensor]) -> DevicePlan:
    """Return the plan whose derived arrays are on a device."""
    batch, roles = arrays.takes_part.shape
    return DevicePlan(
        batch=batch,
        roles=roles,
        tokens=arrays.tokens,
        key_tokens=arrays.key_tokens,
        label_roles=len(arrays.label_role),
        padded=columns["query_label"].shape[-1],
        key_padded=columns["key_label"].shape[-1],
        tiles=columns["tile_label"].shape[1],
        pieces=len(columns["piece_role"]),
        **columns,
    )


def _padded(labels__lbt: Array, filler: int) -> Array:
    # -T % n is the distance from T to the next multiple of n. Blocks of rows that reach behind T
    # can then read labels without a bounds check.
    room = -labels__lbt.shape[-1] % MOST_ROWS
    return np.pad(labels__lbt, ((0, 0), (0, 0), (0, room)), constant_values=filler)


def tile_labels(key_label__lbk: Array, lengths: Array) -> Array:
    """Return int32 (batch, tile, label role): the only label of a tile of keys, none or many.

    Tk is a multiple of `TILE_KEYS`. Padding agrees with any label, since its probability is 0. With
    tiles of 4 keys::

        key labels     7 7 7 7 | 7 7 8 7 | -1 -1 -1 -1 | 5 5 . .      . padding
        tile label     7       | many    | none        | 5

    Where band and visibility contain the whole tile, a kernel then compares one label instead of
    `TILE_KEYS`.
    """
    roles, batch, tokens = key_label__lbk.shape
    tiles = tokens // TILE_KEYS
    labels = key_label__lbk.reshape(roles, batch, tiles, TILE_KEYS)
    real = (np.arange(tokens) < lengths[:, None]).reshape(batch, tiles, TILE_KEYS)
    # The fillers lose against every real key: a tile has one label where minimum and maximum agree.
    # -1 counts as a label here, so that a tile of labelled and unlabelled keys is "many".
    low = np.where(real, labels, np.iinfo(np.int32).max).min(-1)
    high = np.where(real, labels, NO_LABEL).max(-1)
    one = np.where(low == high, low, MANY_LABELS)
    # A maximum below 0: no key has a label, or all are padding.
    return np.where(high < 0, NO_LABEL, one).astype(np.int32).transpose(1, 2, 0)


def tile_roles(labels__btl: Array) -> Array:
    """Return int32 (pass, batch, tile, 2): two words for each tile, bit n of role 32 pass + n.

    The first word: the role has labels in the tile, other than the only one of the tile before. The
    second: it has one label alone. So a kernel learns with one read what a tile holds::

        tile label     7   7   many   none   5
        first word     1   0   1      0      1
        second word    1   1   0      0      1
    """
    present = labels__btl != NO_LABEL
    one = present & (labels__btl != MANY_LABELS)
    fresh = present.copy()
    fresh[:, 1:] &= ~one[:, 1:] | (labels__btl[:, 1:] != labels__btl[:, :-1])
    # There is one pass even without label roles, for the pair roles need the row statistics that
    # it computes.
    batch, tiles, roles = labels__btl.shape
    passes = max(1, -(-roles // ROLES_AT_ONCE))
    bits = np.zeros((2, batch, tiles, passes * ROLES_AT_ONCE), bool)
    bits[..., :roles] = fresh, one
    # Little-endian bits in little-endian words put role n at bit n of the word: 4 bytes of 8 roles
    # each become one "<u4". int32 holds the same bits; torch has few operations for uint32.
    words = np.packbits(bits, axis=-1, bitorder="little").view("<u4")
    return np.ascontiguousarray(words.transpose(3, 1, 2, 0)).astype(np.uint32).view(np.int32)


def _pieces(arrays: PlanArrays, roles: int) -> dict[str, Array]:
    """Return the arrays of `DevicePlan` that locate pair entries.

    Entries are sorted by unit (sequence, role), then row, then key, and cut into runs of one row
    and pieces of up to `PIECE_RUNS` runs of one unit. A block of threads adds up a piece::

        entry       0 1 2 | 3 4 | 5 | 6 7 | 8        9 visible entries
        run         0     | 1   | 2 | 3   | 4        run_entry = 0 3 5 6 8 9, run_row: their rows
        piece       0           |     1     | 2      piece_run = 0 2 4 5 (with PIECE_RUNS = 2)
        unit        0                       | 1      unit_piece = 0 2 3, piece_role: their roles
    """
    # Row number b * T + i of each entry, from the CSR offsets; weight 0 means not visible.
    row = np.repeat(np.arange(len(arrays.pair_offsets) - 1), np.diff(arrays.pair_offsets))
    visible = np.flatnonzero(arrays.pair_weight)
    # Unit number: sequence * roles + role.
    unit = row[visible] // arrays.tokens * roles + arrays.pair_role[visible]
    order = np.lexsort((row[visible], unit))  # stable: the keys of a row stay sorted
    entry, unit, row = visible[order], unit[order], row[visible][order]
    run_entry = run_starts(unit, row)
    # The unit of each run is that of its first entry. `within` numbers the runs of a unit from 0;
    # a piece ends where the unit does, or where within // PIECE_RUNS changes.
    run_unit = unit[run_entry[:-1]]
    within = np.arange(len(run_unit)) - np.searchsorted(run_unit, run_unit)
    piece_run = run_starts(run_unit, within // PIECE_RUNS)
    piece_unit = run_unit[piece_run[:-1]]
    # A unit without entries has no piece: the search returns the first piece of the next unit for
    # it, hence an empty range. The extra unit at the end closes the last range.
    every_unit = np.arange(len(arrays.takes_part) * roles + 1)
    return {
        "unit_piece": np.searchsorted(piece_unit, every_unit),
        "piece_run": piece_run,
        "piece_role": (piece_unit % max(roles, 1)).astype(np.int32),
        "run_entry": run_entry,
        "run_row": row[run_entry[:-1]],
        "entry_key": arrays.pair_key[entry],
        "entry_weight": arrays.pair_weight[entry],
    }
