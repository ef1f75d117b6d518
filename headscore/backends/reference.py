"""The reference backend: the definition in plain torch, on any device.

Rows are scored in blocks, so that from queries and keys no Tq x Tk matrix is stored. The tests
compare every other backend with this one, and this one with plain loops.
"""

from __future__ import annotations

from collections.abc import Mapping
from weakref import WeakKeyDictionary

import numpy as np
import torch

from headscore.arrays import Array
from headscore.backends import transfer
from headscore.backends.contract import (
    NEGATIVE,
    NOT_FINITE,
    SUM_NOT_ONE,
    PlanArrays,
    Raw,
    Visibility,
)

ATTENDS = False
CONTROLS = False
_BLOCK_ROWS = 128  # rows of one step: memory is batch * heads * 128 * Tk numbers, a few times over

_Columns = Mapping[str, torch.Tensor]  # what `derive` returns, on a device
_loaded: WeakKeyDictionary[PlanArrays, dict[torch.device, _Columns]] = WeakKeyDictionary()


def why_not() -> str | None:
    """Return None: this backend can run everywhere."""
    return None


def derive(arrays: PlanArrays) -> dict[str, Array]:
    """Return what is read of a plan, to be copied to the device.

    The entries of pair roles are sorted by block of rows, as `add` takes them.
    """
    rows = np.repeat(np.arange(len(arrays.pair_offsets) - 1), np.diff(arrays.pair_offsets))
    sequence, query = np.divmod(rows, arrays.tokens)
    order = np.argsort(query // _BLOCK_ROWS, kind="stable")
    return {
        "lengths": arrays.lengths,
        "key_lengths": arrays.key_lengths,
        "query_label": arrays.query_label,
        "key_label": arrays.key_label,
        "row_weight": arrays.row_weight,
        "pair_sequence": sequence[order],
        "pair_query": query[order],
        "pair_role": arrays.pair_role[order].astype(np.int64),
        "pair_key": arrays.pair_key[order].astype(np.int64),
        "pair_weight": arrays.pair_weight[order],
    }


def adopt(arrays: PlanArrays, device: torch.device, columns: _Columns) -> _Columns:
    """Use what `derive` returned, copied to a device, for these arrays from now on."""
    _loaded.setdefault(arrays, {})[device] = columns
    return columns


def _on_device(arrays: PlanArrays, device: torch.device) -> _Columns:
    """Return the plan on a device: copied once for all layers, dropped with the arrays."""
    columns = _loaded.get(arrays, {}).get(device)
    if columns is not None:
        return columns
    if device.type == "cpu":
        found = {name: torch.from_numpy(array) for name, array in derive(arrays).items()}
        return adopt(arrays, device, found)
    return adopt(arrays, device, transfer.load(transfer.Packed.of(derive(arrays)), device))


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
    """Score heads from queries and keys of checked shapes."""
    # Statistics accumulate in float32 or wider, also for bfloat16 and float16 input.
    wide = torch.float64 if query__bhqd.dtype == torch.float64 else torch.float32
    plan = _on_device(arrays, query__bhqd.device)
    batch, heads, tokens, _ = query__bhqd.shape
    kv_heads = key__bhkd.shape[1]
    # Query head h reads key head h // group, with group = heads // kv_heads: as (batch, kv_head,
    # group, T, d) the queries broadcast against keys of (batch, kv_head, 1, T, d), unexpanded.
    query = query__bhqd.to(wide).reshape(batch, kv_heads, heads // kv_heads, tokens, -1)
    key = key__bhkd.to(wide).unsqueeze(2)
    sums = _Sums(arrays, plan, heads, wide)
    outputs = []
    for rows in _blocks(tokens):
        # logit(i, j) = cap(scale * q_i . k_j) + bias_ij, cap(x) = softcap * tanh(x / softcap).
        logits = (scale * query[..., rows, :]) @ key.transpose(-1, -2)
        logits = logits.reshape(batch, heads, -1, arrays.key_tokens)
        if softcap:
            logits = softcap * torch.tanh(logits / softcap)
        if bias__bhqk is not None:
            logits = logits + bias__bhqk[:, :, rows].to(wide)
        visible = _visible(plan, arrays.key_tokens, visibility, rows)
        attention = logits.masked_fill(~visible, float("-inf")).softmax(-1)
        # A row of -inf alone has the softmax NaN. In a real row, which always has a visible key,
        # that is a fault of bias or input and is kept; in a padded row it is replaced.
        # By `where` and not by a product with the mask, since 0 * NaN is NaN.
        real = _real(plan["lengths"], rows)
        attention = torch.where(real & visible, attention, 0.0)
        sums.add(attention, rows, visible, real)
        if value__bhkd is not None:
            outputs.append(_attended(attention, value__bhkd, plan))
    raw = sums.finish(per_token)
    return raw._replace(output=torch.cat(outputs, 1)) if outputs else raw


def _attended(
    attention__bhqk: torch.Tensor, value__bhkd: torch.Tensor, plan: _Columns
) -> torch.Tensor:
    """Return attention times values, (batch, q, head, d), in the dtype of the values."""
    batch, heads, rows, tokens = attention__bhqk.shape
    # Values of padding may be NaN, which weight 0 would not remove.
    real = _real(plan["key_lengths"], slice(0, tokens))
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
    """Score heads from attention of checked shape."""
    wide = torch.float64 if attention__bhqk.dtype == torch.float64 else torch.float32
    plan = _on_device(arrays, attention__bhqk.device)
    sums = _Sums(arrays, plan, attention__bhqk.shape[1], wide)
    for rows in _blocks(arrays.tokens):
        visible = _visible(plan, arrays.key_tokens, visibility, rows)
        real = _real(plan["lengths"], rows)
        attention = torch.where(real & visible, attention__bhqk[:, :, rows].to(wide), 0.0)
        sums.add(attention, rows, visible, real, tolerance)
    return sums.finish(per_token)


def _blocks(tokens: int) -> list[slice]:
    return [slice(i, min(i + _BLOCK_ROWS, tokens)) for i in range(0, tokens, _BLOCK_ROWS)]


def _distance(keys: int, rows: slice, device: torch.device) -> torch.Tensor:
    """Return k - q of all keys and the queries of a block, (q, k)."""
    query = torch.arange(rows.start, rows.stop, device=device)
    return torch.arange(keys, device=device) - query.unsqueeze(1)


def _visible(plan: _Columns, keys: int, visibility: Visibility, rows: slice) -> torch.Tensor:
    """Return bool (batch, 1, q, k): query q may attend to key k."""
    device = plan["lengths"].device
    distance = _distance(keys, rows, device)
    real = torch.arange(keys, device=device) < plan["key_lengths"][:, None, None, None]
    visible = real.expand(-1, 1, distance.shape[0], -1)
    if visibility.causal:
        visible = visible & (distance <= 0)
    if visibility.window is not None:
        # Causal: j > i - window, so j - i >= 1 - window; otherwise |j - i| <= window.
        low = 1 - visibility.window if visibility.causal else -visibility.window
        visible = visible & (distance >= low)
        if not visibility.causal:
            visible = visible & (distance <= visibility.window)
    return visible


def _real(lengths: torch.Tensor, tokens: slice) -> torch.Tensor:
    """Return bool (batch, 1, t, 1): the token is not padding."""
    token = torch.arange(tokens.start, tokens.stop, device=lengths.device)
    real: torch.Tensor = token < lengths[:, None]
    return real[:, None, :, None]


class _Sums:
    """Accumulates the value of each role and row, one block of rows at a time."""

    def __init__(self, arrays: PlanArrays, plan: _Columns, heads: int, dtype: torch.dtype) -> None:
        self.arrays = arrays
        self.plan = plan
        batch, roles = arrays.takes_part.shape
        # Each row's share of the score, (batch, role, head, T). In float64, so that the sum over T
        # rows adds no rounding error of float32.
        device = plan["lengths"].device
        self.values = torch.zeros(
            batch, roles, heads, arrays.tokens, dtype=torch.float64, device=device
        )
        self.faults = torch.zeros(batch, heads, dtype=torch.uint8, device=device)
        self.row_weight = plan["row_weight"].to(dtype)
        # Entries of each block of rows, which the host knows: of all sequences, by query.
        by_query = np.diff(arrays.pair_offsets).reshape(batch, arrays.tokens).sum(0)
        self.pair_ends = [0, *by_query.cumsum()[[rows.stop - 1 for rows in _blocks(arrays.tokens)]]]

    def add(
        self,
        attention__bhqk: torch.Tensor,
        rows: slice,
        visible: torch.Tensor,
        real: torch.Tensor,
        tolerance: float = float("inf"),
    ) -> None:
        """Add a block of rows, given the attention on visible keys."""
        # Given attention need not sum to 1 (half precision, dropout): the definition divides by the
        # row's own sum. Padded rows have sum 0 and are divided by 1 instead.
        mass__bhq = attention__bhqk.sum(-1)
        self._note_faults(attention__bhqk, mass__bhq, real, tolerance)
        share = attention__bhqk / torch.where(real[..., 0], mass__bhq, 1.0).unsqueeze(-1)
        # Shannon entropy in nats; xlogy(0, 0) = 0.
        entropy__bhq = -torch.special.xlogy(share, share).sum(-1)
        values__brhq = self.values[..., rows]  # a view: what is added to it stays
        for number, role in enumerate(self.arrays.label_role.tolist()):
            sieve__bqk = self._label_sieve(number, rows) & visible[:, 0]
            # Value of a row: its attention inside the sieve, (batch, head, q), times its weight,
            # (batch, 1, q).
            inside = torch.where(sieve__bqk.unsqueeze(1), share, 0.0).sum(-1)
            values__brhq[:, role] += inside * self.row_weight[number, :, None, rows]
        self._add_pairs(share, rows, values__brhq)
        # Entropy is a factor of the whole row, so it comes after label and pair sums.
        for role in self.arrays.times_entropy.nonzero()[0].tolist():
            values__brhq[:, role] *= entropy__bhq

    def finish(self, per_token: bool) -> Raw:
        """Return the sums over all rows as raw results."""
        tokens = self.values.float() if per_token else None
        return Raw(self.values.sum(-1).float(), tokens, self.faults)

    def _label_sieve(self, number: int, rows: slice) -> torch.Tensor:
        # (batch, q, k): equal labels, of which -1 matches nothing, and low <= j - i <= high.
        low, high = self.arrays.band[number].tolist()
        query = self.plan["query_label"][number, :, rows, None]
        distance = _distance(self.arrays.key_tokens, rows, query.device)
        same: torch.Tensor = (query == self.plan["key_label"][number, :, None, :]) & (query >= 0)
        in_band: torch.Tensor = (distance >= low) & (distance <= high)
        return same & in_band

    def _add_pairs(
        self, share__bhqk: torch.Tensor, rows: slice, values__brhq: torch.Tensor
    ) -> None:
        block = rows.start // _BLOCK_ROWS
        start, stop = self.pair_ends[block : block + 2]
        if start == stop:
            return
        sequence, query, role, key, weight = (
            self.plan[f"pair_{name}"][start:stop]
            for name in ("sequence", "query", "role", "key", "weight")
        )
        query = query - rows.start
        # Index arrays on both sides of a slice put their axis first: (entry, head).
        picked = share__bhqk[sequence, :, query, key] * weight.unsqueeze(1)
        # As (batch, role, q, head) the three indices are neighbours and heads remain. `accumulate`
        # because several entries share a row and role.
        values__brhq.permute(0, 1, 3, 2).index_put_(
            (sequence, role, query), picked.to(values__brhq.dtype), accumulate=True
        )

    def _note_faults(
        self, attention: torch.Tensor, mass: torch.Tensor, real: torch.Tensor, tolerance: float
    ) -> None:
        # (batch, 1, q) against (batch, head, q). NaN > tolerance is False, so that NaN sets
        # NOT_FINITE only.
        rows = real[..., 0]
        for bit, bad in (
            (NOT_FINITE, ~torch.isfinite(mass) & rows),
            (NEGATIVE, (attention < 0).any(-1) & rows),
            (SUM_NOT_ONE, ((mass - 1).abs() > tolerance) & rows),
        ):
            self.faults |= bad.any(-1).to(torch.uint8) * bit
