"""Attention outputs for what torch's SDPA lacks: windows without a T x T mask, caps and sinks.

These are the model's own outputs; nothing is scored here.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from headscore.backends.contract import Visibility
from headscore.model.masks import Sight, visible

_BLOCK_ENTRIES = 2**22  # logits that exist at a time


def attend(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    sight: Sight,
    *,
    scale: float,
    softcap: float | None = None,
    sinks: torch.Tensor | None = None,
) -> torch.Tensor:
    """Attend, a block of queries at a time.

    Parameters
    ----------
    query
        (batch, Hq, T, d).
    key, value
        (batch, Hkv, T, d) and (batch, Hkv, T, dv), Hq a multiple of Hkv.
    sight
        Who sees whom. A padded query sees itself too, so that its row is a number.
    scale, softcap
        Logits are ``softcap * tanh(scale * q . k / softcap)``, or ``scale * q . k``.
    sinks
        (Hq,), for each head the logit of a key that has no value: what it takes is lost.

    Returns
    -------
    (batch, T, Hq, dv)
    """
    batch, heads, tokens, _ = query.shape
    output = query.new_empty(batch, tokens, heads, value.shape[-1])
    for rows, keys in _blocks(batch * heads, tokens, sight.visibility):
        logits = _grouped(scale * query[:, :, rows], key[:, :, keys].transpose(-1, -2))
        if softcap is not None:
            logits = softcap * torch.tanh(logits / softcap)
        allowed__bqk = _allowed(sight, rows, keys, query.device)
        logits = logits.masked_fill(~allowed__bqk.unsqueeze(1), float("-inf"))
        weights = _softmax(logits, sinks).to(value.dtype)
        output[:, rows] = _grouped(weights, value[:, :, keys]).transpose(1, 2)
    return output


def _blocks(heads: int, tokens: int, visibility: Visibility) -> Iterator[tuple[slice, slice]]:
    """Yield blocks of queries, and the keys that some query of the block sees."""
    size = max(16, _BLOCK_ENTRIES // max(1, heads * tokens))
    for start in range(0, tokens, size):
        stop = min(start + size, tokens)
        first, last = 0, stop if visibility.causal else tokens
        if visibility.window is not None:
            first = max(0, start - visibility.window)
            last = min(last, stop + visibility.window)
        yield slice(start, stop), slice(first, last)


def _allowed(sight: Sight, rows: slice, keys: slice, device: torch.device) -> torch.Tensor:
    """Return bool (batch or 1, q, k)."""
    query = torch.arange(rows.start, rows.stop, device=device)
    key = torch.arange(keys.start, keys.stop, device=device)
    allowed = visible(sight.visibility, query, key).unsqueeze(0)
    if sight.real is not None:
        allowed = allowed & sight.real[:, None, keys] | (query.unsqueeze(-1) == key)
    return allowed


def _grouped(left__bhqx: torch.Tensor, right__bgxy: torch.Tensor) -> torch.Tensor:
    """Multiply matrices, every one on the right with a group of heads on the left."""
    batch, heads, rows, inner = left__bhqx.shape
    groups = right__bgxy.shape[1]
    product = left__bhqx.reshape(batch, groups, -1, inner) @ right__bgxy
    return product.reshape(batch, heads, rows, -1)


def _softmax(logits__bhqk: torch.Tensor, sinks__h: torch.Tensor | None) -> torch.Tensor:
    wide = torch.promote_types(logits__bhqk.dtype, torch.float32)
    if sinks__h is None:
        return logits__bhqk.softmax(-1, dtype=wide)
    column = sinks__h.reshape(1, -1, 1, 1).expand(*logits__bhqk.shape[:3], 1)
    return torch.cat([logits__bhqk, column.to(logits__bhqk)], -1).softmax(-1, dtype=wide)[..., :-1]
