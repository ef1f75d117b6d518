"""Norms: how much each key would add to a head's output, whatever attention it gets.

Kobayashi et al. 2020, "Attention is not only a weight" (arXiv 2004.10102): the output of head h for
query i is the sum over keys j of a_ij f(x_j), where f(x) is the value of the head times its slice
of the output projection. ``||a_ij f(x_j)|| = a_ij ||f(x_j)||``, so the norms weigh the columns of
the attention, which is adding their logarithm to the logits of each key.
"""

from __future__ import annotations

from typing import Any

import torch

from headscore.errors import InputError

_NAMES = ("o_proj", "out_proj", "c_proj", "dense", "Wo", "wo", "out_lin", "o")


class OutputNorms:
    """The norms ||f(x)|| of a model's values.

    Parameters
    ----------
    model
        A transformers model whose output projections can be found: in the attention module, or
        beside it as ``output.dense`` (BERT).
    """

    def __init__(self, model: Any) -> None:
        self._beside = {
            id(child): getattr(getattr(parent, "output", None), "dense", None)
            for parent in model.modules()
            for child in parent.children()
        }
        self._factors: dict[int, torch.Tensor] = {}

    def log_norms(
        self, module: torch.nn.Module, value__bhkd: torch.Tensor, heads: int
    ) -> torch.Tensor:
        """Return the log of each key's norm in each head.

        Parameters
        ----------
        module
            The attention module.
        value__bhkd
            (batch, Hkv, T, d), with their bias.
        heads
            Query heads, a multiple of Hkv.

        Returns
        -------
        float32 (batch, heads, T)

        Raises
        ------
        InputError
            The output projection is not where it is looked for.
        """
        factor = self._factor(module, heads, value__bhkd.shape[-1])
        group = heads // value__bhkd.shape[1]
        value = value__bhkd.to(factor.dtype).repeat_interleave(group, dim=1)
        norms = torch.linalg.vector_norm(value @ factor, dim=-1)
        log_norms: torch.Tensor = norms.clamp_min(torch.finfo(factor.dtype).tiny).log()
        return log_norms.float()

    def _factor(self, module: torch.nn.Module, heads: int, size: int) -> torch.Tensor:
        """Return (head, d, d): R^T of each slice of the projection, W = Q R, for ||W v|| = ||R v||.

        Found once for each module.
        """
        if id(module) not in self._factors:
            weight = self._projection(module, heads * size)
            slices = weight.reshape(-1, heads, size).transpose(0, 1)  # (head, out, d)
            self._factors[id(module)] = torch.linalg.qr(slices).R.transpose(1, 2).contiguous()
        return self._factors[id(module)]

    def _projection(self, module: torch.nn.Module, width: int) -> torch.Tensor:
        """Return the output projection in float32 or wider, (out, heads * d)."""
        own = [getattr(module, name, None) for name in _NAMES]
        for each in (*own, self._beside.get(id(module))):
            weight = getattr(each, "weight", None)
            if not isinstance(weight, torch.Tensor) or weight.ndim != 2:
                continue
            if type(each).__name__ == "Conv1D":  # GPT-2 keeps it transposed
                weight = weight.T
            if weight.shape[1] == width:
                return weight.detach().to(torch.promote_types(weight.dtype, torch.float32))
        raise InputError(
            f"weights 'norm' need the output projection of the attention, "
            f"{type(module).__name__} has none where it is looked for ({', '.join(_NAMES)})"
        )
