"""The door to the kernels: check once, choose a backend, call it."""

from __future__ import annotations

import math
from numbers import Integral
from types import ModuleType
from typing import Any, TypeVar

import numpy as np
import torch

from headscore.backends import cpu, cuda, reference
from headscore.backends.contract import (
    NEGATIVE,
    NOT_FINITE,
    Array,
    Plan,
    PlanArrays,
    Raw,
    Visibility,
)
from headscore.errors import BackendError, InputError, UsageError
from headscore.log import log

Tensor = TypeVar("Tensor", torch.Tensor, Array)

_MODULES: dict[str, ModuleType] = {"cuda": cuda, "cpu": cpu, "reference": reference}
_FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)
_told: set[str] = set()


def available() -> dict[str, str | None]:
    """Say for every backend why it cannot run here.

    Returns
    -------
    dict
        Backend name -> one sentence, or None where the backend runs.
    """
    return {name: module.why_not() for name, module in _MODULES.items()}


def sieve_scores(
    attention: Tensor,
    plan: Plan,
    *,
    causal: bool = False,
    window: int | None = None,
    per_token: bool = False,
    backend: str = "auto",
) -> Any:
    """Compute sieve bias scores from attention that you already have.

    Parameters
    ----------
    attention
        (batch, head, T, T), torch, numpy or any array that is shared by DLPack (JAX, CuPy); each
        real row sums to 1 over its visible keys.
    plan
        A `SievePlan` of the same batch and T.
    causal, window
        Which keys a query sees, see `sieve_scores_qk`.
    per_token
        Also return the token scores.
    backend
        "auto", "cuda" (which takes other tensors to the GPU), "cpu" or "reference".

    Returns
    -------
    scores
        float32 (batch, role, head), torch for torch, else numpy; NaN = takes no part.
    token_scores
        Only with `per_token`: float32 (batch, role, head, T); the mean over the tokens that take
        part is the score, NaN elsewhere.

    Raises
    ------
    InputError
        Shapes that do not fit the plan; negative or non-finite attention; rows that do not sum
        to 1 (by more than 1e-3, or 2e-2 for half precision).
    """
    tensor = _as_torch("attention", attention)
    _check_plan(plan)
    visibility = checked_visibility(causal, window, plan.tokens)
    if tensor.ndim != 4 or tensor.shape[2] != tensor.shape[3]:
        raise InputError(
            f"attention must have the shape (batch, head, T, T), got {tuple(tensor.shape)}"
        )
    raw = score_attention(tensor, plan, visibility, per_token=per_token, backend=backend)
    return _public(raw, plan, visibility, tensor, not isinstance(attention, torch.Tensor))


def sieve_scores_qk(
    query: Tensor,
    key: Tensor,
    plan: Plan,
    *,
    scale: float | None = None,
    causal: bool = False,
    window: int | None = None,
    softcap: float | None = None,
    bias: Tensor | None = None,
    per_token: bool = False,
    backend: str = "auto",
) -> Any:
    """Compute sieve bias scores from queries and keys; the T x T attention is never stored.

    Parameters
    ----------
    query
        (batch, Hq, T, d), as `attention` of `sieve_scores`; float32, bfloat16, float16 or float64.
    key
        (batch, Hkv, T, d), Hq a multiple of Hkv.
    plan
        A `SievePlan` of the same batch and T.
    scale
        Factor of q . k; None: d ** -0.5.
    causal
        Hide the keys after each query.
    window
        Causal: only keys ``j > i - window``; otherwise only ``|i - j| <= window``.
    softcap
        Logits become ``softcap * tanh(logit / softcap)`` before the mask.
    bias
        (1 or batch, Hq, T, T), added to the scaled and capped logits, such as the relative
        positions of T5 or ALiBi; of the same kind as `query`, any of its dtypes, any strides.
        It hides nothing: a key with bias -inf is visible and gets no attention.
    per_token, backend
        As in `sieve_scores`.

    Returns
    -------
    scores, token_scores
        As in `sieve_scores`.
    """
    q, k = _as_torch("query", query), _as_torch("key", key)
    _check_plan(plan)
    visibility = checked_visibility(causal, window, plan.tokens)
    b = None if bias is None else _as_torch("bias", bias)
    _check_qk(q, k, scale, softcap)
    raw = score_qk(
        q,
        k,
        plan,
        visibility,
        scale=scale,
        softcap=softcap,
        bias=b,
        per_token=per_token,
        backend=backend,
    )
    return _public(raw, plan, visibility, q, not isinstance(query, torch.Tensor))


def score_attention(
    attention: torch.Tensor,
    plan: Plan,
    visibility: Visibility,
    *,
    per_token: bool = False,
    backend: str = "auto",
) -> Raw:
    """Like `sieve_scores`, but faults are returned, not raised."""
    _check_fits("attention", attention, plan)
    arrays = plan.arrays(visibility)
    if 0 in attention.shape[:3] or not plan.names:
        return _empty(attention, plan, per_token)
    chosen = choose(backend, attention.device)
    half = attention.dtype in (torch.bfloat16, torch.float16)
    result: Raw = chosen.scores_attention(
        attention, arrays, visibility, tolerance=2e-2 if half else 1e-3, per_token=per_token
    )
    return result


