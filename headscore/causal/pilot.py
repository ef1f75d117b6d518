"""Pilot: what the clean model does on the corpus, found in one pass over it before the arms."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from headscore.arrays import Array, Floats
from headscore.backends.contract import Visibility
from headscore.causal.head_sums import HeadSums
from headscore.causal.passes import Passes
from headscore.causal.token_loss import TokenLoss
from headscore.errors import InputError
from headscore.files import Field
from headscore.model import hook
from headscore.model.sights import read_checked

_NO_WINDOW = -1
# Axes of a file: s sequences, l layers, h heads; v, m, x are its own.
LAYOUT = {
    "norms": Field("float64", "lh"),
    "clean": Field("float64", "s"),
    "visibilities": Field("int64", "vc"),  # layer, causal, window
    "mean_shapes": Field("int64", "mc"),  # layer, heads, size
    "means": Field("float32", "x"),
}


@dataclass(frozen=True, eq=False)
class Pilot:
    """What the clean model does on the corpus.

    Attributes
    ----------
    norms
        float64 (layer, head): the mean over the tokens of the norm of what a head adds to the
        hidden states, after its output projection; NaN where there is no head.
    means
        Layer -> float32 (head, size): the mean output of each head before the projection.
    visibilities
        Visibility of each layer with attention, windows as in the longest batch.
    clean
        float64 (sequence,): the metric of the clean pass.
    """

    norms: Floats
    means: Mapping[int, torch.Tensor]
    visibilities: Mapping[int, Visibility]
    clean: Floats

    def arrays(self) -> dict[str, Array]:
        """Return it as the arrays of a file."""
        seen = [
            (layer, causal, _NO_WINDOW if window is None else window)
            for layer, (causal, window) in self.visibilities.items()
        ]
        layers = list(self.means)
        return {
            "norms": self.norms,
            "clean": self.clean,
            "visibilities": np.array(seen, np.int64).reshape(-1, 3),
            "mean_shapes": np.array([(n, *self.means[n].shape) for n in layers], np.int64),
            "means": torch.cat([self.means[n].flatten() for n in layers]).numpy(),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, Array]) -> Pilot:
        """Return what `arrays` has written."""
        means, rest = {}, torch.from_numpy(arrays["means"])
        for layer, heads, size in arrays["mean_shapes"].tolist():
            means[layer] = rest[: heads * size].reshape(heads, size)
            rest = rest[heads * size :]
        return cls(
            norms=arrays["norms"],
            means=means,
            visibilities={
                layer: Visibility(bool(causal), None if window == _NO_WINDOW else window)
                for layer, causal, window in arrays["visibilities"].tolist()
            },
            clean=arrays["clean"],
        )


def run_pilot(passes: Passes, advance: Callable[[int], Any]) -> Pilot:
    """Run the clean model over the corpus.

    Parameters
    ----------
    passes
        Of an attached model.
    advance
        Called with the number of sequences of each batch that is done.
    """
    setting = passes.setting
    sums = HeadSums(setting.projections)
    seen = list(setting.model.route.visibilities)
    clean = np.full(len(setting.encoded), np.nan)
    for rows in setting.batches():
        batch = passes.batch(rows)
        # The first batch is the longest: a window that does not show in it shows in none.
        reading = nullcontext() if seen else hook.listening(_Reading(batch.real__bt, seen))
        with sums.adding(batch.real__bt), reading:
            clean[rows] = passes.clean(batch).values
        _check_causal(passes, seen)
        advance(len(rows))
    by_layer = dict(zip(setting.model.route.layers, seen, strict=True))
    return Pilot(sums.norms(setting.model), sums.means(), by_layer, clean)


def _check_causal(passes: Passes, seen: Sequence[Visibility]) -> None:
    """Raise InputError where a model that is to predict the next token may see it."""
    metric = passes.setting.metric
    predicts_next = isinstance(metric, TokenLoss) and metric.mask is None
    if predicts_next and not all(each.causal for each in seen):
        raise InputError(
            f"metric {metric.name!r} needs a model whose tokens do not see the next ones, got "
            f"{type(passes.setting.model.network).__name__}: use masked_nll or cosine"
        )


class _Reading:
    """Listens to a pass and reads which keys each attention may see."""

    def __init__(self, real__bt: torch.Tensor, seen: list[Visibility]) -> None:
        self._real, self._seen = real__bt, seen

    def attending(self, inputs: hook.AttentionInputs) -> None:
        """Read the mask of an attention."""
        causal = hook.is_causal(inputs.module, inputs.options)
        sight = read_checked(inputs.module, inputs.mask, self._real, causal=causal)
        self._seen.append(sight.visibility)
