"""Compute attention outputs that torch's SDPA cannot: windows without a mask, softcap and sinks.

Nothing is scored here. Outputs are computed for a block of queries at a time, so that no T x T
matrix exists.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch

from headscore.backends.contract import Visibility
from headscore.model.masks import Sight, visible

_BLOCK_ENTRIES = 2**22  # logits of a block of rows, 16 MiB in float32


class Softmax(NamedTuple):
    """How a layer computes attention weights from queries and keys.

    Attributes
    ----------
    scale, softcap
        Logits are ``softcap * tanh(scale * q . k / softcap)``, or ``scale * q . k``.
    sinks
        (Hq,), for each head the logit of a key without a value: its attention is lost.
    bias
        (batch or 1, Hq, q, k), added to the logits.
    """

    scale: float
    softcap: float | None = None
    sinks: torch.Tensor | None = None
    bias: torch.Tensor | None = None

    @classmethod
    def of_layer(cls, size: int, scaling: float | None, options: dict[str, Any]) -> Softmax:
        """Return the settings that a layer passes with queries of a head size."""
        return cls(
            scale=size**-0.5 if scaling is None else scaling,
            softcap=options.get("softcap"),
            sinks=options.get("s_aux"),
            bias=options.get("position_bias"),
        )


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    sight: Sight,
    softmax: Softmax,
) -> torch.Tensor:
    """Return the attention output, computed for one block of queries at a time.

    Parameters
    ----------
    query
        (batch, Hq, T, d).
    key, value
        (batch, Hkv, T, d) and (batch, Hkv, T, dv), Hq a multiple of Hkv.
    sight
        Which keys a query may attend to. A padded query also attends to itself, so that its
        softmax is not NaN.
    softmax
        How weights are computed; without a bias.

    Returns
    -------
    (batch, T, Hq, dv)
    """
    batch, heads, tokens, _ = query.shape
    output = query.new_empty(batch, tokens, heads, value.shape[-1])
    for rows, keys in blocks(batch * heads, tokens, sight.visibility):
        allowed__bqk = allowed(sight, rows, keys, query.device)
        output[:, rows] = _attend_rows(
            query[:, :, rows], key[:, :, keys], value[:, :, keys], allowed__bqk, softmax
        )
    return output


def attend_block(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    allowed__bqk: torch.Tensor,
    softmax: Softmax,
) -> torch.Tensor:
    """Return the attention output (batch, q, H, dv) of a block of queries.

    By torch's SDPA, unless there is softcap or sinks.

    Parameters
    ----------
    query, key, value
        (batch, H, q, d), (batch, H, k, d) and (batch, H, k, dv).
    allowed__bqk
        Bool (batch or 1, q, k): query q may attend to key k; in every row to some key.
    softmax
        How weights are computed.
    """
    if softmax.softcap is not None or softmax.sinks is not None:
        return _attend_rows(query, key, value, allowed__bqk, softmax)
    mask = allowed__bqk.unsqueeze(1)
    if softmax.bias is not None:
        mask = softmax.bias.to(query.dtype).masked_fill(~mask, float("-inf"))
    output = torch.nn.functional.scaled_dot_product_attention(
        query, key, value, mask, scale=softmax.scale
    )
    return output.transpose(1, 2)


def _attend_rows(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    allowed__bqk: torch.Tensor,
    softmax: Softmax,
) -> torch.Tensor:
    """Return the attention output (batch, q, Hq, dv) of a block of queries, by the definition."""
    logits = _grouped(softmax.scale * query, key.transpose(-1, -2))
    if softmax.softcap is not None:
        logits = softmax.softcap * torch.tanh(logits / softmax.softcap)
    if softmax.bias is not None:
        logits = logits + softmax.bias
    logits = logits.masked_fill(~allowed__bqk.unsqueeze(1), float("-inf"))
    weights = _weights(logits, softmax.sinks).to(value.dtype)
    return _grouped(weights, value).transpose(1, 2)


def blocks(heads: int, tokens: int, visibility: Visibility) -> Iterator[tuple[slice, slice]]:
    """Yield blocks of queries, and the range of keys that are visible to any query of the block."""
    # At least 16 rows, so that a long sequence does not end in products of single rows.
    size = max(16, _BLOCK_ENTRIES // max(1, heads * tokens))
    for start in range(0, tokens, size):
        stop = min(start + size, tokens)
        # A causal window w reaches w - 1 keys back; `first` and `last` are the bounds of the wider,
        # symmetric window, and `allowed` removes the rest.
        first, last = 0, stop if visibility.causal else tokens
        if visibility.window is not None:
            first = max(0, start - visibility.window)
            last = min(last, stop + visibility.window)
        yield slice(start, stop), slice(first, last)


def allowed(sight: Sight, rows: slice, keys: slice, device: torch.device) -> torch.Tensor:
    """Return bool (batch or 1, q, k): query q may attend to key k."""
    query = torch.arange(rows.start, rows.stop, device=device)
    key = torch.arange(keys.start, keys.stop, device=device)
    pattern = visible(sight.visibility, query, key).unsqueeze(0)
    if sight.real is not None:
        # & binds closer than |: (pattern and real key) or the query itself.
        pattern = pattern & sight.real[:, None, keys] | (query.unsqueeze(-1) == key)
    return pattern


def _grouped(left__bhqx: torch.Tensor, right__bgxy: torch.Tensor) -> torch.Tensor:
    """Multiply matrices, each one on the right by a group of heads on the left."""
    # One key head serves heads // groups query heads. Their rows are stacked to one matrix of
    # (group * rows, inner), so that keys and values need no expansion.
    batch, heads, rows, inner = left__bhqx.shape
    groups = right__bgxy.shape[1]
    product = left__bhqx.reshape(batch, groups, -1, inner) @ right__bgxy
    return product.reshape(batch, heads, rows, -1)


def _weights(logits__bhqk: torch.Tensor, sinks__h: torch.Tensor | None) -> torch.Tensor:
    # Sinks join the softmax as one more key, whose weight is then dropped: a row sums to less than
    # 1. float32 at least, as the models themselves do.
    wide = torch.promote_types(logits__bhqk.dtype, torch.float32)
    if sinks__h is None:
        return logits__bhqk.softmax(-1, dtype=wide)
    column = sinks__h.reshape(1, -1, 1, 1).expand(*logits__bhqk.shape[:3], 1)
    return torch.cat([logits__bhqk, column.to(logits__bhqk)], -1).softmax(-1, dtype=wide)[..., :-1]
