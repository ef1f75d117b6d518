"""Describe tensors by address and strides, as the kernels take them (csrc/sieve_plan.h)."""

from __future__ import annotations

from typing import NamedTuple

import torch

# Values of `Dtype` in csrc/sieve_plan.h; float64 is missing because no kernel reads it.
DTYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}


class Address(NamedTuple):
    """Where a (batch, head, row, column) tensor lies; strides in elements, the last one 1."""

    address: int
    dtype: int
    batch_stride: int
    head_stride: int
    row_stride: int


def address_of(tensor: torch.Tensor, *, of_all: bool = False) -> Address:
    """Return the address of a tensor; `of_all`: its one sequence serves the whole batch."""
    # A batch stride of 0 makes every sequence of the batch read the same one, without a copy.
    batch, head, row, _ = tensor.stride()
    return Address(tensor.data_ptr(), DTYPES[tensor.dtype], 0 if of_all else batch, head, row)
