"""Set the mode of a model for a run: eager attention, or no training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from headscore.model import hook


@contextmanager
def eager(model: Any, *, scored: bool = True) -> Iterator[None]:
    """Set a model's attention to eager; restore its implementation afterwards.

    See `hook.routed` for `scored`.
    """
    # By the config: `set_attn_implementation` is for classes that use the interface.
    with hook.claimed(model) if scored else nullcontext():
        before = model.config._attn_implementation
        model.config._attn_implementation = "eager"
        try:
            yield
        finally:
            model.config._attn_implementation = before


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Put a model in eval mode; restore the mode of every module afterwards."""
    # Module by module: a user may have frozen some of them in eval mode.
    training = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in training:
            module.training = mode
