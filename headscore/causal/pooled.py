"""The distance between the pooled outputs of an encoder in two passes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from headscore.arrays import Bools, Floats
from headscore.causal.change import Change, Clean, Inputs, split
from headscore.encoding.encoded import Encoded


@dataclass(frozen=True)
class Pooled:
    """1 - cosine between the outputs of both passes, averaged over the tokens.

    At rows it is the mean of 1 - cosine between the outputs of each token.
    """

    options: Mapping[str, Any]
    name: str = "cosine"
    unit: str = "1 - cosine"

    def inputs(self, inputs: Inputs, _batch: Encoded) -> Inputs:
        """Return the inputs as they are."""
        return inputs

    def clean(self, outputs: Any, _inputs: Inputs, batch: Encoded) -> Clean:
        """Return the outputs of the last layer; the metric of the clean pass is 0."""
        return Clean(np.zeros(len(batch)), *batch.places, self._states(outputs))

    def arm(self, outputs: Any, clean: Clean, rows: Bools) -> Change:
        """Return the distance from the clean pass, which is the divergence too."""
        sequence, row = (torch.from_numpy(each) for each in (clean.sequence, clean.row))
        both = [
            states[sequence.to(states.device), row.to(states.device)].cpu().double().numpy()
            for states in (clean.kept, self._states(outputs))
        ]
        # Sums have the direction of means. `add.reduceat`: the tokens of a sequence are neighbours.
        starts = np.flatnonzero(np.diff(clean.sequence, prepend=-1))
        pooled = _one_minus_cosine(*(np.add.reduceat(states, starts) for states in both))
        by_token = split(_one_minus_cosine(*both), clean, rows, np.zeros(len(sequence)))
        return by_token._replace(delta=pooled, divergence=pooled)

    def _states(self, outputs: Any) -> torch.Tensor:
        states: torch.Tensor = (
            outputs.hidden_states[-1] if self.options else outputs.last_hidden_state
        )
        return states


def _one_minus_cosine(before: Floats, after: Floats) -> Floats:
    # |u - v|^2 / 2 of unit vectors: exactly 0 for equal ones, which 1 - u . v is not.
    tiny = np.finfo(np.float64).tiny
    units = [
        each / np.maximum(np.linalg.norm(each, axis=-1, keepdims=True), tiny)
        for each in (before, after)
    ]
    return np.asarray(np.square(units[0] - units[1]).sum(-1) / 2)
