"""Find the device and dtype of a model, also of one whose weights are offloaded."""

from __future__ import annotations

import itertools
from typing import Any

import torch

from headscore.errors import InputError


def device_of(model: Any) -> torch.device:
    """Return the device that a model reads token ids on.

    Raises
    ------
    InputError
        Its weights have no data, as those that accelerate's ``init_empty_weights`` makes.
    """
    first = next(_tensors(model), None)
    if first is not None and not first.is_meta and not hasattr(model, "_hf_hook"):
        return first.device
    # accelerate keeps offloaded weights on "meta" and brings them to the device of a hook.
    hooks = (each for module in model.modules() for each in hooks_of(module))
    for hook in hooks:
        if getattr(hook, "execution_device", None) is not None:
            return torch.device(hook.execution_device)
    if first is None or first.is_meta:
        found = "none" if first is None else "weights on 'meta'"
        raise InputError(f"{type(model).__name__} must have weights with data, got {found}")
    return first.device


def hooks_of(module: Any) -> tuple[Any, ...]:
    """Return the hooks by which accelerate moves the weights of a module."""
    hook = getattr(module, "_hf_hook", None)
    return () if hook is None else tuple(getattr(hook, "hooks", (hook,)))


def offload_again(model: Any) -> None:
    """Offload the weights that a pass which ended early has left on the device."""
    for module in model.modules():
        for hook in hooks_of(module):
            # The attribute is there once weights were brought to the device.
            if getattr(hook, "offload", False) and hasattr(hook, "tied_pointers_to_remove"):
                hook.post_forward(module, None)


def dtype_of(model: Any) -> torch.dtype:
    """Return the dtype of the first weight that is a floating-point number; float32 without one."""
    found = (tensor.dtype for tensor in _tensors(model) if tensor.is_floating_point())
    return next(found, torch.float32)


def _tensors(model: Any) -> itertools.chain[torch.Tensor]:
    return itertools.chain(model.parameters(), model.buffers())
