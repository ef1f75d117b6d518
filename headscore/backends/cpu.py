"""The CPU backend: pass tensors to the compiled kernel and return its results."""

from __future__ import annotations

import os
from weakref import WeakKeyDictionary

import numpy as np
import torch  # its OpenMP runtime is what the kernel runs on

from headscore.backends.address import DTYPES, address_of, address_or_0
from headscore.backends.contract import PlanArrays, Raw, Visibility

try:
    from headscore.backends import _cpu
except ImportError as error:  # pragma: no cover - only where the package was not built
    _import_error: str | None = str(error)
else:
    _import_error = None

# One pass that shares logits and exponentials between scores and output is cheaper here than a
# second one by torch's attention.
ATTENDS = True
CONTROLS = False
_FORCED = "HEADSCORE_CPU_ISA"
# The addresses of plans that are alive, for all layers.
_plans: WeakKeyDictionary[PlanArrays, _cpu.Plan] = WeakKeyDictionary()


def why_not() -> str | None:
    """Return the reason why this backend cannot run here, one sentence; None if it can."""
    if _import_error is not None:
        return f"the compiled module cannot be imported: {_import_error}"
    if _cpu.instruction_set() is None:
        return (
            "HEADSCORE_CPU_ISA must name an instruction set that this processor has "
            f"({_cpu.instruction_sets()}), got {os.environ.get(_FORCED)!r}"
        )
    return None


def is_forced() -> bool:
    """Return whether an instruction set was forced, which rules out other backends."""
    return _FORCED in os.environ


def instruction_set() -> str | None:
    """Return the instruction set the kernel was chosen for (baseline, avx2 or avx512)."""
    return None if _import_error is not None else _cpu.instruction_set()


def threads() -> int:
    """Return the number of threads of every parallel region: torch's own."""
    return torch.get_num_threads()


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
    _, heads, _, head_size = query__bhqd.shape
    query, key = _readable(query__bhqd), _readable(key__bhkd)
    bias = None if bias__bhqk is None else _readable(bias__bhqk)
    value = None if value__bhkd is None else _readable(value__bhkd)
    output = None if value is None else _empty_output(query, value)
    raw = _empty_raw(arrays, heads, per_token)
    _cpu.sieve_scores_qk(
        address_of(query),
        address_of(key),
        None if bias is None else address_of(bias, of_all=bias.shape[0] == 1),
        None if value is None else address_of(value),
        _plan(arrays),
        visibility,
        scale,
        softcap or 0.0,  # the kernel's value for no cap
        raw.scores.data_ptr(),
        address_or_0(raw.token_values),
        raw.faults.data_ptr(),
        address_or_0(output),
        heads,
        key.shape[1],
        head_size,
        0 if value is None else value.shape[3],
        threads(),
    )
    if value__bhkd is None or output is None:
        return raw
    return raw._replace(output=output.to(value__bhkd.dtype))


def scores_attention(
    attention__bhqk: torch.Tensor,
    arrays: PlanArrays,
    visibility: Visibility,
    *,
    tolerance: float,
    per_token: bool,
) -> Raw:
    """Score heads from attention of checked shape."""
    attention = _readable(attention__bhqk)
    raw = _empty_raw(arrays, attention.shape[1], per_token)
    _cpu.sieve_scores_attention(
        address_of(attention),
        _plan(arrays),
        visibility,
        tolerance,
        raw.scores.data_ptr(),
        address_or_0(raw.token_values),
        raw.faults.data_ptr(),
        attention.shape[1],
        threads(),
    )
    return raw


def _plan(arrays: PlanArrays) -> _cpu.Plan:
    """Return the addresses of a plan, which are read once."""
    plan = _plans.get(arrays)
    if plan is None:
        plan = _plans[arrays] = _cpu.Plan(arrays)
    return plan


def _readable(tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor in a dtype and layout the kernel reads, uncopied where possible."""
    # Any stride is accepted but the last, which must be 1: the (batch, T, heads, d) views that
    # transformers transposes are read in place.
    if tensor.dtype not in DTYPES:
        tensor = tensor.to(torch.float32)
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def _empty_output(query__bhqd: torch.Tensor, value__bhkd: torch.Tensor) -> torch.Tensor:
    # float32 for every dtype of the values: the kernel accumulates in it, the caller converts.
    batch, heads, tokens, _ = query__bhqd.shape
    return torch.empty(batch, tokens, heads, value__bhkd.shape[3], dtype=torch.float32)


def _empty_raw(arrays: PlanArrays, heads: int, per_token: bool) -> Raw:
    batch, roles = arrays.takes_part.shape
    # The kernel adds to token values, role by role, and only at rows with a sieve: they start at 0
    # (by numpy, which leaves that to the system for pages that nobody touches). It writes every
    # score, so those need no initial value.
    values = np.zeros((batch, roles, heads, arrays.tokens), np.float32) if per_token else None
    return Raw(
        torch.empty(batch, roles, heads, dtype=torch.float32),
        None if values is None else torch.from_numpy(values),
        torch.zeros(batch, heads, dtype=torch.uint8),
    )
