"""Validate the arguments of scoring calls: arrays of any library, shapes, dtypes, devices."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any

import numpy as np
import torch

from headscore.backends.contract import Plan, Visibility
from headscore.errors import InputError, UsageError

_FLOATS = (torch.float32, torch.bfloat16, torch.float16, torch.float64)


def as_tensor(name: str, value: Any) -> torch.Tensor:
    """Return a torch tensor, numpy array or array with ``__dlpack__`` as a dense float tensor."""
    if isinstance(value, np.ndarray) and value.dtype.kind in "fiub":
        # DLPack refuses foreign byte order, and torch 2.13 aborts the process on negative strides:
        # both are removed here.
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


def check_attention(attention: torch.Tensor) -> None:
    """Check that attention is (batch, head, Tq, Tk)."""
    if attention.ndim != 4:
        raise InputError(
            f"attention must have the shape (batch, head, Tq, Tk), got {tuple(attention.shape)}"
        )


def check_query_key(
    query: torch.Tensor, key: torch.Tensor, scale: float | None, softcap: float | None
) -> None:
    """Check queries against keys, and the scale and softcap of the logits."""
    shapes = f"got {tuple(query.shape)} and {tuple(key.shape)}"
    if query.ndim != 4 or key.ndim != 4:
        raise InputError(f"query and key must have the shape (batch, head, T, d), {shapes}")
    same = (query.shape[0], query.shape[3]) == (key.shape[0], key.shape[3])
    if not same or query.shape[3] == 0:
        raise InputError(f"query and key must agree in batch and d >= 1, {shapes}")
    if key.shape[1] == 0 or query.shape[1] % key.shape[1]:
        raise InputError(f"the query heads must be a multiple of the key heads, {shapes}")
    if query.dtype != key.dtype or query.device != key.device:
        raise InputError(
            "query and key must share dtype and device, got "
            f"{query.dtype} on {query.device} and {key.dtype} on {key.device}"
        )
    # Kernels take both as float32. A subnormal cap would turn logit / softcap into infinity.
    limits = torch.finfo(torch.float32)
    if scale is not None and not abs(_number(scale)) <= limits.max:
        raise UsageError(f"scale must be a finite number in float32, got {scale!r}")
    if softcap is not None and not limits.tiny <= _number(softcap) <= limits.max:
        raise UsageError(f"softcap must be a positive, finite number in float32, got {softcap!r}")


def check_bias(bias: torch.Tensor | None, query: torch.Tensor, key: torch.Tensor) -> None:
    """Check a bias of the logits against the queries and keys."""
    if bias is None:
        return
    batch, heads, tokens, _ = query.shape
    wanted = (heads, tokens, key.shape[2])
    if bias.ndim != 4 or bias.shape[0] not in (1, batch) or bias.shape[1:] != wanted:
        raise InputError(
            f"bias must have the shape (1 or {batch}, {', '.join(map(str, wanted))}), "
            f"got {tuple(bias.shape)}"
        )
    if bias.device != query.device:
        raise InputError(
            f"bias must be on the device of query, {query.device}, got one on {bias.device}"
        )


def check_value(value: torch.Tensor | None, key: torch.Tensor) -> None:
    """Check values against keys."""
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


def checked_visibility(causal: bool, window: int | None, plan: Plan) -> Visibility:
    """Return the visibility of a plan's keys; a window that covers all tokens becomes None."""
    if not isinstance(causal, (bool, np.bool_)):
        raise UsageError(f"causal must be True or False, got {causal!r}")
    if plan.crosses and (causal or window is not None):
        raise UsageError(
            "causal and window must not be set where the keys are of another text than the "
            f"queries, got causal={causal} and window={window}"
        )
    if window is None:
        return Visibility(bool(causal))
    # A causal window counts the query itself, so 0 would leave it without a key.
    least = 1 if causal else 0
    if not (isinstance(window, Integral) and not isinstance(window, bool) and window >= least):
        rule = "at least 1 where causal" if causal else "at least 0"
        raise UsageError(f"window must be a whole number, {rule}, got {window!r}")
    return Visibility(bool(causal), None if window >= plan.tokens else int(window))


def check_plan(plan: Any) -> None:
    """Check that an object has the attributes of `Plan`."""
    if not all(hasattr(plan, name) for name in ("batch", "tokens", "key_tokens", "arrays")):
        raise InputError(f"plan must be a SievePlan, got {type(plan).__name__}")


def check_fits(name: str, tensor: torch.Tensor, plan: Plan, keys: int) -> None:
    """Check that a tensor of queries has the batch and the T of the plan, for so many keys."""
    got = (tensor.shape[0], tensor.shape[2], keys)
    if got == (plan.batch, plan.tokens, plan.key_tokens):
        return
    if plan.crosses:
        raise InputError(
            f"{name} must have batch {plan.batch}, Tq {plan.tokens} and Tk {plan.key_tokens} as "
            f"the plan has, got {got[0]}, {got[1]} and {got[2]}"
        )
    if got[1] != got[2]:
        raise InputError(
            f"{name} must have as many queries as keys, as the plan has no source, "
            f"got {got[1]} and {got[2]}"
        )
    raise InputError(
        f"{name} must have batch {plan.batch} and T {plan.tokens} as the plan has, "
        f"got {got[0]} and {got[1]}"
    )


def _shared(name: str, array: Any) -> torch.Tensor:
    """Return an array as a tensor on the same memory, or a copy where it cannot be shared."""
    # The exception type of a refused DLPack export differs by library and version. Older numpy
    # refuses read-only arrays, for example; those are copied.
    refusals = (BufferError, RuntimeError, TypeError, ValueError)
    try:
        return torch.utils.dlpack.from_dlpack(array)
    except refusals:
        pass
    try:
        return torch.from_numpy(np.array(array))
    except refusals as error:
        raise InputError(f"{name} cannot be read as a tensor: {error}") from error


def _number(value: Any) -> float:
    """Return an argument as float, NaN where it is no number."""
    if isinstance(value, (str, bool, np.bool_)):
        return math.nan
    try:
        return float(value)
    except (TypeError, ValueError, RuntimeError, OverflowError):
        return math.nan
