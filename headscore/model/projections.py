"""Find the output projection of each attention: the module that reads all heads side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch

from headscore.errors import InputError
from headscore.model import hook
from headscore.model.route import Route
from headscore.model.trial import SHAPE, Trial, attentions, run_trial

# Attributes of attention modules that hold the output projection, over the models of transformers.
NAMES = ("o_proj", "out_proj", "c_proj", "dense", "Wo", "wo", "out_lin", "o")


@dataclass(frozen=True)
class Projection:
    """The output projection of one attention.

    Attributes
    ----------
    layer
        The layer of the attention.
    heads
        Number of heads.
    size
        Size of one head's output.
    module
        Its input is (batch, T, heads * size), head h in columns h size .. (h + 1) size - 1. Layers
        that share their weights have the same module: calls within a pass tell them apart.
    """

    layer: int
    heads: int
    size: int
    module: torch.nn.Module


def projections(model: Any, route: Route) -> tuple[Projection, ...]:
    """Return the output projections of a model, in the order of the forward pass.

    Parameters
    ----------
    model
        A transformers model that reads token ids; its state is restored.
    route
        How its attention is read, by `headscore.model.route.discover`.

    Raises
    ------
    InputError
        A projection is not found, or a trial run does not show the heads at its input.
    """
    trial = attentions(model, returned=route.returned, scored=False)
    search = Search(model)
    found = tuple(_projection(search, trial, n, layer) for n, layer in enumerate(route.layers))
    _check(model, found, route)
    return found


class Search:
    """Looks for the output projection of attention modules of a model."""

    def __init__(self, model: Any) -> None:
        # BERT: parent.self is the attention module, parent.output.dense the projection. By
        # identity, for a module has no reference to its parent.
        self._beside = {
            id(child): getattr(getattr(parent, "output", None), "dense", None)
            for parent in model.modules()
            for child in parent.children()
        }

    def of(self, module: torch.nn.Module, fits: Callable[[int], bool]) -> torch.nn.Module | None:
        """Return the projection whose input size fits; None if there is none."""
        own = [getattr(module, name, None) for name in NAMES]
        for each in (*own, self._beside.get(id(module))):
            width = width_of(each)
            if width is not None and fits(width):
                assert isinstance(each, torch.nn.Module)
                return each
        return None


def width_of(module: object) -> int | None:
    """Return the input size of a linear module; None for anything else."""
    if not isinstance(module, torch.nn.Module):
        return None
    declared = getattr(module, "in_features", None)  # also where the weight is packed (4 bits)
    if isinstance(declared, int):
        return declared
    weight = getattr(module, "weight", None)
    if not isinstance(weight, torch.Tensor) or weight.ndim != 2:
        return None
    return weight.shape[0 if is_transposed(module) else 1]


def is_transposed(module: torch.nn.Module) -> bool:
    """Return whether the weight of a linear module is stored as (in, out), as in GPT-2."""
    return type(module).__name__ == "Conv1D"


def _projection(search: Search, trial: Trial, number: int, layer: int) -> Projection:
    """Return the projection of the attention that a trial run has called as number `number`."""
    module, heads = trial.modules[number], trial.heads[number]
    # Values show the size of a head; returned weights do not: there any multiple of heads is taken.
    size = trial.sizes[number] if trial.sizes else None
    found = search.of(module, lambda width: width % heads == 0 and size in (None, width // heads))
    if found is None:
        raise InputError(
            f"the output projection of layer {layer} must be a linear module of the attention "
            f"({', '.join(NAMES)}) that reads {heads} heads, {type(module).__name__} has none"
        )
    width = width_of(found)
    assert width is not None
    return Projection(layer, heads, width // heads, found)


class _EveryOther:
    """Gives attention an output of 1 in heads 0, 2, 4 ... and 0 in all others."""

    def attending(self, inputs: hook.AttentionInputs) -> torch.Tensor:
        batch, heads, tokens = inputs.query.shape[:3]
        output = inputs.value.new_zeros(batch, tokens, heads, inputs.value.shape[3])
        output[:, :, ::2] = 1
        return output


def _check(model: Any, found: tuple[Projection, ...], route: Route) -> None:
    """Check in a trial run that each projection reads its heads; raises as `projections`."""
    # Not by the values themselves: a gate or a normalisation may stand before the projection. Both
    # leave a head of zeros at zero and any other head different from it.
    with ExitStack() as stack:
        if not route.returned:
            stack.enter_context(hook.routed(model, scored=False))
            stack.enter_context(hook.listening(_EveryOther(), route.modules))
        calls = stack.enter_context(_calls({each.module for each in found}))
        run_trial(model)
    if [module for module, _ in calls] != [each.module for each in found]:
        raise InputError(
            f"each of the {len(found)} attentions of {type(model).__name__} must call its output "
            f"projection once a pass, in their order, got {len(calls)} calls"
        )
    for each, (_, given) in zip(found, calls, strict=True):
        _check_given(each, given, returned=route.returned)


@contextmanager
def _calls(
    modules: set[torch.nn.Module],
) -> Iterator[list[tuple[torch.nn.Module, torch.Tensor]]]:
    """Yield a list that receives the calls of some modules, each with its first argument."""
    calls: list[tuple[torch.nn.Module, torch.Tensor]] = []

    def note(module: torch.nn.Module, arguments: tuple[Any, ...]) -> None:
        calls.append((module, arguments[0]))

    with ExitStack() as stack:
        for module in modules:
            stack.enter_context(module.register_forward_pre_hook(note))
        yield calls


def _check_given(projection: Projection, given: torch.Tensor, *, returned: bool) -> None:
    """Check what a projection has received in the trial run."""
    heads, size = projection.heads, projection.size
    want = (*SHAPE, heads * size)
    if tuple(given.shape) != want:
        raise InputError(
            f"the output projection of layer {projection.layer} must read {heads} heads of {size}, "
            f"a tensor {want} in a trial run, got {tuple(given.shape)}"
        )
    used = given.reshape(-1, heads, size).abs().amax(dim=(0, 2)) > 0
    if not returned and used.tolist() != [head % 2 == 0 for head in range(heads)]:
        raise InputError(
            f"the heads of layer {projection.layer} must reach the output projection side by side, "
            f"{type(projection.module).__name__} reads them mixed"
        )
