"""Compute norms: how much each key adds to a head's output per unit of attention.

Kobayashi et al. 2020, "Attention is not only a weight" (arXiv 2004.10102): the output of head h for
query i is the sum over keys j of a_ij f(x_j), where f(x) is the value of the head times its slice
of the output projection. ``||a_ij f(x_j)|| = a_ij ||f(x_j)||``, so the norms are factors of the
columns of the attention; adding their logarithm to the logits of each key has the same effect.
"""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import torch

from headscore.errors import InputError
from headscore.model import hook
from headscore.model.projections import NAMES, Search, is_transposed
from headscore.model.route import Route
from headscore.model.trial import run_trial

# Sine of the largest angle that rounding may turn a vector by: bfloat16 rounds by 2**-8 = 0.4 %,
# and a gate or a normalisation turns it by far more.
_ROUNDING = 0.05


class OutputNorms:
    """The norms ||f(x)|| of a model's values.

    Parameters
    ----------
    model
        A transformers model whose output projections are in the attention module, or beside it as
        ``output.dense`` (BERT).
    route
        Which attention of it is scored.
    paired
        Whether it reads a source and a target.
    """

    def __init__(self, model: Any, route: Route, *, paired: bool = False) -> None:
        self._model = model
        self._route = route
        self._paired = paired
        self._search = Search(model)
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
            The output projection is in none of these places.
        """
        factor = self._factor(module, heads, value__bhkd.shape[-1])
        # Value heads are repeated for their group of query heads: the values are shared, but each
        # query head has its own slice of the projection. (b, h, k, d) @ (h, d, d).
        group = heads // value__bhkd.shape[1]
        value = value__bhkd.to(factor.dtype).repeat_interleave(group, dim=1)
        norms = torch.linalg.vector_norm(value @ factor, dim=-1)
        # A zero norm would become -inf and, where all keys have it, a row without attention.
        log_norms: torch.Tensor = norms.clamp_min(torch.finfo(factor.dtype).tiny).log()
        return log_norms.float()

    def check_reached(self) -> None:
        """Check that the attention output reaches the projections of a routed model unchanged.

        With a gate or a normalisation of each query in between, the output is not a sum of
        a_ij f(x_j), and the norms have no meaning.

        Raises
        ------
        InputError
            A projection receives something else.
        """
        with ExitStack() as stack, hook.listening(_Reaching(self, stack), self._route.modules):
            run_trial(self._model, (1, 1), paired=self._paired)

    def _factor(self, module: torch.nn.Module, heads: int, size: int) -> torch.Tensor:
        """Return the factor of the module's output projection, cached by module."""
        if id(module) not in self._factors:
            projection = self.projection(module, heads * size)
            self._factors[id(module)] = output_factor(projection, heads, size)
        return self._factors[id(module)]

    def projection(self, module: torch.nn.Module, width: int) -> torch.nn.Module:
        """Return the output projection of an attention module; raises as `log_norms`."""
        found = self._search.of(module, lambda size: size == width)
        if found is None or _weight_of(found).shape[-1] != width:
            raise InputError(
                "weights 'norm' need the weight of the attention's output projection, "
                f"{type(module).__name__} has none where it is looked for ({', '.join(NAMES)})"
            )
        return found


def output_factor(projection: torch.nn.Module, heads: int, size: int) -> torch.Tensor:
    """Return (head, d, d): R^T of each head's slice W = Q R of an output projection.

    Q has orthonormal columns, so ||W v|| = ||R v||, with d x d numbers instead of out x d.
    """
    # Columns h d .. (h + 1) d - 1 of the weight (out, in) multiply the output of head h.
    slices = _weight_of(projection).reshape(-1, heads, size).transpose(0, 1)  # (head, out, d)
    factor: torch.Tensor = torch.linalg.qr(slices).R.transpose(1, 2).contiguous()
    return factor


class _Reaching:
    """Compares the projection's input with the attention output in a pass over a single token.

    Attention over one token returns its value, times one factor per head: 1 except with sinks or a
    gate on the whole head. Such a factor is the same for all keys and does not matter.
    """

    def __init__(self, norms: OutputNorms, stack: ExitStack) -> None:
        self._norms = norms
        self._stack = stack

    def attending(self, inputs: hook.AttentionInputs) -> None:
        module, query, value = inputs.module, inputs.query, inputs.value
        heads, size = query.shape[1], value.shape[3]
        # (batch, head, d): the value of the only token, repeated for the group of query heads.
        made = value.repeat_interleave(heads // value.shape[1], dim=1)[:, :, 0].cpu().double()
        projection = self._norms.projection(module, heads * size)

        def compare(_: torch.nn.Module, given: tuple[Any, ...]) -> None:
            handle.remove()
            if not _proportional(given[0].reshape(made.shape).cpu().double(), made):
                raise InputError(
                    "weights 'norm' need attention to reach its output projection as it is, "
                    f"{type(module).__name__} has a gate or a normalisation between them"
                )

        handle = projection.register_forward_pre_hook(compare)
        self._stack.callback(handle.remove)


def _proportional(vectors: torch.Tensor, others: torch.Tensor) -> bool:
    """Return whether each vector along the last axis is a multiple of the other one."""
    # |v - (v . o / |o|^2) o| / |v| is the sine of the angle between v and o.
    lengths = others.square().sum(-1, keepdim=True).clamp_min(torch.finfo(others.dtype).tiny)
    apart = vectors - (vectors * others).sum(-1, keepdim=True) / lengths * others
    return bool((apart.norm(dim=-1) <= _ROUNDING * vectors.norm(dim=-1)).all())


def _weight_of(projection: torch.nn.Module) -> torch.Tensor:
    """Return the weight of a projection in float32 or wider, (out, in)."""
    weight = projection.weight
    assert isinstance(weight, torch.Tensor)
    if is_transposed(projection):
        weight = weight.T
    return weight.detach().to(torch.promote_types(weight.dtype, torch.float32))
