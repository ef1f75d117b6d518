"""Addresses and strides of tensors, as the compiled kernels take them (csrc/sieve_plan.h)."""

from __future__ import annotations

from typing import NamedTuple

import torch

DTYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}


class Address(NamedTuple):
    """Where a (batch, head, row, column) tensor lies; strides in elements, the last one 1."""

    address: int
    dtype: int
    batch_stride: int
    head_stride: int
    row_stride: int


def address_of(tensor: torch.Tensor, *, of_all: bool = False) -> Address:
    """Return where a tensor lies; `of_all`: its one sequence serves the whole batch."""
    batch, head, row, _ = tensor.stride()
    return Address(tensor.data_ptr(), DTYPES[tensor.dtype], 0 if of_all else batch, head, row)
