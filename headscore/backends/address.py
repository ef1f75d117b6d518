"""Describe tensors by address and strides, as the kernels take them (csrc/sieve_plan.h)."""

from __future__ import annotations

from typing import TypeAlias

import torch

# Values of `Dtype` in csrc/sieve_plan.h; float64 is missing because no kernel reads it.
DTYPES = {torch.float32: 0, torch.bfloat16: 1, torch.float16: 2}

# Where a (batch, head, row, column) tensor lies: address, dtype, and strides of batch, head and
# row, in elements; that of a column is 1. A plain tuple, since each layer makes several.
Address: TypeAlias = tuple[int, int, int, int, int]


def address_of(tensor: torch.Tensor, *, of_all: bool = False) -> Address:
    """Return the address of a tensor; `of_all`: its one sequence serves the whole batch."""
    # A batch stride of 0 makes every sequence of the batch read the same one, without a copy.
    batch, head, row, _ = tensor.stride()
    return tensor.data_ptr(), DTYPES[tensor.dtype], 0 if of_all else batch, head, row


def address_or_0(tensor: torch.Tensor | None) -> int:
    """Return the address of an output, 0 of one that is not wanted."""
    return 0 if tensor is None else tensor.data_ptr()
