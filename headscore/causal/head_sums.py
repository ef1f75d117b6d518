"""Sum up the outputs of every head over the tokens of a corpus."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import numpy as np
import torch

from headscore.arrays import Floats
from headscore.model.load import Model
from headscore.model.norms import output_factor
from headscore.model.projections import Projection


@dataclass
class HeadSums:
    """Sums over the tokens of the outputs and output norms of every head.

    Attributes
    ----------
    projections
        The output projections of the model, in the order of the pass.
    """

    projections: Sequence[Projection]
    _factors: dict[torch.nn.Module, torch.Tensor] = field(default_factory=dict)
    _outputs: dict[int, torch.Tensor] = field(default_factory=dict)
    _norms: dict[int, torch.Tensor] = field(default_factory=dict)
    _tokens: int = 0

    @contextmanager
    def adding(self, real__bt: torch.Tensor) -> Iterator[None]:
        """Add the real tokens of one pass inside the block."""
        self._tokens += int(real__bt.sum())
        # Layers may share a module: its calls within a pass belong to its layers in order.
        waiting: dict[torch.nn.Module, list[Projection]] = defaultdict(list)
        for projection in self.projections:
            waiting[projection.module].append(projection)
        with ExitStack() as stack:
            for module in waiting:

                def add(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> None:
                    self._add(waiting[module].pop(0), inputs[0][real__bt])

                stack.callback(module.register_forward_pre_hook(add).remove)
            yield

    def _add(self, projection: Projection, outputs: torch.Tensor) -> None:
        """Add the outputs of one layer, (token, heads * size)."""
        layer, heads, size = projection.layer, projection.heads, projection.size
        if projection.module not in self._factors:
            self._factors[projection.module] = output_factor(projection.module, heads, size)
        each = outputs.reshape(-1, heads, size).float()
        added = each.transpose(0, 1) @ self._factors[projection.module].float()
        norms = torch.linalg.vector_norm(added, dim=-1)  # (head, token)
        self._outputs[layer] = self._outputs.get(layer, 0) + _sum(each, 0)
        self._norms[layer] = self._norms.get(layer, 0) + _sum(norms, 1)

    def means(self) -> dict[int, torch.Tensor]:
        """Return the mean output of each head: layer -> float32 (head, size)."""
        return {layer: (total / self._tokens).float() for layer, total in self._outputs.items()}

    def norms(self, model: Model) -> Floats:
        """Return the mean output norm of each head, (layer, head)."""
        found = np.full((model.layers, model.heads), np.nan)
        for layer, total in self._norms.items():
            found[layer, : len(total)] = (total / self._tokens).numpy()
        return found


def _sum(numbers: torch.Tensor, axis: int) -> torch.Tensor:
    """Return the sum along an axis, float64 on the CPU."""
    # Summed on CUDA devices, so that little is copied; others, such as mps, may lack float64.
    wide = numbers if numbers.device.type == "cuda" else numbers.cpu()
    return wide.double().sum(axis).cpu()
