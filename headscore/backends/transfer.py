"""Cross to a device and back: many arrays in one copy each way.

`to_device` and `to_host` are the only places where the data of a batch change devices::

    buffer   | input_ids .... | attention_mask .. | 0 query_label .. | ...      one copy
               ^ 0              ^ 256 n             ^ 256 m
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch

from headscore.arrays import Array

_ALIGNED = 256  # bytes, as torch aligns tensors of its own on a GPU


class Place(NamedTuple):
    """Where an array lies in a buffer."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    start: int


@dataclass(frozen=True, eq=False)
class Packed:
    """Arrays in one buffer.

    Attributes
    ----------
    buffer
        uint8 (byte,).
    places
        One for each array.
    """

    buffer: Array
    places: tuple[Place, ...]

    @classmethod
    def of(cls, arrays: Mapping[str, Array]) -> Packed:
        """Copy arrays, of any shape and one of torch's dtypes, into a buffer."""
        places, end = [], 0
        for name, array in arrays.items():
            places.append(Place(name, array.dtype.name, array.shape, end))
            end += -(-array.nbytes // _ALIGNED) * _ALIGNED
        packed = cls(np.zeros(end, np.uint8), tuple(places))
        for place, array in zip(places, arrays.values(), strict=True):
            _array_at(packed.buffer, place)[...] = array
        return packed


def load(packed: Packed, device: torch.device) -> dict[str, torch.Tensor]:
    """Return the arrays on a device, in one copy that is not waited for; on a CPU, uncopied."""
    buffer = to_device(torch.from_numpy(packed.buffer), device)
    return {place.name: _tensor_at(buffer, place) for place in packed.places}


def fetch(tensors: Mapping[str, torch.Tensor]) -> dict[str, Array]:
    """Return tensors, all on one device, as arrays: in one copy, uncopied from a CPU."""
    if all(tensor.device.type == "cpu" for tensor in tensors.values()):
        return {name: tensor.numpy() for name, tensor in tensors.items()}
    # Every tensor begins at a multiple of 8 bytes, the size of the widest number: as in `Packed`,
    # but with a gap only where one is needed.
    parts, places, end = [], [], 0
    for name, tensor in tensors.items():
        places.append(Place(name, _name_of(tensor.dtype), tuple(tensor.shape), end))
        flat = tensor.contiguous().reshape(-1).view(torch.uint8)
        parts += [flat, flat.new_empty(-len(flat) % 8)]
        end += len(flat) + len(parts[-1])
    buffer = to_host(torch.cat(parts)).numpy()
    return {place.name: _array_at(buffer, place) for place in places}


def to_device(buffer: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy a buffer of the host to a device; on a GPU from pinned memory, without waiting."""
    if device.type == "cpu":
        return buffer
    # The allocator of pinned memory gives it to nobody else before the copy has happened.
    pinned = buffer.pin_memory() if device.type == "cuda" else buffer
    return pinned.to(device, non_blocking=True)


def to_host(tensor: torch.Tensor) -> torch.Tensor:
    """Copy a tensor of a device to the host, once all work that has been queued there is done."""
    return tensor.cpu()


def _tensor_at(buffer: torch.Tensor, place: Place) -> torch.Tensor:
    dtype = getattr(torch, place.dtype)
    stop = place.start + int(np.prod(place.shape)) * dtype.itemsize
    return buffer[place.start : stop].view(dtype).view(place.shape)


def _array_at(buffer: Array, place: Place) -> Array:
    dtype = np.dtype(place.dtype)
    stop = place.start + int(np.prod(place.shape)) * dtype.itemsize
    return buffer[place.start : stop].view(dtype).reshape(place.shape)


def _name_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
