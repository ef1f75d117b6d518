"""Knock out entries of the attention of some heads, in one forward pass.

With V the keys that are visible to a query i and S those that are removed, the output of a head is

    z_i = sum_{j in V - S} a_ij v_j / sum_{j in V - S} a_ij

or, to keep S alone, the same over the visible part of S. Logits of removed keys are masked and the
softmax computed again: to subtract from z_i would cancel where S has most of the attention.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch

from headscore.causal.removal import Removal
from headscore.errors import InputError
from headscore.model import hook
from headscore.model.attention_output import Softmax, allowed, attend_block, blocks
from headscore.model.masks import Sight
from headscore.model.route import Route
from headscore.model.sights import read_checked

_KEPT_ENTRIES = 2**22  # bool entries of a batch that are kept from layer to layer, 4 MiB


@contextmanager
def knocking(
    model: Any,
    route: Route,
    removal: Removal,
    heads: Mapping[int, tuple[int, ...]],
    keep: bool = False,
    *,
    first_layer: int = 0,
) -> Iterator[Knocking]:
    """Knock out entries in one pass of a model whose attention is routed.

    Parameters
    ----------
    model
        A model inside `headscore.model.hook.routed`.
    route
        Its route.
    removal
        The entries of the batch that the pass reads.
    heads
        Layer -> heads, in increasing order.
    keep
        Keep these entries alone, and remove all others.
    first_layer
        The first layer that the pass computes: attention of earlier ones is not counted.

    Raises
    ------
    InputError
        The attention of a layer cannot be read, or not that of every layer was computed.
    """
    knocked = Knocking(route, removal, heads, keep, first_layer)
    with hook.changing(knocked, route.modules):
        yield knocked
    knocked.check_complete(model)


class _Block(NamedTuple):
    """The entries that are left in a block of queries.

    Attributes
    ----------
    rows, keys
        The block: no other keys are visible to its queries.
    left
        Bool (batch, q, k): what rows that change attend to; all visible keys in other rows.
    changes
        Bool (batch, q): the row changes.
    any_change
        Whether some row changes.
    alone
        int64 (): rows that would lose every visible key, and stay as they are.
    """

    rows: slice
    keys: slice
    left: torch.Tensor
    changes: torch.Tensor
    any_change: bool
    alone: torch.Tensor


@dataclass
class Knocking:
    """Replaces the attention output of the chosen heads in one forward pass; see `knocking`."""

    route: Route
    removal: Removal
    heads: Mapping[int, tuple[int, ...]]
    keep: bool = False
    first_layer: int = 0
    _passed: int = 0
    _alone: list[torch.Tensor] = field(default_factory=list)
    # By the id of the mask, which layers share; the mask is kept, so that its id stays its own.
    _sights: dict[Hashable, tuple[torch.Tensor | None, Sight]] = field(default_factory=dict)
    _blocks: dict[Hashable, list[_Block]] = field(default_factory=dict)

    @property
    def left_alone(self) -> int:
        """Rows of heads that would lose every visible key, and have stayed as they are."""
        return sum(int(each) for each in self._alone)

    def changed(self, inputs: hook.AttentionInputs, output__bthd: torch.Tensor) -> torch.Tensor:
        """Return the output of one layer without the removed entries."""
        module, query, key, value, mask, scaling, options = inputs
        heads = self.heads.get(self._next_layer(module), ())
        if not heads:
            return output__bthd
        self._check_shape(query)
        sight = self._sight(module, mask, options)
        softmax = Softmax.of_layer(query.shape[-1], scaling, options)
        chosen = _chosen(query, key, value, softmax, heads)
        pieces, any_change = [], False
        for block in self._blocks_of(mask, sight, len(heads)):
            self._alone.append(block.alone * len(heads))
            before = _select(output__bthd[:, block.rows], 2, heads)
            pieces.append(_block_output(chosen, block, before) if block.any_change else before)
            any_change |= block.any_change
        if not any_change:
            return output__bthd
        found = torch.cat(pieces, 1)
        if len(heads) == output__bthd.shape[2]:
            return found
        return output__bthd.index_copy(2, _index(heads, found.device), found)

    def check_complete(self, model: Any) -> None:
        """Raise InputError unless every layer has shown its attention."""
        due = sum(layer >= self.first_layer for layer in self.route.layers)
        if self._passed != due:
            raise InputError(
                f"a forward pass of {type(model).__name__} must compute the attention of {due} "
                f"layers, got {self._passed}"
            )

    def _next_layer(self, module: torch.nn.Module) -> int:
        layers = [layer for layer in self.route.layers if layer >= self.first_layer]
        if self._passed == len(layers):
            raise InputError(
                f"a forward pass must compute the attention of {len(layers)} layers, got another "
                f"one of {type(module).__name__}"
            )
        self._passed += 1
        return layers[self._passed - 1]

    def _check_shape(self, query: torch.Tensor) -> None:
        batch, tokens = self.removal.real.shape
        if (query.shape[0], query.shape[2]) != (batch, tokens):
            raise InputError(
                f"attention must be of {batch} sequences of {tokens} tokens as the batch, got "
                f"{query.shape[0]} of {query.shape[2]}"
            )

    def _sight(
        self, module: torch.nn.Module, mask: torch.Tensor | None, options: dict[str, Any]
    ) -> Sight:
        """Return what the queries of a layer may attend to; once for each mask."""
        known = id(mask), hook.is_causal(module, options)
        if known not in self._sights:
            sight = read_checked(module, mask, self.removal.real, causal=known[1])
            self._sights[known] = mask, sight
        return self._sights[known][1]

    def _blocks_of(self, mask: torch.Tensor | None, sight: Sight, heads: int) -> Iterable[_Block]:
        """Return the blocks of queries of a layer; a small batch's are kept for further layers."""
        batch, tokens = self.removal.real.shape
        # The entries of a block, with their distances and masks, are as large as logits of 8 heads.
        matrices = batch * max(heads, 8)
        spans = blocks(matrices, tokens, sight.visibility)
        made = (self._block(sight, rows, keys) for rows, keys in spans)
        if batch * tokens * tokens > _KEPT_ENTRIES:
            return made
        known = id(mask), sight.visibility, matrices
        if known not in self._blocks:
            self._blocks[known] = list(made)
        return self._blocks[known]

    def _block(self, sight: Sight, rows: slice, keys: slice) -> _Block:
        visible = allowed(sight, rows, keys, self.removal.real.device)
        sieve = self.removal.entries(rows, keys) & visible
        left = sieve if self.keep else visible & ~sieve
        has_sieve, has_left = sieve.any(-1), left.any(-1)
        changes = has_sieve & has_left
        return _Block(
            rows=rows,
            keys=keys,
            left=torch.where(changes.unsqueeze(-1), left, visible),
            changes=changes,
            any_change=bool(changes.any()),
            alone=(has_sieve & ~has_left).sum(),
        )


