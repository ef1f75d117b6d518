"""Removal: which entries of a batch are removed, made for one block of queries at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from headscore.arrays import Array, Bools, Ints
from headscore.errors import InputError
from headscore.sieves.compile import CompiledSieves


@dataclass(frozen=True, eq=False, kw_only=True)
class Removal:
    """Entries of a padded batch, whether visible or not; tensors are on the device of `real`.

    Sieves are given by positions among the real tokens of a sequence, entries by places in the
    padded batch::

        place       0  1  2  3  4
        real        F  T  T  F  T
        position    .  0  1  .  2

    Attributes
    ----------
    real
        Bool (batch, T), the tokens that are not padding.
    position
        int32 (1 or batch, T), up to a constant of the sequence; 1 where the same holds for all.
    query_label, key_label
        int32 (label role, batch, T), -1 at padding, as in `PlanArrays`.
    bands
        lo, hi of each label role.
    edge_starts
        int64 (T + 1,) on the host: the edges of each query, over all sequences.
    edge_sequence, edge_query, edge_key
        int64 (edge,), sorted by query.
    """

    real: torch.Tensor
    position: torch.Tensor
    query_label: torch.Tensor
    key_label: torch.Tensor
    bands: tuple[tuple[int, int], ...]
    edge_starts: Ints
    edge_sequence: torch.Tensor
    edge_query: torch.Tensor
    edge_key: torch.Tensor

    @classmethod
    def of_sieves(cls, plan: CompiledSieves, real__bt: torch.Tensor) -> Removal:
        """Return the union of the sieves of all roles of a plan.

        Parameters
        ----------
        plan
            The sieves of the batch.
        real__bt
            Bool (batch, T), where the tokens of each sequence are.
        """
        columns = plan.entry_sequence, plan.entry_query, plan.entry_key
        edges = [column.astype(np.int64) for column in columns]
        bands = tuple((int(low), int(high)) for low, high in plan.band)
        labels = plan.query_label, plan.key_label
        return cls._of(real__bt, plan.lengths, labels, bands, edges)

    @classmethod
    def of_edges(cls, real__bt: torch.Tensor, sequence: Ints, query: Ints, key: Ints) -> Removal:
        """Return listed entries, int64 (edge,) each, by positions among the real tokens."""
        none = np.empty((0, *real__bt.shape), np.int32)
        return cls._of(real__bt, None, (none, none), (), [sequence, query, key])

    @classmethod
    def _of(
        cls,
        real__bt: torch.Tensor,
        lengths: Array | None,
        labels: tuple[Array, Array],
        bands: tuple[tuple[int, int], ...],
        edges: list[Ints],
    ) -> Removal:
        real = real__bt.cpu().numpy()
        if lengths is not None and (real.sum(1) != lengths).any():
            raise InputError(
                f"real must have as many tokens as the plan, {lengths.tolist()}, "
                f"got {real.sum(1).tolist()}"
            )
        sequence, query, key = edges
        places = _Places(real)
        query, key = places.of(sequence, query), places.of(sequence, key)
        order = np.argsort(query, kind="stable")
        tensors = {
            "position": places.position,
            "query_label": places.padded(labels[0]),
            "key_label": places.padded(labels[1]),
            "edge_sequence": sequence[order],
            "edge_query": query[order],
            "edge_key": key[order],
        }
        return cls(
            real=real__bt,
            bands=bands,
            edge_starts=np.searchsorted(query[order], np.arange(real.shape[1] + 1)),
            **{name: torch.from_numpy(each).to(real__bt.device) for name, each in tensors.items()},
        )

    def entries(self, rows: slice, keys: slice) -> torch.Tensor:
        """Return bool (batch, q, k): the entry is removed, for a block of queries and keys."""
        found = self._edges(rows, keys)
        distance = self.position[:, None, keys] - self.position[:, rows, None]
        for query, key, (low, high) in zip(
            self.query_label, self.key_label, self.bands, strict=True
        ):
            label = query[:, rows, None]
            same = (label == key[:, None, keys]) & (label >= 0)
            found = found | (same & (distance >= low) & (distance <= high))
        return found

    def _edges(self, rows: slice, keys: slice) -> torch.Tensor:
        width = keys.stop - keys.start
        # Keys outside the block go to one more column, which is dropped: to leave them out would
        # wait for the device.
        shape = len(self.real), rows.stop - rows.start, width + 1
        found = torch.zeros(shape, dtype=torch.bool, device=self.real.device)
        start, stop = self.edge_starts[[rows.start, rows.stop]].tolist()
        key = self.edge_key[start:stop] - keys.start
        key = torch.where((key >= 0) & (key < width), key, width)
        found[self.edge_sequence[start:stop], self.edge_query[start:stop] - rows.start, key] = True
        return found[..., :width]


class _Places:
    """Converts positions among real tokens to places in a padded batch."""

    def __init__(self, real: Bools) -> None:
        self._sequence, self._place = real.nonzero()
        self._lengths = real.sum(1)
        self._offsets = self._lengths.cumsum() - self._lengths
        self._shape = real.shape
        # Within a single run of real tokens, distances of places are those of positions.
        runs = (real[:, 1:] > real[:, :-1]).sum(1) + real[:, 0]
        tokens = np.arange(real.shape[1])[None]
        position = tokens if (runs <= 1).all() else real.cumsum(1) - 1
        self.position = position.astype(np.int32)

    def of(self, sequence: Ints, position: Ints) -> Ints:
        """Return the places of positions, int64 (edge,)."""
        found: Ints = self._place[self._offsets[sequence] + position]
        return found

    def padded(self, labels__rbp: Array) -> Array:
        """Return labels by place, -1 at padding; int32 (label role, batch, T)."""
        found = np.full((len(labels__rbp), *self._shape), -1, np.int32)
        kept = np.arange(labels__rbp.shape[2]) < self._lengths[:, None]
        found[:, self._sequence, self._place] = labels__rbp[:, kept]
        return found
