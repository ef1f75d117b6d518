"""Read which tokens of a batch are real from the call of a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from headscore.errors import InputError
from headscore.model import hook
from headscore.model.arguments import arguments_of
from headscore.model.calls import watching


class CalledMask:
    """The attention mask that a model is called with, while its pass runs."""

    def __init__(self) -> None:
        self._running = False
        self._real__bt: torch.Tensor | None = None

    def __call__(self) -> torch.Tensor | None:
        """Return bool (batch, T), the real tokens of the running pass; None: all are.

        Raises
        ------
        InputError
            No pass of the model runs: a part of it was called.
        """
        if not self._running:
            raise InputError(
                "the model that is ablated must be called itself, got a call of a part of it, "
                "which does not show what is padding"
            )
        return self._real__bt

    @contextmanager
    def reading(self, model: Any) -> Iterator[None]:
        """Read the mask of every pass of a model inside the block."""
        with watching(model, self._before, self._after):
            yield

    def _before(self, module: Any, arguments: Any, options: dict[str, Any]) -> None:
        if hook.in_trial():
            return
        given = arguments_of(module, arguments, options)
        if given.get("past_key_values") is not None:
            raise InputError(
                "each pass must read whole sequences, got past_key_values: with a cache, heads can "
                "be replaced by zeros or by given means"
            )
        self._real__bt = _real(given.get("attention_mask"))
        self._running = True

    def _after(self, *_: Any) -> None:
        if not hook.in_trial():
            self._running = False


def _real(mask: Any) -> torch.Tensor | None:
    """Return an attention mask as bool (batch, T)."""
    if mask is None:
        return None
    if not isinstance(mask, torch.Tensor) or mask.ndim != 2:
        got = tuple(mask.shape) if isinstance(mask, torch.Tensor) else type(mask).__name__
        raise InputError(f"attention_mask must be a tensor (batch, T), got {got}")
    return mask.bool()
