"""A plan as the CUDA kernels read it: its arrays, and what follows from them, on the device."""

from __future__ import annotations

import weakref
from typing import NamedTuple

import numpy as np
import torch

from headscore.arrays import Array, run_starts
from headscore.backends.contract import PlanArrays

# As in csrc/cuda/sieve_scores.h.
NO_LABEL, MANY_LABELS, NO_QUERY = -1, -2, -3
TILE_KEYS, MOST_ROWS, ROLES_AT_ONCE, PIECE_RUNS = 64, 128, 32, 64


class DevicePlan(NamedTuple):
    """The arrays of `csrc/cuda/sieve_scores.h`, under the same names; sizes beside them."""

    batch: int
    roles: int
    tokens: int
    label_roles: int
    padded: int
    tiles: int
    pieces: int
    lengths: torch.Tensor
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


_kept: dict[tuple[int, torch.device, int], DevicePlan] = {}


def device_plan(arrays: PlanArrays, device: torch.device, stream: int) -> DevicePlan:
    """Return the plan on a device; made once for all layers, and dropped with the arrays."""
    at = (id(arrays), device, stream)
    if at not in _kept:
        _kept[at] = _made(arrays, device)
        weakref.finalize(arrays, _kept.pop, at, None)
    return _kept[at]


def _made(arrays: PlanArrays, device: torch.device) -> DevicePlan:
    batch, roles = arrays.takes_part.shape
    role_label = np.full(roles, -1, np.int32)
    role_label[arrays.label_role] = np.arange(len(arrays.label_role))
    query_label = _padded(np.where(arrays.query_label < 0, NO_QUERY, arrays.query_label), NO_QUERY)
    key_label = _padded(arrays.key_label, NO_LABEL)
    labels__btl = tile_labels(key_label, arrays.lengths)
    pairs = _pieces(arrays, roles)
    columns = (
        arrays.lengths,
        arrays.times_entropy,
        arrays.label_role,
        arrays.band,
        arrays.row_weight,
        role_label,
        query_label,
        key_label,
        labels__btl,
        role_bits(labels__btl),
        *pairs,
    )
    return DevicePlan(
        batch,
        roles,
        arrays.tokens,
        len(arrays.label_role),
        key_label.shape[-1],
        labels__btl.shape[1],
        len(pairs[2]),
        *(torch.from_numpy(np.ascontiguousarray(each)).to(device) for each in columns),
    )


def _padded(labels__lbt: Array, filler: int) -> Array:
    room = -labels__lbt.shape[-1] % MOST_ROWS
    return np.pad(labels__lbt, ((0, 0), (0, 0), (0, room)), constant_values=filler)


def tile_labels(key_label__lbt: Array, lengths: Array) -> Array:
    """Return int32 (batch, tile, label role): the one label of a tile of keys, none or many.

    T is a multiple of `TILE_KEYS`. Padding goes with any label: its probability is 0.
    """
    roles, batch, tokens = key_label__lbt.shape
    tiles = tokens // TILE_KEYS
    labels = key_label__lbt.reshape(roles, batch, tiles, TILE_KEYS)
    real = (np.arange(tokens) < lengths[:, None]).reshape(batch, tiles, TILE_KEYS)
    low = np.where(real, labels, np.iinfo(np.int32).max).min(-1)
    high = np.where(real, labels, NO_LABEL).max(-1)
    one = np.where(low == high, low, MANY_LABELS)
    return np.where(high < 0, NO_LABEL, one).astype(np.int32).transpose(1, 2, 0)


def role_bits(labels__btl: Array) -> Array:
    """Return int32 (pass, batch, tile): bit n says whether label role 32 pass + n has a label."""
    batch, tiles, roles = labels__btl.shape
    passes = max(1, -(-roles // ROLES_AT_ONCE))
    present = np.zeros((batch, tiles, passes * ROLES_AT_ONCE), bool)
    present[:, :, :roles] = labels__btl != NO_LABEL
    packed = np.packbits(present, axis=-1, bitorder="little").view("<u4")
    return np.ascontiguousarray(packed.transpose(2, 0, 1)).astype(np.uint32).view(np.int32)


def _pieces(arrays: PlanArrays, roles: int) -> tuple[Array, ...]:
    """Return unit_piece, piece_run, piece_role, run_entry, run_row, entry_key, entry_weight."""
    row = np.repeat(np.arange(len(arrays.pair_offsets) - 1), np.diff(arrays.pair_offsets))
    seen = np.flatnonzero(arrays.pair_weight)
    unit = row[seen] // arrays.tokens * roles + arrays.pair_role[seen]
    order = np.lexsort((row[seen], unit))  # stable: the keys of a row stay sorted
    entry, unit, row = seen[order], unit[order], row[seen][order]
    run_entry = run_starts(unit, row)
    run_unit = unit[run_entry[:-1]]
    within = np.arange(len(run_unit)) - np.searchsorted(run_unit, run_unit)
    piece_run = run_starts(run_unit, within // PIECE_RUNS)
    piece_unit = run_unit[piece_run[:-1]]
    return (
        np.searchsorted(piece_unit, np.arange(len(arrays.takes_part) * roles + 1)),
        piece_run,
        (piece_unit % max(roles, 1)).astype(np.int32),
        run_entry,
        row[run_entry[:-1]],
        arrays.pair_key[entry],
        arrays.pair_weight[entry],
    )
