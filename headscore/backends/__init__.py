"""Validate the arguments of a scoring call, choose a backend and call it."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any, TypeVar

import torch

from headscore.arrays import Array
from headscore.backends import checks, cpu, reference
from headscore.backends.contract import Plan, Raw, Visibility
from headscore.backends.results import empty, to_user
from headscore.declarations import named
from headscore.errors import BackendError, UsageError
from headscore.log import log
from headscore.options import BackendOptions

Tensor = TypeVar("Tensor", torch.Tensor, Array)

_NAMES = [name for name in named(BackendOptions, "backend")[1].allowed or () if name != "auto"]
_MODULES = {name: import_module(f"headscore.backends.{name}") for name in _NAMES}
_WITH_KERNELS = ("cpu", "cuda")  # device types; what is on others is copied to the CPU
_logged: set[str] = set()  # backends whose absence, and devices whose copies have been logged


def available() -> dict[str, str | None]:
    """Return for every backend the reason why it cannot run here.

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
    backend: str = BackendOptions.backend,
) -> Any:
    """Compute sieve bias scores from given attention weights.

    Parameters
    ----------
    attention
        (batch, head, Tq, Tk), torch, numpy or any array with DLPack support (JAX, CuPy); each real
        row sums to 1 over its visible keys. Tq = Tk = T where the plan has no source.
    plan
        A `SievePlan` of the same batch and lengths.
    causal, window
        Which keys a query may attend to, as in `sieve_scores_qk`.
    per_token
        Also return the token scores.
    backend
        "auto", "cuda" (which copies other tensors to the GPU), "cpu" or "reference".

    Returns
    -------
    scores
        float32 (batch, role, head), torch for torch, else numpy; NaN = takes no part.
    token_scores
        Only with `per_token`: float32 (batch, role, head, Tq); the mean over the tokens that take
        part is the score, NaN elsewhere.

    Raises
    ------
    InputError
        Shapes that do not fit the plan; negative or non-finite attention; rows whose sum differs
        from 1 by more than 1e-3, or 2e-2 for half precision.
    """
    tensor = checks.as_tensor("attention", attention)
    checks.check_plan(plan)
    visibility = checks.checked_visibility(causal, window, plan)
    checks.check_attention(tensor)
    raw = score_attention(tensor, plan, visibility, per_token=per_token, backend=backend)
    as_numpy = not isinstance(attention, torch.Tensor)
    return to_user(raw, plan, visibility, tensor, as_numpy=as_numpy)


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
    backend: str = BackendOptions.backend,
) -> Any:
    """Compute sieve bias scores from queries and keys; the Tq x Tk attention is never stored.

    Parameters
    ----------
    query
        (batch, Hq, Tq, d), as `attention` of `sieve_scores`; float32, bfloat16, float16 or float64.
    key
        (batch, Hkv, Tk, d), Hq a multiple of Hkv; Tq = Tk = T where the plan has no source.
    plan
        A `SievePlan` of the same batch and lengths.
    scale
        Factor of q . k; None: d ** -0.5.
    causal
        Keys after a query are not visible to it. As `window`, only without a source.
    window
        Visible keys are, where causal, ``j > i - window``; otherwise ``|i - j| <= window``.
    softcap
        Logits become ``softcap * tanh(logit / softcap)`` before the mask.
    bias
        (1 or batch, Hq, Tq, Tk), added to the scaled and capped logits, such as the relative
        positions of T5 or ALiBi; of the same kind as `query`, any of its dtypes, any strides.
        It does not change visibility: a key with bias -inf is visible and gets no attention.
    per_token, backend
        As in `sieve_scores`.

    Returns
    -------
    scores, token_scores
        As in `sieve_scores`.
    """
    q, k = checks.as_tensor("query", query), checks.as_tensor("key", key)
    checks.check_plan(plan)
    visibility = checks.checked_visibility(causal, window, plan)
    b = None if bias is None else checks.as_tensor("bias", bias)
    checks.check_query_key(q, k, scale, softcap)
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
    as_numpy = not isinstance(query, torch.Tensor)
    return to_user(raw, plan, visibility, q, as_numpy=as_numpy)


def score_attention(
    attention: torch.Tensor,
    plan: Plan,
    visibility: Visibility,
    *,
    per_token: bool = False,
    backend: str | ModuleType = BackendOptions.backend,
) -> Raw:
    """Return raw scores from attention, with the fault bits that `sieve_scores` would raise for."""
    checks.check_fits("attention", attention, plan, attention.shape[3])
    arrays = plan.arrays(visibility)
    if 0 in attention.shape or not arrays.takes_part.shape[1]:
        return empty(attention, arrays, per_token=per_token)
    chosen = choose(backend, attention.device)
    attention = _where_scored(attention)
    # bfloat16 rounds each weight by up to 2**-8 = 0.4 %, float16 by 2**-11, so the sum of a row can
    # be off by as much; 2e-2 leaves room for a softmax that was itself computed in half precision.
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
    backend: str | ModuleType = BackendOptions.backend,
) -> Raw:
    """Return raw scores from queries and keys, with the fault bits of `sieve_scores_qk`.

    With `value` (batch, Hkv, Tk, d_v) the result also holds the attention output, except where
    queries and keys are copied to the CPU: there the model computes it on its own device.
    """
    checks.check_fits("query", query, plan, key.shape[2])
    checks.check_bias(bias, query, key)
    checks.check_value(value, key)
    if query.device.type not in _WITH_KERNELS:
        value = None
    arrays = plan.arrays(visibility)
    # Without roles a kernel is still needed where its attention output is wanted.
    nothing = 0 in query.shape[:3] or key.shape[2] == 0
    if nothing or not (arrays.takes_part.shape[1] or value is not None):
        return empty(query, arrays, per_token=per_token, value=value)
    chosen = choose(backend, query.device)
    result: Raw = chosen.scores_qk(
        _where_scored(query),
        _where_scored(key),
        arrays,
        visibility,
        scale=query.shape[-1] ** -0.5 if scale is None else float(scale),
        softcap=softcap,
        bias__bhqk=None if bias is None else _where_scored(bias),
        value__bhkd=value,
        per_token=per_token,
    )
    return result


