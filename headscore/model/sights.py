"""Read which keys the queries of a layer may attend to, where that must be one of the patterns."""

from __future__ import annotations

import torch

from headscore.errors import InputError
from headscore.model.hook import AttentionInputs, is_causal
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


def real_at(inputs: AttentionInputs, mask__bt: object) -> torch.Tensor:
    """Return the tokens that are not padding, from what the first attention is computed from.

    Parameters
    ----------
    inputs
        Of the first layer.
    mask__bt
        The attention mask that the model is called with, which counts only if it has one number
        for each token: that of sound counts samples.

    Returns
    -------
    bool (batch, T)

    Raises
    ------
    InputError
        The layer has a mask of another pattern.
    """
    shape = inputs.query.shape[0], inputs.query.shape[2]
    if isinstance(mask__bt, torch.Tensor) and mask__bt.shape == shape:
        return mask__bt.bool()
    sight = read(inputs.mask, causal=is_causal(inputs.module, inputs.options))
    if sight is None:
        raise not_supported(inputs.module, "a mask that is neither causal, full nor a window")
    if sight.real is None:
        return torch.ones(shape, dtype=torch.bool, device=inputs.query.device)
    return sight.real.expand(shape)


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
