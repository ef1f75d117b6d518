"""A stand-in for a device without kernels: tensors of type mps that refuse float64.

Their data lie on the host, where every function of torch computes. Inside `working` factories such
as ``torch.arange(3, device="mps")`` and ``tensor.to("mps")`` make such tensors too.
"""

from contextlib import contextmanager

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

DEVICE = torch.device("mps")


class Far(torch.Tensor):
    """A tensor of the device; made by `put`."""

    @staticmethod
    def __new__(cls, host):
        """Refuse what the device refuses."""
        if host.dtype == torch.float64:
            raise TypeError("Cannot convert a MPS Tensor to float64 dtype")
        return torch.Tensor._make_wrapper_subclass(
            cls, host.shape, strides=host.stride(), dtype=host.dtype, device=DEVICE
        )

    def __init__(self, host):
        self.host = host

    @classmethod
    def __torch_dispatch__(cls, function, types, args=(), kwargs=None):
        return _computed(function, args, kwargs or {})

    def __repr__(self):
        return f"Far({self.host})"


class _Device(TorchFunctionMode):
    """Sends all computation to the host, since torch is built without the device."""

    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = kwargs or {}
        name = getattr(function, "__name__", "")
        if name == "__get__" or name in ("dim", "size", "stride", "is_floating_point"):
            return function(*args, **kwargs)
        if name == "data_ptr" and isinstance(args[0], Far):
            raise RuntimeError("the memory of the device cannot be read by the host")
        leaves = tree_leaves((args, kwargs))
        if not any(isinstance(each, Far) or _is_far(each) for each in leaves):
            return function(*args, **kwargs)
        if name == "cpu" or (name == "to" and any(map(_is_host, leaves))):
            return args[0].host.to(*(each for each in args[1:] if isinstance(each, torch.dtype)))
        return _computed(function, args, kwargs)


@contextmanager
def working():
    """Let the device be there."""
    with _Device():
        yield


def put(tensor):
    """Return a tensor on the device."""
    return Far(tensor)


def put_module(module):
    """Move the parameters and buffers of a module to the device."""
    for part in module.modules():
        for kept in (part._parameters, part._buffers):
            kept.update(
                {name: each if each is None else put(each.data) for name, each in kept.items()}
            )
    return module


def _computed(function, args, kwargs):
    """Return what a function returns, computed on the host, with its tensors on the device."""

    def to_host(value):
        return (
            value.host
            if isinstance(value, Far)
            else torch.device("cpu")
            if _is_far(value)
            else value
        )

    found = function(*tree_map(to_host, args), **tree_map(to_host, kwargs))
    return tree_map(lambda each: put(each) if isinstance(each, torch.Tensor) else each, found)


def _is_far(value):
    return isinstance(value, torch.device | str) and str(value).partition(":")[0] == DEVICE.type


def _is_host(value):
    return isinstance(value, torch.device | str) and str(value) == "cpu"