class _Chosen(NamedTuple):
    """Queries, keys and values of the chosen heads, (batch, chosen head, T, d) each."""

    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    softmax: Softmax


def _chosen(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    softmax: Softmax,
    heads: tuple[int, ...],
) -> _Chosen:
    # Query head h reads key head h // group.
    group = query.shape[1] // key.shape[1]
    of_keys = tuple(head // group for head in heads)
    sinks, bias = softmax.sinks, softmax.bias
    return _Chosen(
        query=_select(query, 1, heads),
        key=_select(key, 1, of_keys),
        value=_select(value, 1, of_keys),
        softmax=softmax._replace(
            sinks=None if sinks is None else _select(sinks, 0, heads),
            bias=None if bias is None else _select(bias, 1, heads),
        ),
    )


def _block_output(chosen: _Chosen, block: _Block, before__bqhd: torch.Tensor) -> torch.Tensor:
    """Return the output of a block of queries (batch, q, chosen head, d)."""
    rows, keys = block.rows, block.keys
    bias = chosen.softmax.bias
    found = attend_block(
        chosen.query[:, :, rows],
        chosen.key[:, :, keys],
        chosen.value[:, :, keys],
        block.left,
        chosen.softmax._replace(bias=None if bias is None else bias[:, :, rows, keys]),
    )
    return torch.where(block.changes[..., None, None], found.to(before__bqhd.dtype), before__bqhd)


def _select(tensor: torch.Tensor, axis: int, wanted: tuple[int, ...]) -> torch.Tensor:
    """Return some places of an axis; the tensor itself where these are all of them."""
    if wanted == tuple(range(tensor.shape[axis])):
        return tensor
    return tensor.index_select(axis, _index(wanted, tensor.device))


def _index(wanted: tuple[int, ...], device: torch.device) -> torch.Tensor:
    return torch.tensor(wanted, device=device)
