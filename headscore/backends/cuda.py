"""The CUDA backend: launch the compiled kernels on tensors of a GPU."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import torch

from headscore.backends import device_plan
from headscore.backends.address import DTYPES, address_of
from headscore.backends.contract import PlanArrays, Raw, Visibility
from headscore.errors import BackendError

try:
    import headscore.backends._cuda as _cuda  # a clearer error than `from` gives
except ImportError as error:
    _import_error: str | None = str(error)
else:
    _import_error = None

ATTENDS = False  # the attention output is left to torch's fused kernels

_VECTOR_BYTES = 16  # of one load or asynchronous copy of a thread
_LARGEST_HALF = 256  # largest head size of the tensor-core kernel; above it float32 is used


class Room(NamedTuple):
    """Results and workspace of the kernels, as in csrc/cuda/sieve_scores.h."""

    heads: int
    blocks: int
    scores: torch.Tensor
    token_values: torch.Tensor | None
    faults: torch.Tensor
    block_sums: torch.Tensor
    block_faults: torch.Tensor
    row_top: torch.Tensor | None
    row_mass: torch.Tensor | None
    row_entropy: torch.Tensor | None
    piece_sums: torch.Tensor | None


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
    plan = device_plan.device_plan(arrays, query.device, stream)
    room = _room(plan, query, per_token)
    _launch(
        _cuda.sieve_scores_qk,
        address_of(query),
        address_of(key),
        None if bias is None else address_of(bias, of_all=bias.shape[0] == 1),
        plan,
        visibility,
        room,
        key.shape[1],
        query.shape[3],
        scale,
        softcap or 0.0,
        device,
        stream,
    )
    return Raw(room.scores, room.token_values, room.faults)


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
    plan = device_plan.device_plan(arrays, attention.device, stream)
    room = _room(plan, attention, per_token)
    _launch(
        _cuda.sieve_scores_attention,
        address_of(attention),
        plan,
        visibility,
        room,
        tolerance,
        device,
        stream,
    )
    return Raw(room.scores, room.token_values, room.faults)


def _launch(kernel: object, *arguments: object) -> None:
    try:
        kernel(*arguments)  # type: ignore[operator]
    except RuntimeError as error:
        raise BackendError(f"the cuda backend failed: {error}") from error


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
    dtype = tensor.dtype if tensor.dtype in DTYPES else torch.float32
    tensor = tensor.detach().to(_device(tensor), dtype)
    return tensor if tensor.stride(-1) == 1 else tensor.contiguous()


def _readable(tensor: torch.Tensor) -> torch.Tensor:
    """Return the tensor in a dtype and layout the kernels read, uncopied where possible.

    Rows must begin at multiples of 16 bytes and have a length that is one. A head size that is not
    is padded with zeros, which change no dot product of query and key.
    """
    tensor = _converted(tensor)
    if tensor.shape[-1] > _LARGEST_HALF:
        tensor = tensor.to(torch.float32)
    # Rows begin at multiples of 16 bytes where the address and all strides but the last are such
    # multiples; the last stride is 1.
    numbers = _VECTOR_BYTES // tensor.element_size()
    places = (tensor.shape[-1], *tensor.stride()[:-1])
    aligned = all(each % numbers == 0 for each in places)
    if aligned and tensor.data_ptr() % _VECTOR_BYTES == 0:
        return tensor
    # contiguous: a pad by 0 columns, for a misaligned address or stride, would copy nothing.
    return torch.nn.functional.pad(tensor, (0, -tensor.shape[-1] % numbers)).contiguous()


def _room(plan: device_plan.DevicePlan, like: torch.Tensor, per_token: bool) -> Room:
    def floats(*shape: int) -> torch.Tensor:
        return torch.empty(shape, dtype=torch.float32, device=like.device)

    # Each block of rows writes its own partial sums and fault bits, which a second kernel combines
    # in a fixed order: scores are bit-identical from run to run, without atomics.
    batch, heads, tokens = plan.batch, like.shape[1], plan.tokens
    blocks = -(-tokens // _cuda.LEAST_ROWS)
    # Pair roles need the softmax statistics of each row (largest logit, sum, entropy) once the pass
    # over all keys has ended; a plan without pairs does without these arrays.
    rows = (batch, heads, tokens)
    return Room(
        heads=heads,
        blocks=blocks,
        scores=floats(batch, plan.roles, heads),
        token_values=floats(batch, plan.roles, heads, tokens).zero_() if per_token else None,
        faults=torch.empty(batch, heads, dtype=torch.uint8, device=like.device),
        block_sums=floats(batch, heads, blocks, plan.label_roles),
        block_faults=torch.empty(batch, heads, blocks, dtype=torch.uint8, device=like.device),
        row_top=floats(*rows) if plan.pieces else None,
        row_mass=floats(*rows) if plan.pieces else None,
        row_entropy=floats(*rows) if plan.pieces else None,
        piece_sums=floats(heads, plan.pieces) if plan.pieces else None,
    )
