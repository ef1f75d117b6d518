"""Intercept the attention weights that a model's modules return, one layer at a time.

For models whose attention does not pass through transformers' interface. A layer's T x T weights
are passed to a callback when its module returns them and replaced by a stub, so that the weights
of only one layer exist at a time.
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
    shape: tuple[int, int, int],
    take: Taker,
    *,
    keep: bool = False,
) -> Iterator[None]:
    """Call `take` with every attention weight that a module returns, inside the block.

    Parameters
    ----------
    modules
        The modules to hook. A module around another one receives the stub, not the weights.
    shape
        Batch, number of queries and number of keys.
    take
        Called with the module and its weights (batch, head, q, k).
    keep
        Do not replace the weights; where several modules return the same tensor, only the first
        call counts.
    """
    # With `keep` only; the list keeps tensors alive, so that `is` cannot match a new one by chance.
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
            # The stub keeps four axes for modules around this one that transpose or index them.
            stub = each.new_zeros(1, 1, 1, 1)
            return (*output[:place], stub, *output[place + 1 :])
        return None

    with ExitStack() as stack:
        for module in modules:
            stack.enter_context(module.register_forward_hook(hook))
        yield


def _weights(value: object, shape: tuple[int, int, int]) -> torch.Tensor | None:
    """Return a value as weights (batch, head, q, k), None if its shape is not that of weights.

    XLNet's are (q, k, batch, head).
    """
    # Shape alone decides: the trial and each batch have T tokens, a hidden state has three axes.
    batch, *tokens = shape
    if not isinstance(value, torch.Tensor) or value.ndim != 4:
        return None
    if value.shape[0] == batch and value.shape[2:] == torch.Size(tokens):
        return value
    if value.shape[2] == batch and value.shape[:2] == torch.Size(tokens):
        return value.permute(2, 3, 0, 1)
    return None
