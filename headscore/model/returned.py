"""Attention weights that a model's modules return, one layer at a time.

For models whose attention does not pass through transformers' interface. A layer's T x T weights
are handed on when its module returns them, and a stub takes their place, so that no two layers'
weights exist at a time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch

Taker = Callable[[torch.nn.Module, torch.Tensor], None]


@contextmanager
def taking(
    modules: Iterable[torch.nn.Module],
    shape: tuple[int, int],
    take: Taker,
    *,
    keep: bool = False,
) -> Iterator[None]:
    """Hand every attention weight that a module returns to `take`.

    Parameters
    ----------
    modules
        Where to look; what a module has handed over, one around it does not see.
    shape
        Batch and T of the inputs.
    take
        Called with the module and its weights (batch, head, T, T).
    keep
        Leave the weights where they are; of all that pass them on only the first is taken.
    """
    taken: list[torch.Tensor] = []

    def hook(module: torch.nn.Module, _: Any, output: Any) -> Any:
        if not isinstance(output, tuple | list):
            return None
        for place, each in enumerate(output):
            weights = _weights(each, shape)
            if weights is None or any(each is one for one in taken):
                continue
            take(module, weights)
            if keep:
                taken.append(each)
                return None
            stub = each.new_zeros(1, 1, 1, 1)
            return (*output[:place], stub, *output[place + 1 :])
        return None

    with ExitStack() as stack:
        for module in modules:
            stack.enter_context(module.register_forward_hook(hook))
        yield


def _weights(value: object, shape: tuple[int, int]) -> torch.Tensor | None:
    """Return (batch, head, T, T) where the value is such, or (T, T, batch, head) as XLNet's."""
    batch, tokens = shape
    if not isinstance(value, torch.Tensor) or value.ndim != 4:
        return None
    if value.shape[0] == batch and value.shape[2:] == (tokens, tokens):
        return value
    if value.shape[2] == batch and value.shape[:2] == (tokens, tokens):
        return value.permute(2, 3, 0, 1)
    return None
