"""The loss of a language model at the tokens that it predicts, and its divergence there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headscore.arrays import Bools
from headscore.causal import predictions
from headscore.causal.change import Change, Clean, Inputs, means, split
from headscore.causal.predictions import Predicted
from headscore.encoding.encoded import Encoded


@dataclass(frozen=True, kw_only=True)
class TokenLoss:
    """The loss of a language model in nats, and the divergence of its predictions.

    Attributes
    ----------
    name
        "nll" or "masked_nll"; "kl": the divergence itself.
    mask
        Id of the mask token of a masked model; None: a causal one.
    masked, seed
        As in `headscore.causal.predictions.masked_tokens`.
    """

    name: str
    mask: int | None
    masked: float
    seed: int
    unit: str = "nats a token"
    options: Mapping[str, Any] = field(default_factory=dict)

    def inputs(self, inputs: Inputs, batch: Encoded) -> Inputs:
        """Return the inputs, with tokens masked for a masked model."""
        if self.mask is None:
            return inputs
        return predictions.masked_inputs(inputs, self._predicted(batch), self.mask)

    def clean(self, outputs: Any, _inputs: Inputs, batch: Encoded) -> Clean:
        """Return the loss of every prediction, and the logits as they are."""
        chosen, logits = self._predicted(batch), outputs.logits
        if self.name == "kl":
            before = np.zeros(len(chosen.target))
        else:
            before = predictions.losses(logits, chosen)
        values = means(before, chosen.sequence, len(batch))
        return Clean(values, chosen.sequence, chosen.row, (chosen, before, logits))

    def arm(self, outputs: Any, clean: Clean, rows: Bools) -> Change:
        """Return the losses after minus before, and the divergence."""
        chosen, before, logits = clean.kept
        divergence = predictions.divergences(logits, outputs.logits, chosen)
        if self.name == "kl":
            delta = divergence
        else:
            delta = predictions.losses(outputs.logits, chosen) - before
        return split(delta, clean, rows, divergence)

    def _predicted(self, batch: Encoded) -> Predicted:
        if self.mask is None:
            return predictions.next_tokens(batch)
        return predictions.masked_tokens(batch, share=self.masked, seed=self.seed)
