"""Pilot: what the clean model does on the corpus, found in one pass over it before the arms."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from headscore.model.masks import read
from headscore.model.route import Route

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
    sums, seen = HeadSums(setting.projections), Visibilities(setting.model.route)
    clean = np.full(len(setting.encoded), np.nan)
    for rows in setting.batches():
        batch = passes.batch(rows)
        # The first batch is the longest: a window that does not show in it shows in none.
        reading = hook.listening(seen) if seen.unknown else nullcontext()
        with sums.adding(batch.real__bt), reading:
            clean[rows] = passes.clean(batch).values
        advance(len(rows))
    return Pilot(sums.norms(setting.model), sums.means(), seen.by_layer(), clean)


class Visibilities:
    """Listens to a pass and reads which keys each attention may see."""

    def __init__(self, route: Route) -> None:
        self._layers = route.layers
        self._found = list(route.visibilities)

    @property
    def unknown(self) -> bool:
        """Whether no pass has shown them yet."""
        return not self._found

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
        sight = read(mask, causal=hook.is_causal(module, options))
        if sight is None:
            raise InputError(
                "attention must have a causal, full or sliding mask, "
                f"{type(module).__name__} has another one"
            )
        self._found.append(sight.visibility)

    def by_layer(self) -> dict[int, Visibility]:
        """Return the visibility of each layer."""
        return dict(zip(self._layers, self._found, strict=True))
