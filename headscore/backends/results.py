"""Convert raw results to results for users: raise on faults, NaN for sequences without a sieve."""

from __future__ import annotations

from typing import Any

import torch

from headscore.backends.contract import NEGATIVE, NOT_FINITE, Plan, PlanArrays, Raw, Visibility
from headscore.errors import InputError


def mark_absent(scores: torch.Tensor, arrays: PlanArrays) -> torch.Tensor:
    """Set the scores (batch, role, head) of sequences that take no part to NaN."""
    # (batch, role) against (batch, role, head).
    takes_part = torch.from_numpy(arrays.takes_part).to(scores.device)
    return torch.where(takes_part.unsqueeze(-1), scores, float("nan"))


def describe_faults(bits: int) -> str:
    """Return a description of the fault bits of a head."""
    # Infinite and negative entries usually break the sum of their row too: the cause comes first.
    if bits & NOT_FINITE:
        return "holds NaN or Inf"
    if bits & NEGATIVE:
        return "has a negative entry"
    return "has a row that does not sum to 1 over its visible keys"


def to_user(
    raw: Raw, plan: Plan, visibility: Visibility, like: torch.Tensor, *, as_numpy: bool
) -> Any:
    """Return scores, and token scores if `raw` has token values; raises InputError on a fault."""
    # The first faulty (sequence, head) is named.
    if raw.faults.any():
        sequence, head = (int(each) for each in raw.faults.nonzero()[0])
        fault = describe_faults(int(raw.faults[sequence, head]))
        raise InputError(f"the attention of sequence {sequence}, head {head} {fault}")
    arrays = plan.arrays(visibility)
    scores = mark_absent(raw.scores.to(like.device), arrays)
    if raw.token_values is None:
        return scores.numpy() if as_numpy else scores
    tokens = _token_scores(raw.token_values.to(like.device), arrays)
    return (scores.numpy(), tokens.numpy()) if as_numpy else (scores, tokens)


def empty(
    like: torch.Tensor, arrays: PlanArrays, *, per_token: bool, value: torch.Tensor | None = None
) -> Raw:
    """Return the result of a call without any sequence, head, token or role; no kernel runs."""
    batch, heads, tokens = like.shape[:3]
    shape = (batch, arrays.takes_part.shape[1], heads)
    scores = torch.zeros(shape, dtype=torch.float32, device=like.device)
    token_values = scores.new_zeros(*shape, tokens) if per_token else None
    faults = torch.zeros(batch, heads, dtype=torch.uint8, device=like.device)
    output = None if value is None else value.new_zeros(batch, tokens, heads, value.shape[3])
    return Raw(scores, token_values, faults, output)


def _token_scores(values__brht: torch.Tensor, arrays: PlanArrays) -> torch.Tensor:
    """Return token scores, whose mean over the rows that take part is the score."""
    # A row's value is its share r(i) / rows of the score, as the weights contain 1 / rows; times
    # the number of rows it is r(i). For pair roles, whose weights differ by group, the mean holds
    # by the same product.
    part__brt = torch.from_numpy(arrays.token_takes_part).to(values__brht.device)
    rows = part__brt.sum(-1)[..., None, None]
    return torch.where(part__brt.unsqueeze(2), values__brht * rows, float("nan"))
