"""Send results between processes: their arrays in one block of shared memory, not through a pipe.

A pipe holds 64 KiB: a worker that writes megabytes waits until the other process reads them, which
may be busy with the model.
"""

from __future__ import annotations

import pickle
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import torch

_ALIGNED = 64  # bytes; arrays begin at multiples


class Sent(NamedTuple):
    """A value on its way.

    Attributes
    ----------
    header
        Its pickle, without the content of arrays.
    block
        uint8 (byte,), the content of the arrays; shared memory, which the system frees with its
        last use, however the processes end.
    sizes
        Bytes of each array.
    """

    header: bytes
    block: torch.Tensor
    sizes: list[int]


def send(value: Any) -> Sent:
    """Return a value in a form that is cheap to send."""
    buffers: list[pickle.PickleBuffer] = []
    header = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    arrays = [np.frombuffer(buffer.raw(), np.uint8) for buffer in buffers]
    sizes = [len(array) for array in arrays]
    starts = _starts(sizes)
    block = torch.zeros(0, dtype=torch.uint8)
    shared = torch.UntypedStorage._new_shared(max(1, starts[-1]))  # type: ignore[no-untyped-call]
    block.set_(shared)
    content = block.numpy()
    for array, start in zip(arrays, starts, strict=False):
        content[start : start + len(array)] = array
    return Sent(header, block, sizes)


def receive(sent: Sent) -> Any:
    """Return the value, whose arrays lie in the shared memory."""
    content = sent.block.numpy().data
    places = zip(_starts(sent.sizes), sent.sizes, strict=False)
    return pickle.loads(sent.header, buffers=[content[start : start + n] for start, n in places])


def _starts(sizes: list[int]) -> list[int]:
    """Return where each array begins, and the end of the last one."""
    rooms = [-(-size // _ALIGNED) * _ALIGNED for size in sizes]
    return list(accumulate(rooms, initial=0))
