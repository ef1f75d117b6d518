"""The CUDA backend: launch the compiled kernels on tensors of a GPU."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from types import SimpleNamespace
from typing import TypeAlias
from weakref import WeakKeyDictionary

import torch

from headscore.arrays import Array
from headscore.backends import device_plan, transfer
from headscore.backends.address import DTYPES, address_of, address_or_0
from headscore.backends.contract import PlanArrays, Raw, Visibility
from headscore.backends.device_room import Loaded
from headscore.errors import BackendError

try:
    import headscore.backends._cuda as _cuda  # a clearer error than `from` gives
except ImportError as error:
    _import_error: str | None = str(error)
else:
    _import_error = None

ATTENDS = False  # the attention output is left to torch's fused kernels
CONTROLS = True  # compares with position on the device

_VECTOR_BYTES = 16  # of one load or asynchronous copy of a thread
_LARGEST_HALF = 256  # largest head size of the tensor-core kernel; above it float32 is used

# Device and stream: another stream would not wait for the copies that this one has queued.
_Where: TypeAlias = tuple[torch.device, int]
_loaded: WeakKeyDictionary[PlanArrays, dict[_Where, Loaded]] = WeakKeyDictionary()


def why_not() -> str | None:
    """Return the reason why this backend cannot run here, one sentence; None if it can."""
    if _import_error is not None:
        return f"headscore was built without its CUDA kernels: {_import_error}"
    if not torch.cuda.is_available():
        return "torch sees no CUDA device"
    return _why_not_on(torch.cuda.current_device())


@lru_cache  # constant for a device within a process, and needed on every call
def _why_not_on(device: int) -> str | None:
    return _cuda.why_not(device) or None


def derive(arrays: PlanArrays) -> dict[str, Array]:
    """Return what the kernels read of a plan, to be copied to the device."""
    return device_plan.derive(arrays)


def adopt(arrays: PlanArrays, device: torch.device, columns: Mapping[str, torch.Tensor]) -> Loaded:
    """Use what `derive` returned, copied to a device by its current stream, for these arrays."""
    plan = device_plan.plan_of(arrays, columns)
    loaded = Loaded(plan, _cuda.Plan(plan), {})
    _loaded.setdefault(arrays, {})[device, _place(device)[1]] = loaded
    return loaded


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
    if value__bhkd is not None:
        raise BackendError("the cuda backend makes no attention output, so it takes no value")
    query, key = _readable(query__bhqd), _readable(key__bhkd)
    bias = None if bias__bhqk is None else _converted(bias__bhqk)
    device, stream = _place(query.device)
    loaded = _on_device(arrays, query.device, stream)
    raw, room = _outputs(loaded, query, per_token)
    _launch(
        device,
        _cuda.sieve_scores_qk,
        address_of(query),
        address_of(key),
        None if bias is None else address_of(bias, of_all=bias.shape[0] == 1),
        loaded.handle,
        visibility,
        room,
        raw.scores.data_ptr(),
        address_or_0(raw.token_values),
        raw.faults.data_ptr(),
        key.shape[1],
        query.shape[3],
        scale,
        softcap or 0.0,
        stream,
    )
    return raw


def scores_attention(
    attention__bhqk: torch.Tensor,
    arrays: PlanArrays,
    visibility: Visibility,
    *,
    tolerance: float,
    per_token: bool,
) -> Raw:
    """Score heads from attention of checked shape."""
    attention = _converted(attention__bhqk)
    device, stream = _place(attention.device)
    loaded = _on_device(arrays, attention.device, stream)
    raw, room = _outputs(loaded, attention, per_token)
    _launch(
        device,
        _cuda.sieve_scores_attention,
        address_of(attention),
        loaded.handle,
        visibility,
        room,
        raw.scores.data_ptr(),
        address_or_0(raw.token_values),
        raw.faults.data_ptr(),
        tolerance,
        stream,
    )
    return raw


def control_position(
    comparison: Mapping[str, torch.Tensor],
    scores__bch: torch.Tensor,
    counted__b: torch.Tensor,
    roles: int,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compare word pairs with position; as `headscore.backends.control_position`."""
    batch, _, heads = scores__bch.shape
    device, stream = _place(scores__bch.device)
    excess = scores__bch.new_full((batch, roles, heads), float("nan"))
    sums = scores__bch.new_zeros((_cuda.POSITION_ROWS, roles, heads), dtype=torch.int64)
    scores, counted = scores__bch.contiguous(), counted__b.to(torch.uint8)
    _launch(
        device,
        _cuda.control_position,
        SimpleNamespace(units=len(comparison["unit_role"]), **comparison),
        scores.data_ptr(),
        counted.data_ptr(),
        excess.data_ptr(),
        sums.data_ptr(),
        roles,
        heads,
        stream,
    )
    return excess, sums


