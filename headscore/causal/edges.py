"""Edges: what the arms of a role remove from a batch, made once for all of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from headscore.arrays import Bools, Ints
from headscore.backends.contract import Visibility
from headscore.causal.entry_blocks import EntryBlocks
from headscore.causal.placebo import Edges, draw, role_edges
from headscore.causal.removal import Removal
from headscore.causal.selection import Heads, HeadsByLayer, heads_by_layer
from headscore.encoding.encoded import Encoded
from headscore.model.masks import simplest
from headscore.model.route import Route
from headscore.roles.role import Role


class Removed(NamedTuple):
    """Entries that some heads of a batch lose.

    Attributes
    ----------
    removal, heads
        The entries, and the heads of each layer.
    """

    removal: Removal
    heads: HeadsByLayer


class Drawn(NamedTuple):
    """The entries of a placebo.

    Attributes
    ----------
    removed
        One for each visibility.
    edges
        int64 (batch,), entries that each head loses.
    same_offset
        How many of them lie at an offset of the role's, over all heads.
    total
        How many there are, over all heads.
    """

    removed: tuple[Removed, ...]
    edges: Ints
    same_offset: int
    total: int


@dataclass(frozen=True, eq=False, kw_only=True)
class RoleEdges:
    """The edges of a role in a batch, and those of its placebo.

    Attributes
    ----------
    role, batch
        The role and the batch.
    real__bt
        Bool (batch, T) on the device of the model, the tokens that are not padding.
    heads
        The heads that have the role. Those that see the same keys form a group.
    route, visibilities
        How the model's attention is read, and the visibility of each layer.
    seed
        Of the placebo.
    """

    role: Role
    batch: Encoded
    real__bt: torch.Tensor
    heads: Heads
    route: Route
    visibilities: Mapping[int, Visibility]
    seed: int

    @cached_property
    def sieve(self) -> Removed:
        """The sieve of the role, for all its heads."""
        plan = self._blocks[0].plan.sieves  # the same for each visibility
        return Removed(
            Removal.of_sieves(plan, self.real__bt), heads_by_layer(self.heads, self.route)
        )

    @cached_property
    def rows__bt(self) -> Bools:
        """Bool (batch, T): the role has a visible entry in the row of the token."""
        rows = np.zeros((len(self.batch), self.batch.tokens), np.bool_)
        for each in self._own:
            rows[each.sequence, each.query] = True
        return rows

    @cached_property
    def edges(self) -> Ints:
        """int64 (batch,): visible entries of the role, the mean over its heads."""
        return self._mean([each.sequence for each in self._own])

    @cached_property
    def placebo(self) -> Drawn:
        """The entries of the placebo."""
        drawn = [draw(each, self.batch, seed=self.seed) for each in self._blocks]
        of_heads = list(zip(drawn, map(len, self._groups.values()), strict=True))
        return Drawn(
            removed=tuple(
                Removed(
                    Removal.of_edges(self.real__bt, each.sequence, each.query, each.key),
                    heads_by_layer(heads, self.route),
                )
                for each, heads in zip(drawn, self._groups.values(), strict=True)
            ),
            edges=self._mean([each.sequence for each in drawn]),
            same_offset=sum(int(each.same_offset.sum()) * n for each, n in of_heads),
            total=sum(len(each.sequence) * n for each, n in of_heads),
        )

    @cached_property
    def _own(self) -> list[Edges]:
        """The visible entries of the role for each group of heads."""
        return [role_edges(each) for each in self._blocks]

    @cached_property
    def _blocks(self) -> list[EntryBlocks]:
        """The role in the batch for each group of heads."""
        return [EntryBlocks.of(self.role, self.batch, each) for each in self._groups]

    @cached_property
    def _groups(self) -> dict[Visibility, Heads]:
        groups: dict[Visibility, Heads] = {}
        for layer, head in self.heads:
            visibility = simplest(self.visibilities[layer], self.batch.tokens)
            groups[visibility] = (*groups.get(visibility, ()), (layer, head))
        return groups

    def _mean(self, sequences: list[Ints]) -> Ints:
        """Return the entries of each sequence, averaged over the heads of all groups."""
        counts = [np.bincount(each, minlength=len(self.batch)) for each in sequences]
        weights = [len(heads) for heads in self._groups.values()]
        return np.rint(np.average(counts, axis=0, weights=weights)).astype(np.int64)
