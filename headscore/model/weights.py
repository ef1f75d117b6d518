"""Read the weights of a model one at a time: plain, quantised, packed or offloaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch.utils._python_dispatch import is_traceable_wrapper_subclass

from headscore.model.devices import hooks_of

Piece = tuple[str, "torch.Tensor | bytes | None"]


def pieces(network: Any) -> Iterator[Piece]:
    """Yield every weight of a model with its name, in the order of names.

    Parameters
    ----------
    network
        A torch module.

    Yields
    ------
    tuple of str and torch.Tensor or bytes or None
        A plain tensor; several with a longer name where a weight consists of these (quantised
        numbers with their scales); bytes for what is no tensor; None for what cannot be read.
    """
    stored = [
        (path, hook.weights_map)
        for path, module in network.named_modules()
        for hook in hooks_of(module)
        if getattr(hook, "weights_map", None) is not None
    ]
    for name, weight in sorted(network.state_dict().items()):
        yield from _pieces(name, _loaded(name, weight, stored))


def _loaded(name: str, weight: Any, stored: list[tuple[str, Mapping[str, Any]]]) -> Any:
    """Return a weight, from where accelerate keeps it if it has no data in the module itself."""
    if not isinstance(weight, torch.Tensor) or not weight.is_meta:
        return weight
    # The names in the map of a module are relative to it.
    for path, weights in stored:
        prefix = f"{path}." if path else ""
        if not name.startswith(prefix):
            continue
        try:
            return weights[name.removeprefix(prefix)]
        except KeyError:
            continue  # of a part that has its own map
    return weight


def _pieces(name: str, value: Any) -> Iterator[Piece]:
    """Yield what a value of a state dict consists of."""
    if isinstance(value, torch.Tensor):
        yield from _of_tensor(name, value)
    elif isinstance(value, Mapping):
        for key in sorted(value, key=str):
            yield from _pieces(f"{name}.{key}", value[key])
    elif isinstance(value, tuple | list):
        for number, each in enumerate(value):
            yield from _pieces(f"{name}.{number}", each)
    elif value is None or isinstance(value, bool | int | float | str | torch.dtype):
        yield name, repr(value).encode()
    else:
        yield name, None


def _of_tensor(name: str, tensor: torch.Tensor) -> Iterator[Piece]:
    if tensor.is_meta:
        yield name, None
    elif is_traceable_wrapper_subclass(tensor):
        inner, _ = tensor.__tensor_flatten__()
        yield f"{name}.class", type(tensor).__name__.encode()
        for attribute in inner:
            yield from _pieces(f"{name}.{attribute}", getattr(tensor, attribute))
    elif tensor.is_quantized:
        yield f"{name}.integers", tensor.int_repr()
        yield from _pieces(f"{name}.scales", _scales(tensor))
    elif tensor.layout != torch.strided:
        yield f"{name}.{tensor.layout}", tensor.to_dense()
    else:
        yield name, tensor


def _scales(tensor: torch.Tensor) -> tuple[Any, Any]:
    """Return scale and zero point of a quantised tensor, for each channel where they differ."""
    if tensor.qscheme() in (torch.per_tensor_affine, torch.per_tensor_symmetric):
        return tensor.q_scale(), tensor.q_zero_point()
    return tensor.q_per_channel_scales(), tensor.q_per_channel_zero_points()