def score_qk(
    query: torch.Tensor,
    key: torch.Tensor,
    plan: Plan,
    visibility: Visibility,
    *,
    scale: float | None = None,
    softcap: float | None = None,
    bias: torch.Tensor | None = None,
    value: torch.Tensor | None = None,
    per_token: bool = False,
    backend: str = "auto",
) -> Raw:
    """Like `sieve_scores_qk`, but faults are returned, not raised.

    With `value` (batch, Hkv, T, d_v) the result also holds attention's output.
    """
    _check_fits("query", query, plan)
    _check_bias(bias, query)
    _check_value(value, key)
    arrays = plan.arrays(visibility)
    if 0 in query.shape[:3] or not (plan.names or value is not None):
        return _empty(query, plan, per_token, value)
    chosen = choose(backend, query.device)
    result: Raw = chosen.scores_qk(
        query,
        key,
        arrays,
        visibility,
        scale=query.shape[-1] ** -0.5 if scale is None else float(scale),
        softcap=softcap,
        bias__bhqk=bias,
        value__bhkd=value,
        per_token=per_token,
    )
    return result


def attends(backend: str, device: torch.device) -> bool:
    """Say whether the backend that will compute also makes attention's output in its one pass."""
    return bool(choose(backend, device).ATTENDS)


def choose(backend: str, device: torch.device) -> ModuleType:
    """Return the backend that will compute; one sentence in the log where it is a slower one."""
    reasons = available()
    if backend not in ("auto", *reasons):
        raise UsageError(f"backend must be one of auto, {', '.join(reasons)}, got {backend!r}")
    if backend == "auto":
        wanted = "cpu" if device.type == "cpu" else "cuda"
        reason = reasons[wanted]
        if reason is None:
            return _MODULES[wanted]
        if wanted not in _told:
            _told.add(wanted)
            log.warning("the slower reference backend computes on %s: %s", device.type, reason)
        return reference
    reason = reasons[backend]
    if reason is None and backend == "cpu" and device.type != "cpu":
        reason = f"it reads tensors on the CPU, these are on {device}"
    if reason is not None:
        raise BackendError(f"the {backend} backend cannot run: {reason}")
    return _MODULES[backend]


def mark_absent(scores: torch.Tensor, arrays: PlanArrays) -> torch.Tensor:
    """Set the scores (batch, role, head) of sequences that take no part to NaN."""
    takes_part = torch.from_numpy(arrays.takes_part).to(scores.device)
    return torch.where(takes_part.unsqueeze(-1), scores, float("nan"))


def describe_faults(bits: int) -> str:
    """Put the fault bits of a head into words."""
    if bits & NOT_FINITE:
        return "holds NaN or Inf"
    if bits & NEGATIVE:
        return "has a negative entry"
    return "has a row that does not sum to 1 over its visible keys"


def _public(
    raw: Raw, plan: Plan, visibility: Visibility, like: torch.Tensor, to_numpy: bool
) -> Any:
    if raw.faults.any():
        sequence, head = (int(each) for each in raw.faults.nonzero()[0])
        fault = describe_faults(int(raw.faults[sequence, head]))
        raise InputError(f"the attention of sequence {sequence}, head {head} {fault}")
    arrays = plan.arrays(visibility)
    scores = mark_absent(raw.scores.to(like.device), arrays)
    if raw.token_values is None:
        return scores.numpy() if to_numpy else scores
    tokens = _token_scores(raw.token_values.to(like.device), arrays)
    return (scores.numpy(), tokens.numpy()) if to_numpy else (scores, tokens)


def _token_scores(values__brht: torch.Tensor, arrays: PlanArrays) -> torch.Tensor:
    """Turn shares of the score into token scores, whose mean over the rows is the score."""
    part__brt = torch.from_numpy(arrays.token_takes_part).to(values__brht.device)
    rows = part__brt.sum(-1)[..., None, None]
    return torch.where(part__brt.unsqueeze(2), values__brht * rows, float("nan"))


def _as_torch(name: str, value: Any) -> torch.Tensor:
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        native = value.astype(value.dtype.newbyteorder("="), copy=False)
        tensor = _shared(name, np.ascontiguousarray(native))
    elif isinstance(value, torch.Tensor):
        tensor = value.detach()
    elif hasattr(value, "__dlpack__"):
        tensor = _shared(name, value)
    else:
        raise InputError(
            f"{name} must be a torch tensor, a numpy array or another array with __dlpack__, "
            f"got {type(value).__name__}"
        )
    if tensor.layout != torch.strided or tensor.is_nested or tensor.device.type == "meta":
        kind = "nested" if tensor.is_nested else tensor.layout
        raise InputError(f"{name} must be dense and hold data, got {kind} on {tensor.device}")
    if tensor.dtype not in _FLOATS:
        raise InputError(
            f"{name} must be float32, bfloat16, float16 or float64, got {tensor.dtype}"
        )
    return tensor


