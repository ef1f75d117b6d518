"""Replay: hidden states before the first changed layer, computed once per batch.

Arms that change layer 3 and later ones share layers 0 to 2 with the clean pass. The clean pass
keeps the output of layer 2, and in the arms it takes the place of layers 0 to 2::

    clean     0 1 2 3 4 5      keeps the output of 2
    arm       - - 2 3 4 5      layers 0 to 2 return it, none of them is computed

Memory: batch x T x hidden size for each layer that is kept, of which there are at most as many as
arms in a round.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch

from headscore.log import log


@dataclass(frozen=True)
class Replay:
    """The layers of a model whose outputs can be kept and replayed.

    Attributes
    ----------
    layers
        One module per layer in the order of the pass; empty where the model cannot be replayed.
    """

    layers: tuple[torch.nn.Module, ...] = ()
    _kept: dict[int, Any] = field(default_factory=dict)

    @contextmanager
    def keeping(self, firsts: Iterable[int]) -> Iterator[None]:
        """Keep what replaying up to these layers needs, from a pass inside the block."""
        self._kept.clear()
        with ExitStack() as stack:
            for before in {first - 1 for first in firsts if self.layers and first > 0}:
                hook = self.layers[before].register_forward_hook(self._keeper(before))
                stack.callback(hook.remove)
            yield

    @contextmanager
    def replaying(self, first: int) -> Iterator[None]:
        """Do not compute the layers before the `first` changed one in passes inside the block."""
        kept = self._kept.get(first - 1)
        with ExitStack() as stack:
            for layer in self.layers[:first] if kept is not None else ():
                # A copy: a later layer may write into its input.
                stack.enter_context(_forward_of(layer, lambda *_, **__: _copy(kept)))
            yield

    def first_computed(self, first: int) -> int:
        """Return the first layer that is computed in a pass whose `first` layer is changed."""
        return first if self.layers else 0

    def forget(self) -> None:
        """Free what is kept."""
        self._kept.clear()

    def _keeper(self, layer: int) -> Callable[..., None]:
        def keep(module: Any, args: Any, output: Any) -> None:
            del module, args
            self._kept[layer] = _copy(output)

        return keep


def find_replay(model: Any, depth: int, inputs: Mapping[str, Any], firsts: Iterable[int]) -> Replay:
    """Return how the layers of an attached model can be replayed, checked on a batch.

    Parameters
    ----------
    model, depth
        A transformers model and its number of layers.
    inputs
        What the model is called with.
    firsts
        First changed layers of the arms: replaying each gives the outputs of the plain pass bit for
        bit, else nothing is replayed.
    """
    needed = sorted(first for first in set(firsts) if first > 0)
    if not needed:
        return Replay()
    layers, plain = _called_once(model, depth, inputs)
    replay = Replay(layers)
    if not layers:
        log.debug("%s has no list of layers that is called in order", type(model).__name__)
        return replay
    with replay.keeping(needed):
        model(**inputs)
    for first in needed:
        with replay.replaying(first):
            same = _same(plain, model(**inputs))
        if not same:
            log.debug("%s depends on more than the output of layer %d", type(model).__name__, first)
            return Replay()
    replay.forget()
    return replay


def _called_once(
    model: Any, depth: int, inputs: Mapping[str, Any]
) -> tuple[tuple[torch.nn.Module, ...], Any]:
    """Return the modules of a list that are called once each and in order, and the outputs."""
    lists = [
        list(each)
        for each in model.modules()
        if isinstance(each, torch.nn.ModuleList) and len(each) == depth
    ]
    called: list[torch.nn.Module] = []
    with ExitStack() as stack:
        for layer in {id(layer): layer for each in lists for layer in each}.values():
            hook = layer.register_forward_pre_hook(lambda module, _: called.append(module))
            stack.callback(hook.remove)
        outputs = model(**inputs)
    for layers in lists:
        own = [module for module in called if any(module is layer for layer in layers)]
        if len(own) == depth and all(a is b for a, b in zip(own, layers, strict=True)):
            return tuple(layers), outputs
    return (), outputs


@contextmanager
def _forward_of(module: torch.nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """Replace the forward function of a module; restore it afterwards."""
    # An attribute of the instance hides the method of the class; wrappers such as accelerate's set
    # one too.
    before = vars(module).get("forward")
    module.forward = forward
    try:
        yield
    finally:
        if before is None:
            del module.forward
        else:
            module.forward = before


def _copy(output: Any) -> Any:
    """Return a copy of what a layer returned; None where it is no tensor or tuple of such."""
    if isinstance(output, torch.Tensor):
        return output.clone()
    if isinstance(output, tuple):
        return tuple(each if each is None else _copy(each) for each in output)
    return None


def _same(one: Any, other: Any) -> bool:
    """Return whether two outputs of a model hold the same tensors, bit for bit."""
    if isinstance(one, torch.Tensor):
        if one.shape != other.shape:
            return False
        return bool(((one == other) | (one.isnan() & other.isnan())).all())
    if isinstance(one, Mapping):
        return one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(map(_same, one, other))
    return True
