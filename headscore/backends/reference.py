"""The reference backend: the definition in plain torch, on any device.

From queries and keys it goes block by block of rows, so that a T x T matrix never exists. Every
other backend is held to this one, and this one to the loops in the tests.
"""

from __future__ import annotations

import torch

from headscore.arrays import Array
from headscore.backends.contract import (
    NEGATIVE,
    NOT_FINITE,
    SUM_NOT_ONE,
    PlanArrays,
    Raw,
    Visibility,
)

ATTENDS = False
_BLOCK_ROWS = 128


def why_not() -> str | None:
    """Return why this backend cannot run here: it always can."""
    return None


def scores_qk(
    query__bhqd: torch.Tensor,
    key__bhkd: torch.Tensor,
    arrays: PlanArrays,
    visibility: Visibility,
    *,
    scale: float,
    softcap: float | None,
    bias__bhqk: torch.Tensor | None,
    value__bhkd: torch.Tensor | None,
    per_token: bool,
) -> Raw:
    """Score heads from queries and keys (shapes checked by the door)."""
    wide = torch.float64 if query__bhqd.dtype == torch.float64 else torch.float32
    batch, heads, tokens, _ = query__bhqd.shape
    kv_heads = key__bhkd.shape[1]
    query = query__bhqd.to(wide).reshape(batch, kv_heads, heads // kv_heads, tokens, -1)
    key = key__bhkd.to(wide).unsqueeze(2)
    sums = _Sums(arrays, heads, query.device, wide)
    outputs = []
    for rows in _blocks(tokens):
        logits = (scale * query[..., rows, :]) @ key.transpose(-1, -2)
        logits = logits.reshape(batch, heads, -1, tokens)
        if softcap:
            logits = softcap * torch.tanh(logits / softcap)
        if bias__bhqk is not None:
            logits = logits + bias__bhqk[:, :, rows].to(wide)
        visible = _visible(arrays, visibility, rows, query.device)
        attention = logits.masked_fill(~visible, float("-inf")).softmax(-1)
        real = _real_rows(arrays, rows, query.device)
        attention = torch.where(real & visible, attention, 0.0)
        sums.add(attention, rows, visible, real)
        if value__bhkd is not None:
            outputs.append(_attended(attention, value__bhkd, arrays))
    raw = sums.finish(per_token)
    return raw._replace(output=torch.cat(outputs, 1)) if outputs else raw


def _attended(
    attention__bhqk: torch.Tensor, value__bhkd: torch.Tensor, arrays: PlanArrays
) -> torch.Tensor:
    """Return attention times values, (batch, q, head, d), in the dtype of the values."""
    batch, heads, rows, tokens = attention__bhqk.shape
    real = _real_rows(arrays, slice(0, tokens), value__bhkd.device)
    value = torch.where(real, value__bhkd.to(attention__bhqk.dtype), 0.0).unsqueeze(2)
    grouped = attention__bhqk.reshape(batch, value.shape[1], -1, rows, tokens)
    output = (grouped @ value).reshape(batch, heads, rows, -1)
    return output.transpose(1, 2).to(value__bhkd.dtype)


def scores_attention(
    attention__bhqk: torch.Tensor,
    arrays: PlanArrays,
    visibility: Visibility,
    *,
    tolerance: float,
    per_token: bool,
) -> Raw:
    """Score heads from given attention (shapes checked by the door)."""
    wide = torch.float64 if attention__bhqk.dtype == torch.float64 else torch.float32
    sums = _Sums(arrays, attention__bhqk.shape[1], attention__bhqk.device, wide)
    for rows in _blocks(attention__bhqk.shape[2]):
        visible = _visible(arrays, visibility, rows, attention__bhqk.device)
        real = _real_rows(arrays, rows, attention__bhqk.device)
        attention = torch.where(real & visible, attention__bhqk[:, :, rows].to(wide), 0.0)
        sums.add(attention, rows, visible, real, tolerance)
    return sums.finish(per_token)


def _blocks(tokens: int) -> list[slice]:
    return [slice(i, min(i + _BLOCK_ROWS, tokens)) for i in range(0, tokens, _BLOCK_ROWS)]


def _visible(
    arrays: PlanArrays, visibility: Visibility, rows: slice, device: torch.device
) -> torch.Tensor:
    """Return bool (batch, 1, q, k): key k may be attended to by query q."""
    key = torch.arange(arrays.tokens, device=device)
    distance = key - key[rows].unsqueeze(1)
    visible = (key < _on(arrays.lengths, device)[:, None, None, None]).expand(
        -1, 1, distance.shape[0], -1
    )
    if visibility.causal:
        visible = visible & (distance <= 0)
    if visibility.window is not None:
        low = 1 - visibility.window if visibility.causal else -visibility.window
        visible = visible & (distance >= low)
        if not visibility.causal:
            visible = visible & (distance <= visibility.window)
    return visible


def _real_rows(arrays: PlanArrays, rows: slice, device: torch.device) -> torch.Tensor:
    """Return bool (batch, 1, q, 1): the row is no padding."""
    row = torch.arange(rows.start, rows.stop, device=device)
    real: torch.Tensor = row < _on(arrays.lengths, device)[:, None]
    return real[:, None, :, None]


def _on(array: Array, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(array).to(device)


class _Sums:
    """Role sums of all rows, filled block by block."""

    def __init__(
        self, arrays: PlanArrays, heads: int, device: torch.device, dtype: torch.dtype
    ) -> None:
        self.arrays = arrays
        self.device = device
        batch, roles = arrays.takes_part.shape
        self.values = torch.zeros(
            batch, roles, heads, arrays.tokens, dtype=torch.float64, device=device
        )
        self.faults = torch.zeros(batch, heads, dtype=torch.uint8, device=device)
        self.query_label = _on(arrays.query_label, device)
        self.key_label = _on(arrays.key_label, device)
        self.row_weight = _on(arrays.row_weight, device).to(dtype)

    def add(
        self,
        attention__bhqk: torch.Tensor,
        rows: slice,
        visible: torch.Tensor,
        real: torch.Tensor,
        tolerance: float = float("inf"),
    ) -> None:
        """Take a block of rows into account."""
        mass__bhq = attention__bhqk.sum(-1)
        self._note_faults(attention__bhqk, mass__bhq, real, tolerance)
        share = attention__bhqk / torch.where(real[..., 0], mass__bhq, 1.0).unsqueeze(-1)
        entropy__bhq = -torch.special.xlogy(share, share).sum(-1)
        values__brhq = self.values[..., rows]
        for number, role in enumerate(self.arrays.label_role.tolist()):
            sieve__bqk = self._label_sieve(number, rows) & visible[:, 0]
            inside = torch.where(sieve__bqk.unsqueeze(1), share, 0.0).sum(-1)
            values__brhq[:, role] += inside * self.row_weight[number, :, None, rows]
        self._add_pairs(share, rows, values__brhq)
        for role in self.arrays.times_entropy.nonzero()[0].tolist():
            values__brhq[:, role] *= entropy__bhq

    def finish(self, per_token: bool) -> Raw:
        """Add the rows up."""
        tokens = self.values.float() if per_token else None
        return Raw(self.values.sum(-1).float(), tokens, self.faults)

    def _label_sieve(self, number: int, rows: slice) -> torch.Tensor:
        low, high = self.arrays.band[number].tolist()
        query = self.query_label[number, :, rows, None]
        key = torch.arange(self.arrays.tokens, device=self.device)
        distance = key - key[rows].unsqueeze(1)
        same: torch.Tensor = (query == self.key_label[number, :, None, :]) & (query >= 0)
        in_band: torch.Tensor = (distance >= low) & (distance <= high)
        return same & in_band

    def _add_pairs(
        self, share__bhqk: torch.Tensor, rows: slice, values__brhq: torch.Tensor
    ) -> None:
        offsets = torch.from_numpy(self.arrays.pair_offsets)
        counts = offsets.diff().reshape(-1, self.arrays.tokens)
        owner = torch.arange(counts.numel()).repeat_interleave(counts.flatten())
        sequence, query = owner // self.arrays.tokens, owner % self.arrays.tokens
        chosen = ((query >= rows.start) & (query < rows.stop)).nonzero()[:, 0]
        if not len(chosen):
            return
        entry = [
            torch.from_numpy(each)[chosen].to(self.device)
            for each in (self.arrays.pair_role, self.arrays.pair_key, self.arrays.pair_weight)
        ]
        sequence = sequence[chosen].to(self.device)
        query = query[chosen].to(self.device) - rows.start
        picked = share__bhqk[sequence, :, query, entry[1].long()] * entry[2].unsqueeze(1)
        values__brhq.permute(0, 1, 3, 2).index_put_(
            (sequence, entry[0].long(), query), picked.to(values__brhq.dtype), accumulate=True
        )

    def _note_faults(
        self, attention: torch.Tensor, mass: torch.Tensor, real: torch.Tensor, tolerance: float
    ) -> None:
        rows = real[..., 0]
        for bit, bad in (
            (NOT_FINITE, ~torch.isfinite(mass) & rows),
            (NEGATIVE, (attention < 0).any(-1) & rows),
            (SUM_NOT_ONE, ((mass - 1).abs() > tolerance) & rows),
        ):
            self.faults |= bad.any(-1).to(torch.uint8) * bit