def _launch(device: int, kernel: Callable[..., None], *arguments: object) -> None:
    try:
        # Comes back to the device before without making a context on one that nobody has used.
        with torch.cuda.device(device):
            kernel(*arguments)
    except RuntimeError as error:
        raise BackendError(f"the cuda backend failed: {error}") from error


def _on_device(arrays: PlanArrays, device: torch.device, stream: int) -> Loaded:
    """Return the plan on a device: copied once for all layers, dropped with the arrays."""
    loaded = _loaded.get(arrays, {}).get((device, stream))
    if loaded is not None:
        return loaded
    packed = transfer.Packed.of(derive(arrays))
    return adopt(arrays, device, transfer.load(packed, device))


def _outputs(loaded: Loaded, like: torch.Tensor, per_token: bool) -> tuple[Raw, object]:
    """Return room for the results of a layer, and the workspace that all layers share."""
    plan, heads, device = loaded.plan, like.shape[1], like.device
    if heads not in loaded.rooms:
        loaded.add_room(heads, -(-plan.tokens // _cuda.LEAST_ROWS), device, _cuda.Workspace)
    shape = (plan.batch, plan.roles, heads)
    scores = torch.empty(shape, dtype=torch.float32, device=device)
    raw = Raw(
        scores,
        scores.new_zeros(*shape, plan.tokens) if per_token else None,
        torch.empty(plan.batch, heads, dtype=torch.uint8, device=device),
    )
    return raw, loaded.rooms[heads].handle


def _device(tensor: torch.Tensor) -> torch.device:
    """Return the device of a tensor on a GPU, else the current CUDA device."""
    if tensor.device.type == "cuda":
        return tensor.device
    return torch.device("cuda", torch.cuda.current_device())


def _place(device: torch.device) -> tuple[int, int]:
    """Return the device's number and its current stream."""
    return device.index, torch.cuda.current_stream(device).cuda_stream


def _converted(tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor on the GPU, in a dtype the kernels read, with a last stride of 1."""
    device = _device(tensor)
    dtype = tensor.dtype if tensor.dtype in DTYPES else torch.float32
    if tensor.dtype != dtype or tensor.device != device:
        tensor = tensor.detach().to(device, dtype)
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def _readable(tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor in a dtype and layout the kernels read, uncopied where possible.

    Rows must begin at multiples of 16 bytes and have a length that is one. A head size that is not
    is padded with zeros, which change no dot product of query and key.
    """
    tensor = _converted(tensor)
    size = tensor.shape[-1]
    if size > _LARGEST_HALF:
        tensor = tensor.to(torch.float32)
    # Rows begin at multiples of 16 bytes where the address and all strides but the last are such
    # multiples; the last stride is 1. `numbers` is a power of 2, so that the low bits of all of
    # them must be 0.
    numbers = _VECTOR_BYTES // tensor.element_size()
    batch, head, row, _ = tensor.stride()
    if not (size | batch | head | row) % numbers and not tensor.data_ptr() % _VECTOR_BYTES:
        return tensor
    # contiguous: a pad by 0 columns, for a misaligned address or stride, would copy nothing.
    return torch.nn.functional.pad(tensor, (0, -size % numbers)).contiguous()
