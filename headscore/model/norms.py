"""Norms: how much each key would add to a head's output, whatever attention it gets.

Kobayashi et al. 2020, "Attention is not only a weight" (arXiv 2004.10102): the output of head h for
query i is the sum over keys j of a_ij f(x_j), where f(x) is the value of the head times its slice
of the output projection. ``||a_ij f(x_j)|| = a_ij ||f(x_j)||``, so the norms weigh the columns of
the attention, which is adding their logarithm to the logits of each key.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch

from headscore.errors import InputError
from headscore.model import attach
from headscore.model.route import run_trial

_ROUNDING = 0.05  # of bfloat16, with room; a gate turns a vector by far more
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
        self._model = model
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

    def check_reached(self) -> None:
        """Check that nothing stands between attention and the projections of a routed model.

        The norms of what keys add tell nothing where a gate or a normalisation of each query
        comes first.

        Raises
        ------
        InputError
            Something does.
        """
        with ExitStack() as stack, attach.listening(_Reaching(self, stack)):
            run_trial(self._model, (1, 1))

    def _factor(self, module: torch.nn.Module, heads: int, size: int) -> torch.Tensor:
        """Return (head, d, d): R^T of each slice of the projection, W = Q R, for ||W v|| = ||R v||.

        Found once for each module.
        """
        if id(module) not in self._factors:
            weight = _weight_of(self.projection(module, heads * size))
            slices = weight.reshape(-1, heads, size).transpose(0, 1)  # (head, out, d)
            self._factors[id(module)] = torch.linalg.qr(slices).R.transpose(1, 2).contiguous()
        return self._factors[id(module)]

    def projection(self, module: torch.nn.Module, width: int) -> torch.nn.Module:
        """Return the output projection of an attention module; raises as `log_norms`."""
        own = [getattr(module, name, None) for name in _NAMES]
        for each in (*own, self._beside.get(id(module))):
            if isinstance(each, torch.nn.Module) and _width(each) == width:
                return each
        raise InputError(
            f"weights 'norm' need the output projection of the attention, "
            f"{type(module).__name__} has none where it is looked for ({', '.join(_NAMES)})"
        )


class _Reaching:
    """Listens to attention over a single token, which is its value, times one factor a head.

    What reaches the projection must be that. The factor is 1 but where there are sinks or a gate
    for the whole head, and does no harm: it is the same for all keys.
    """

    def __init__(self, norms: OutputNorms, stack: ExitStack) -> None:
        self._norms = norms
        self._stack = stack

    def attending(self, module: torch.nn.Module, query: torch.Tensor, *others: Any) -> None:
        _, value, *_ = others
        heads, size = query.shape[1], value.shape[3]
        made = value.repeat_interleave(heads // value.shape[1], dim=1)[:, :, 0].double()
        projection = self._norms.projection(module, heads * size)

        def compare(_: torch.nn.Module, inputs: tuple[Any, ...]) -> None:
            handle.remove()
            if not _proportional(inputs[0].reshape(made.shape).double(), made):
                raise InputError(
                    "weights 'norm' need attention to reach its output projection as it is, "
                    f"{type(module).__name__} has a gate or a normalisation between them"
                )

        handle = projection.register_forward_pre_hook(compare)
        self._stack.callback(handle.remove)


def _proportional(vectors: torch.Tensor, others: torch.Tensor) -> bool:
    """Whether each vector along the last axis is a multiple of the other."""
    lengths = others.square().sum(-1, keepdim=True).clamp_min(torch.finfo(others.dtype).tiny)
    apart = vectors - (vectors * others).sum(-1, keepdim=True) / lengths * others
    return bool((apart.norm(dim=-1) <= _ROUNDING * vectors.norm(dim=-1)).all())


def _width(module: torch.nn.Module) -> int | None:
    """Return how many numbers a linear module reads; None for another module."""
    weight = getattr(module, "weight", None)
    linear = isinstance(weight, torch.Tensor) and weight.ndim == 2
    return _weight_of(module).shape[1] if linear else None


def _weight_of(projection: torch.nn.Module) -> torch.Tensor:
    """Return the weight of a projection in float32 or wider, (out, in)."""
    weight = projection.weight
    assert isinstance(weight, torch.Tensor)
    if type(projection).__name__ == "Conv1D":  # GPT-2 keeps it transposed
        weight = weight.T
    return weight.detach().to(torch.promote_types(weight.dtype, torch.float32))
