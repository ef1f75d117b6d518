"""The other ways to get the same scores, as a user of torch would write them."""

from __future__ import annotations

import math

import numpy as np
import torch

import headscore as hs
from headscore.backends.contract import PlanArrays, Visibility

Masks = list[tuple[torch.Tensor, bool]]


def made_batch(batch: int, tokens: int) -> hs.Encoded:
    """Pairs of texts with separators and, per relation, a related word pair every 40 tokens."""
    rng = np.random.default_rng(0)
    special = np.zeros((batch, tokens), bool)
    special[:, [0, tokens // 2, tokens - 1]] = True
    segments = np.zeros((batch, tokens), np.int64)
    segments[:, tokens // 2 + 1 :] = 1
    pairs = {
        relation: [
            [([int(i)], [int(j)]) for i, j in rng.integers(1, tokens, (max(1, tokens // 40), 2))]
            for _ in range(batch)
        ]
        for relation in ("nsubj", "obj", "amod", "advmod")
    }
    return hs.Encoded.from_arrays(
        rng.integers(0, 1000, (batch, tokens)), None, special, segments, pairs
    )


def dense_masks(plan: hs.SievePlan, visibility: Visibility) -> Masks:
    """Every role as a weighted (batch, T, T) mask, and whether its rows meet their entropy."""
    arrays = plan.arrays(visibility)
    batch, tokens = plan.batch, plan.tokens
    dense = torch.zeros(len(plan.names), batch, tokens, tokens)
    position = torch.arange(tokens)
    distance = position - position[:, None]
    for number, role in enumerate(arrays.label_role.tolist()):
        query = torch.from_numpy(arrays.query_label[number])
        key = torch.from_numpy(arrays.key_label[number])
        low, high = arrays.band[number].tolist()
        same = (query[:, :, None] == key[:, None, :]) & (query[:, :, None] >= 0)
        same &= (distance >= low) & (distance <= high)
        dense[role] = same * torch.from_numpy(arrays.row_weight[number])[:, :, None]
    dense.index_put_(_pair_index(arrays), torch.from_numpy(arrays.pair_weight), accumulate=True)
    return [(mask, bool(flag)) for mask, flag in zip(dense, arrays.times_entropy, strict=True)]


def _pair_index(arrays: PlanArrays) -> tuple[torch.Tensor, ...]:
    owner = np.repeat(np.arange(len(arrays.pair_offsets) - 1), np.diff(arrays.pair_offsets))
    index = (arrays.pair_role, owner // arrays.tokens, owner % arrays.tokens, arrays.pair_key)
    return tuple(torch.from_numpy(each.astype(np.int64)) for each in index)


def masked_sums(attention: torch.Tensor, masks: Masks) -> torch.Tensor:
    """Scores (batch, role, head) from stored attention: one masked sum per role."""
    entropy = -torch.special.xlogy(attention, attention).sum(-1)
    sums = []
    for mask, with_entropy in masks:
        rows = (attention * mask.unsqueeze(1)).sum(-1)
        sums.append((rows * entropy if with_entropy else rows).sum(-1))
    return torch.stack(sums, 1)


class Stacked:
    """The masks of all roles, (batch, role, T * T), which meet stored attention in one product."""

    def __init__(self, masks: Masks) -> None:
        self.weighted = [with_entropy for _, with_entropy in masks]
        self.plain, self.times_entropy = (
            torch.stack([mask for mask, flag in masks if flag == wanted], 1).flatten(2)
            for wanted in (False, True)
        )

    def sums(self, attention: torch.Tensor, entropy: torch.Tensor) -> torch.Tensor:
        """Return scores (batch, role, head); multiplies the rows of `attention` by their entropy.

        In a second product, of those rows, are the roles that are multiplied by the entropy.
        """
        keys = attention.flatten(2).transpose(1, 2)
        plain = torch.bmm(self.plain, keys)
        attention.mul_(entropy.unsqueeze(-1))
        parts = {
            False: iter(plain.unbind(1)),
            True: iter(torch.bmm(self.times_entropy, keys).unbind(1)),
        }
        return torch.stack([next(parts[flag]) for flag in self.weighted], 1)


class Product:
    """Eager attention with one product for all roles, as written by a user who knows torch.

    Logits and attention are stored in memory that is kept from call to call, since fresh pages
    cost as much as the arithmetic. Entropy: H = log-sum-exp - sum_j p_ij l_ij, where log-sum-exp =
    max l - log max p.
    """

    def __init__(self, masks: Masks, query: torch.Tensor, visibility: Visibility) -> None:
        batch, heads, tokens, _ = query.shape
        self.scale = query.shape[-1] ** -0.5
        self.stacked = Stacked(masks)
        self.logits, self.attention = (
            query.new_empty(batch, heads, tokens, tokens) for _ in range(2)
        )
        ones = torch.ones(tokens, tokens, dtype=torch.bool, device=query.device)
        self.hidden = ones.triu(1) if visibility.causal else None

    def __call__(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        """Return scores (batch, role, head)."""
        logits = torch.matmul(query * self.scale, key.transpose(-1, -2), out=self.logits)
        if self.hidden is not None:
            logits.masked_fill_(self.hidden, -1e30)  # not -inf: 0 * -inf is NaN in the entropy
        attention = torch.softmax(logits, -1, out=self.attention)
        entropy = logits.amax(-1) - attention.amax(-1).log()
        entropy -= torch.einsum("bhij,bhij->bhi", attention, logits)
        return self.stacked.sums(attention, entropy)


def token_loops(
    attention: np.ndarray, masks: list[tuple[np.ndarray, bool]], lengths: np.ndarray
) -> np.ndarray:
    """Scores (batch, role, head) from stored attention: a loop over the tokens for each role."""
    scores = np.zeros((len(attention), len(masks), attention.shape[1]))
    for b, n in enumerate(lengths):
        for r, (mask, with_entropy) in enumerate(masks):
            for h in range(attention.shape[1]):
                for i in range(n):
                    row = [mask[b, i, j] * attention[b, h, i, j] for j in range(n)]
                    share = sum(row)
                    if with_entropy:
                        share *= -sum(p * math.log(p) for p in attention[b, h, i, :n] if p > 0)
                    scores[b, r, h] += share
    return scores


def eager(
    query: torch.Tensor, key: torch.Tensor, masks: Masks, visibility: Visibility
) -> torch.Tensor:
    """What everyone does: softmax stored, masked sums."""
    logits = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    if visibility.causal:
        hidden = torch.ones(logits.shape[-2:], dtype=torch.bool, device=query.device).triu(1)
        logits.masked_fill_(hidden, float("-inf"))
    return masked_sums(torch.softmax(logits, -1), masks)


def flash(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, causal: bool
) -> tuple[torch.Tensor, torch.Tensor]:
    """Fused attention: its output, and log-sum-exp of each row's logits."""
    if query.device.type == "cpu":
        attention = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    else:
        attention = torch.ops.aten._scaled_dot_product_flash_attention
    output, lse, *_ = attention(query, key, value, 0.0, causal)
    return output, lse


class Fused:
    """The strongest way in torch alone: fused attention with other things in the place of V.

    Label sums: one-hot labels as V. Entropy: H = lse - scale * <q, P K>, with K as V. Bands and
    pairs: exp(scale * q . k - lse) at their entries only. What depends on the plan alone is made
    beforehand.
    """

    def __init__(self, plan: hs.SievePlan, visibility: Visibility, head_size: int) -> None:
        self.arrays = arrays = plan.arrays(visibility)
        self.causal = visibility.causal
        self.columns: list[tuple[int, int, torch.Tensor]] = []
        self.bands: list[tuple[int, int, torch.Tensor]] = []
        one_hot = torch.zeros(plan.batch, 1, plan.tokens, head_size)
        for number, role in enumerate(arrays.label_role.tolist()):
            low, high = arrays.band[number].tolist()
            weight = torch.from_numpy(arrays.row_weight[number]).unsqueeze(1)
            query = torch.from_numpy(arrays.query_label[number]).unsqueeze(1)
            key = torch.from_numpy(arrays.key_label[number])
            if high - low <= 16:
                self.bands += [(role, offset, weight) for offset in range(low, high + 1)]
                continue
            for label in range(int(key.max()) + 1):
                one_hot[:, 0, :, len(self.columns)] = (key == label).float()
                self.columns.append((role, len(self.columns), weight * (query == label)))
        self.one_hot = one_hot
        self.pairs = _pair_index(arrays)
        self.pair_weight = torch.from_numpy(arrays.pair_weight)

    def to(self, like: torch.Tensor) -> Fused:
        """Move everything beside a tensor; one-hot labels also take its dtype."""
        device = like.device
        self.columns = [(role, c, weight.to(device)) for role, c, weight in self.columns]
        self.bands = [(role, offset, weight.to(device)) for role, offset, weight in self.bands]
        self.one_hot = self.one_hot.to(like)
        self.pairs = tuple(each.to(device) for each in self.pairs)
        self.pair_weight = self.pair_weight.to(device)
        return self

    def __call__(self, query: torch.Tensor, key: torch.Tensor) -> torch.Tensor:
        """Return scores (batch, role, head)."""
        batch, heads, tokens, size = query.shape
        scale = size**-0.5
        values = self.one_hot.expand(batch, heads, tokens, size)
        sums, lse = flash(query, key, values, self.causal)
        entropy = None
        if self.arrays.times_entropy.any():
            mean_key, _ = flash(query, key, key, self.causal)
            entropy = lse - scale * (query * mean_key).sum(-1)
        scores = torch.zeros(batch, len(self.arrays.times_entropy), heads, device=query.device)
        for role, column, weight in self.columns:
            rows = sums[..., column] * weight
            if entropy is not None and self.arrays.times_entropy[role]:
                rows = rows * entropy
            scores[:, role] += rows.sum(-1)
        for role, offset, weight in self.bands:
            if self.causal and offset > 0:
                continue
            rows, keys = _shifted(tokens, offset)
            logits = scale * (query[:, :, rows] * key[:, :, keys]).sum(-1)
            scores[:, role] += (torch.exp(logits - lse[:, :, rows]) * weight[..., rows]).sum(-1)
        return self._add_pairs(scores, query, key, lse, scale)

    def _add_pairs(
        self,
        scores: torch.Tensor,
        query: torch.Tensor,
        key: torch.Tensor,
        lse: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        role, sequence, i, j = self.pairs
        logits = scale * (query[sequence, :, i] * key[sequence, :, j]).sum(-1)
        values = torch.exp(logits - lse[sequence, :, i]) * self.pair_weight.unsqueeze(1)
        return scores.index_put((sequence, role), values.float(), accumulate=True)


def _shifted(tokens: int, offset: int) -> tuple[slice, slice]:
    if offset >= 0:
        return slice(0, max(tokens - offset, 0)), slice(offset, tokens)
    return slice(-offset, tokens), slice(0, max(tokens + offset, 0))