def _where_scored(tensor: torch.Tensor) -> torch.Tensor:
    """Return a tensor on its device, or on the CPU where its device has no kernel."""
    return tensor if tensor.device.type in _WITH_KERNELS else tensor.cpu()


def derive(
    backend: str, plan: Plan, visibility: Visibility, *, device: str = "cuda"
) -> dict[str, Array]:
    """Return what a backend reads of a plan on a device; nothing if it reads the plan itself.

    No device is needed, only its type: the arrays can be made ahead, in another process.
    """
    if backend == "cpu" or device not in _WITH_KERNELS:
        return {}
    found: dict[str, Array] = _MODULES[backend].derive(plan.arrays(visibility))
    return found


def adopt(
    backend: ModuleType,
    plan: Plan,
    visibility: Visibility,
    device: torch.device,
    columns: Mapping[str, torch.Tensor],
) -> None:
    """Let a backend use what `derive` returned, copied to a device by its current stream."""
    if columns:
        backend.adopt(plan.arrays(visibility), device, columns)


def controls(backend: str | ModuleType) -> bool:
    """Return whether a backend compares with position on its device, by `control_position`."""
    module = _MODULES[backend] if isinstance(backend, str) else backend
    return bool(module.CONTROLS)


def control_position(
    backend: ModuleType,
    comparison: Mapping[str, torch.Tensor],
    scores__bch: torch.Tensor,
    counted__b: torch.Tensor,
    roles: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compare word pairs with position on the device, to the bits of the same on the host.

    Parameters
    ----------
    backend
        One that `controls`.
    comparison
        The arrays of `headscore.sieves.comparison.Comparison` by name, on the device.
    scores__bch
        float32 (batch, column, head); layers may be stacked on the head axis.
    counted__b
        Bool (batch,): the others have the excess NaN and add nothing to the sums.
    roles
        Number of roles.

    Returns
    -------
    excess, sums
        float32 (batch, role, head) and int64 (row, role, head).
    """
    found: tuple[torch.Tensor, torch.Tensor] = backend.control_position(
        comparison, scores__bch, counted__b, roles
    )
    return found


def name_of(backend: ModuleType) -> str:
    """Return the name of a chosen backend."""
    return backend.__name__.rpartition(".")[2]


def choose(backend: str | ModuleType, device: torch.device) -> ModuleType:
    """Return the backend that computes for a device; only that one's `why_not` is called.

    A backend that has been chosen before is returned as it is.

    Raises
    ------
    UsageError
        There is no such backend.
    BackendError
        It cannot run here; or, with "auto", the forced instruction set cannot.
    """
    if isinstance(backend, ModuleType):
        return backend
    if backend not in ("auto", *_MODULES):
        raise UsageError(f"backend must be one of auto, {', '.join(_MODULES)}, got {backend!r}")
    if backend == "auto":
        return _automatic(device)
    reason = _MODULES[backend].why_not()
    if reason is None and backend == "cpu" and device.type == "cuda":
        reason = f"it reads tensors on the CPU, these are on {device}"
    if reason is not None:
        raise BackendError(f"the {backend} backend cannot run: {reason}")
    _log_copies(device)
    return _MODULES[backend]


def _log_copies(device: torch.device) -> None:
    """Log once for each type of device without a kernel that the CPU computes its scores."""
    if device.type not in _WITH_KERNELS and device.type not in _logged:
        _logged.add(device.type)
        log.warning(
            "there is no kernel for %s: queries and keys are copied to the CPU", device.type
        )


def _automatic(device: torch.device) -> ModuleType:
    """Return the backend of a device, or the reference backend, logging the reason once."""
    _log_copies(device)
    wanted = "cuda" if device.type == "cuda" else "cpu"
    reason = _MODULES[wanted].why_not()
    if reason is None:
        return _MODULES[wanted]
    # A forced instruction set is meant for a test or a measurement of that kernel: the reference
    # backend in its place would make the result mean something else.
    if wanted == "cpu" and cpu.is_forced():
        raise BackendError(f"the cpu backend cannot run: {reason}")
    if wanted not in _logged:
        _logged.add(wanted)
        log.warning("the slower reference backend computes on %s: %s", device.type, reason)
    return reference