def _shared(name: str, array: Any) -> torch.Tensor:
    """Return an array as a tensor on the same memory; copied only where it cannot be shared."""
    refusals = (BufferError, RuntimeError, TypeError, ValueError)
    try:
        return torch.utils.dlpack.from_dlpack(array)
    except refusals:
        pass
    try:
        return torch.from_numpy(np.array(array))
    except refusals as error:
        raise InputError(f"{name} cannot be read as a tensor: {error}") from error


def _check_qk(
    query: torch.Tensor, key: torch.Tensor, scale: float | None, softcap: float | None
) -> None:
    shapes = f"got {tuple(query.shape)} and {tuple(key.shape)}"
    if query.ndim != 4 or key.ndim != 4:
        raise InputError(f"query and key must have the shape (batch, head, T, d), {shapes}")
    same = (query.shape[0], *query.shape[2:]) == (key.shape[0], *key.shape[2:])
    if not same or query.shape[3] == 0:
        raise InputError(f"query and key must agree in batch, T and d >= 1, {shapes}")
    if key.shape[1] == 0 or query.shape[1] % key.shape[1]:
        raise InputError(f"the query heads must be a multiple of the key heads, {shapes}")
    if query.dtype != key.dtype or query.device != key.device:
        raise InputError(
            "query and key must share dtype and device, got "
            f"{query.dtype} on {query.device} and {key.dtype} on {key.device}"
        )
    limits = torch.finfo(torch.float32)
    if scale is not None and not abs(_number(scale)) <= limits.max:
        raise UsageError(f"scale must be a finite number in float32, got {scale!r}")
    if softcap is not None and not limits.tiny <= _number(softcap) <= limits.max:
        raise UsageError(f"softcap must be a positive, finite number in float32, got {softcap!r}")


def _number(value: Any) -> float:
    """Return an argument as float, NaN where it is no number."""
    if isinstance(value, (str, bool, np.bool_)):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return math.nan


def _check_bias(bias: torch.Tensor | None, query: torch.Tensor) -> None:
    if bias is None:
        return
    batch, heads, tokens, _ = query.shape
    if (
        bias.ndim != 4
        or bias.shape[0] not in (1, batch)
        or bias.shape[1:] != (heads, tokens, tokens)
    ):
        raise InputError(
            f"bias must have the shape (1 or {batch}, {heads}, {tokens}, {tokens}), "
            f"got {tuple(bias.shape)}"
        )
    if bias.device != query.device:
        raise InputError(
            f"bias must be on the device of query, {query.device}, got one on {bias.device}"
        )


def _check_value(value: torch.Tensor | None, key: torch.Tensor) -> None:
    if value is None:
        return
    if value.ndim != 4 or value.shape[:3] != key.shape[:3]:
        raise InputError(
            "value must agree with key in batch, heads and T, "
            f"got {tuple(value.shape)} and {tuple(key.shape)}"
        )
    if value.dtype != key.dtype or value.device != key.device:
        raise InputError(
            "key and value must share dtype and device, got "
            f"{key.dtype} on {key.device} and {value.dtype} on {value.device}"
        )


def checked_visibility(causal: bool, window: int | None, tokens: int) -> Visibility:
    """Return who sees whom among T tokens; a window of all tokens is none."""
    if not isinstance(causal, (bool, np.bool_)):
        raise UsageError(f"causal must be True or False, got {causal!r}")
    if window is None:
        return Visibility(bool(causal))
    least = 1 if causal else 0
    if not (isinstance(window, Integral) and not isinstance(window, bool) and window >= least):
        rule = "at least 1 where causal" if causal else "at least 0"
        raise UsageError(f"window must be a whole number, {rule}, got {window!r}")
    return Visibility(bool(causal), None if window >= tokens else int(window))


def _check_plan(plan: Any) -> None:
    if not all(hasattr(plan, name) for name in ("names", "batch", "tokens", "arrays")):
        raise InputError(f"plan must be a SievePlan, got {type(plan).__name__}")


def _check_fits(name: str, tensor: torch.Tensor, plan: Plan) -> None:
    if (tensor.shape[0], tensor.shape[2]) != (plan.batch, plan.tokens):
        raise InputError(
            f"{name} must have batch {plan.batch} and T {plan.tokens} as the plan has, "
            f"got {tensor.shape[0]} and {tensor.shape[2]}"
        )


def _empty(
    like: torch.Tensor, plan: Plan, per_token: bool, value: torch.Tensor | None = None
) -> Raw:
    batch, heads, tokens = like.shape[:3]
    scores = torch.zeros(batch, len(plan.names), heads)
    token_values = torch.zeros(*scores.shape, tokens) if per_token else None
    output = None if value is None else value.new_zeros(batch, tokens, heads, value.shape[3])
    return Raw(scores, token_values, torch.zeros(batch, heads, dtype=torch.uint8), output)
