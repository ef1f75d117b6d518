"""A metric that is a function of the user."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import torch

from headscore.arrays import Bools, Floats
from headscore.causal.change import Change, Clean, Inputs
from headscore.encoding.encoded import Encoded
from headscore.errors import InputError

Function: TypeAlias = Callable[[Any, Inputs], Any]


@dataclass(frozen=True)
class UserMetric:
    """A function of the outputs and inputs of a pass."""

    function: Function
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name of the function."""
        return str(getattr(self.function, "__name__", type(self.function).__name__))

    @property
    def unit(self) -> str:
        """Name of the function."""
        return self.name

    def inputs(self, inputs: Inputs, _batch: Encoded) -> Inputs:
        """Return the inputs as they are."""
        return inputs

    def clean(self, outputs: Any, inputs: Inputs, batch: Encoded) -> Clean:
        """Return the numbers of the clean pass, and the inputs."""
        none = np.zeros(0, np.int64)
        return Clean(self._values(outputs, inputs, len(batch)), none, none, inputs)

    def arm(self, outputs: Any, clean: Clean, _rows: Bools) -> Change:
        """Return the numbers after minus before."""
        delta = self._values(outputs, clean.kept, len(clean.values)) - clean.values
        unknown = np.full(len(delta), np.nan)
        return Change(delta, unknown, unknown, unknown)

    def _values(self, outputs: Any, inputs: Inputs, batch: int) -> Floats:
        found = self.function(outputs, inputs)
        if isinstance(found, torch.Tensor):
            found = found.detach().cpu().double().numpy()
        try:
            values = np.asarray(found, np.float64)
        except (TypeError, ValueError):
            values = None
        if values is None or values.shape != (batch,):
            got = type(found).__name__ if values is None else values.shape
            raise InputError(f"metric must return {batch} numbers, one a sequence, got {got}")
        return values
