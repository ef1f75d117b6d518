"""Read which keys the queries of a layer may attend to, where that must be one of the patterns."""

from __future__ import annotations

import torch

from headscore.errors import InputError
from headscore.model.masks import Sight, read


def read_checked(
    module: torch.nn.Module, mask: torch.Tensor | None, real__bt: torch.Tensor, *, causal: bool
) -> Sight:
    """Read the mask of a layer; waits for the device.

    Parameters
    ----------
    module
        The attention module.
    mask, causal
        As in `headscore.model.masks.read`.
    real__bt
        Bool (batch, T), the tokens that are not padding.

    Raises
    ------
    InputError
        The mask has another pattern, or padding is attended to.
    """
    sight = read(mask, causal=causal)
    if sight is None:
        raise not_supported(module, "a mask that is neither causal, full nor a window")
    if _padding_is_attended(sight, real__bt):
        raise not_supported(module, "padding that is attended to")
    return sight


def not_supported(module: torch.nn.Module, what: str) -> InputError:
    """Return the error for attention that has something that no sieve is defined for."""
    return InputError(
        f"attention with {what} cannot be read by this version, {type(module).__name__} has it"
    )


def _padding_is_attended(sight: Sight, real__bt: torch.Tensor) -> bool:
    if sight.real is not None:
        return not bool((sight.real.cpu() == real__bt.cpu()).all())
    if sight.visibility.causal:
        # Right padding comes after every real query: causality alone excludes it. A real token
        # after padding (0 before 1) would attend to it.
        return bool((real__bt[:, :-1] < real__bt[:, 1:]).any())
    return not bool(real__bt.all())
