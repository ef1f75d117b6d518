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
        sights = [
            (layer, causal, _NO_WINDOW if window is None else window)
            for layer, (causal, window) in self.visibilities.items()
        ]
        layers = list(self.means)
        return {
            "norms": self.norms,
            "clean": self.clean,
            "visibilities": np.array(sights, np.int64).reshape(-1, 3),
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

    Raises
    ------
    InputError
        The metric is the loss of the next token, which the model's attention sees.
    """
    setting = passes.setting
    sums = HeadSums(setting.projections)
    visibilities = list(setting.model.route.visibilities)
    clean = np.full(len(setting.encoded), np.nan)
    for rows in setting.batches():
        batch = passes.batch(rows)
        # The first batch is the longest: a window that does not show in it shows in none.
        reading = (
            nullcontext()
            if visibilities
            else hook.listening(_Reading(batch.real__bt, visibilities))
        )
        with sums.adding(batch.real__bt), reading:
            clean[rows] = passes.clean(batch).values
        if setting.metric.next_token:
            _check_causal(visibilities, setting.metric.name)
        advance(len(rows))
    by_layer = dict(zip(setting.model.route.layers, visibilities, strict=True))
    return Pilot(sums.norms(setting.model), sums.means(), by_layer, clean)


def _check_causal(visibilities: Sequence[Visibility], metric: str) -> None:
    """Raise InputError where tokens see the next one, so that to predict it shows nothing."""
    full = sum(not each.causal for each in visibilities)
    if full:
        raise InputError(
            f"metric {metric!r} needs causal attention, got {full} of {len(visibilities)} layers "
            "in which a token sees the next one"
        )


class _Reading:
    """Listens to a pass and reads which keys each attention may see."""

    def __init__(self, real__bt: torch.Tensor, visibilities: list[Visibility]) -> None:
        self._real, self._visibilities = real__bt, visibilities

    def attending(
        self,
        module: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        mask: torch.Tensor | None,
        scaling: float | None,
        options: dict[str, Any],
    ) -> None:
        """Read the mask of an attention."""
        del query, key, value, scaling
        causal = hook.is_causal(module, options)
        sight = read_checked(module, mask, self._real, causal=causal)
        self._visibilities.append(sight.visibility)
