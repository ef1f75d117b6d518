"""Kernel benchmark: sieve scores of the paper's roles against eager attention and SDPA.

Each row is checked equal to eager attention with masked sums before it is timed.
"""

from __future__ import annotations

import argparse

import numpy as np
import torch
from timing import in_turn

import headscore as hs

ROLES = "paper"
FULL = ((64, 32), (16, 128), (4, 512), (1, 2048))
TINY = ((2, 32),)


def made_batch(batch: int, tokens: int) -> hs.Encoded:
    """Pairs of texts with separators and a related word pair every ten tokens."""
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


def eager(query: torch.Tensor, key: torch.Tensor, masks: list[torch.Tensor]) -> torch.Tensor:
    """The usual way: attention stored, one weighted mask per role, summed."""
    logits = query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5
    attention = torch.softmax(logits, -1)
    entropy = -torch.special.xlogy(attention, attention).sum(-1)
    sums = []
    for mask, with_entropy in masks:
        rows = (attention * mask.unsqueeze(1)).sum(-1)
        sums.append((rows * entropy if with_entropy else rows).sum(-1))
    return torch.stack(sums, 1)


def dense_masks(plan: hs.SievePlan) -> list[tuple[torch.Tensor, bool]]:
    """The plan's roles as weighted (batch, T, T) masks, made outside the timing."""
    arrays = plan.arrays(hs.backends.Visibility())
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
    owner = np.repeat(np.arange(batch * tokens), np.diff(arrays.pair_offsets))
    dense.index_put_(
        tuple(
            torch.from_numpy(each.astype(np.int64))
            for each in (arrays.pair_role, owner // tokens, owner % tokens, arrays.pair_key)
        ),
        torch.from_numpy(arrays.pair_weight),
        accumulate=True,
    )
    return [(mask, bool(flag)) for mask, flag in zip(dense, arrays.times_entropy, strict=True)]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true", help="one small row, to see that it runs")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    torch.manual_seed(0)
    heads, size = 12, 64
    print(
        f"{heads} heads of {size}, {ROLES} roles, float32, {torch.get_num_threads()} threads, "
        f"{hs.backends.cpu.instruction_set()}; milliseconds (fastest, median)"
    )
    print(
        f"{'batch x T':>10} {'headscore':>19} {'eager':>19} {'SDPA forward':>19} "
        f"{'eager/ours':>10} {'SDPA/ours':>10} {'G entries/s':>11} {'difference':>10}"
    )
    with torch.inference_mode():
        for batch, tokens in TINY if options.tiny else FULL:
            encoded = made_batch(batch, tokens)
            plan = hs.SievePlan.compile(ROLES, encoded)
            query, key, value = (
                torch.randn(batch, tokens, heads, size).transpose(1, 2) for _ in range(3)
            )
            masks = dense_masks(plan)
            ours, theirs = hs.sieve_scores_qk(query, key, plan), eager(query, key, masks)
            difference = float(((ours - theirs).abs() / theirs.abs()).nan_to_num().max())
            assert difference < 1e-4, difference
            timed = in_turn(
                {
                    "ours": lambda q=query, k=key, p=plan: hs.sieve_scores_qk(q, k, p),
                    "eager": lambda q=query, k=key, m=masks: eager(q, k, m),
                    "sdpa": lambda q=query, k=key, v=value: (
                        torch.nn.functional.scaled_dot_product_attention(q, k, v)
                    ),
                },
                rounds=options.rounds,
            )
            ours_time = timed["ours"].median
            print(
                f"{batch:>4} x {tokens:<4}"
                + "".join(f" {timed[name]}" for name in ("ours", "eager", "sdpa"))
                + f" {timed['eager'].median / ours_time:10.2f}"
                f" {timed['sdpa'].median / ours_time:10.2f}"
                f" {batch * heads * tokens**2 / ours_time / 1e9:11.2f} {difference:10.1e}"
            )


if __name__ == "__main__":
    main()
