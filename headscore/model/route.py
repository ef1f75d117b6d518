"""Find how a model's attention can be read, in a trial run on a few tokens."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from headscore.backends.contract import Visibility
from headscore.errors import InputError
from headscore.log import log
from headscore.model import hook
from headscore.model.parts import CROSS, Part
from headscore.model.trial import Trial, attentions, trial_of

# Numbers of layers in configs: an encoder-decoder has two, of which `num_hidden_layers` is one.
_COUNTS = (
    "num_hidden_layers",
    "encoder_layers",
    "decoder_layers",
    "num_layers",
    "num_decoder_layers",
    "num_encoder_layers",
    "encoder_num_hidden_layers",
    "decoder_num_hidden_layers",
    "depth",
)
_LINEAR = ("linear", "lightning", "delta")  # names of attention without a softmax


@dataclass(frozen=True)
class Route:
    """How a model's attention can be read.

    Attributes
    ----------
    depth
        Layers of the model.
    layers
        The layer of each attention, in the order of the forward pass; a layer that is not among
        them has no attention.
    heads
        Number of heads of each of `layers`.
    returned
        Whether attention is read from T x T weights that modules return, not from queries and keys.
    visibilities
        Visibility of the weights that modules return, one for each of `layers`.
    modules
        The attention modules. A pass may call others (cross-attention, another part of the model),
        which are neither scored nor changed.
    cross
        Whether keys are of another text than queries.
    """

    depth: int
    layers: tuple[int, ...]
    heads: tuple[int, ...]
    returned: bool = False
    visibilities: tuple[Visibility, ...] = ()
    modules: frozenset[torch.nn.Module] = field(default=frozenset(), compare=False, repr=False)
    cross: bool = False

    @property
    def absent(self) -> tuple[int, ...]:
        """Layers without attention."""
        return tuple(n for n in range(self.depth) if n not in self.layers)

    @property
    def heads_per_layer(self) -> tuple[int, ...]:
        """Number of heads of each layer, 0 without attention."""
        found = dict(zip(self.layers, self.heads, strict=True))
        return tuple(found.get(n, 0) for n in range(self.depth))


def discover(model: Any, part: Part | None = None, *, scored: bool = True) -> Route:
    """Find how the attention of a model, or of a part of it, can be read.

    Parameters
    ----------
    model
        A transformers model that reads token ids; its state is restored.
    part
        The part, by `headscore.model.parts.part_of`; None: the model is plain. Where it reads a
        source and a target, the model runs; else the part alone.
    scored
        Whether the model is to be scored, which one run at a time may do; see `hook.routed`.

    Raises
    ------
    InputError
        It does not run on token ids, or the attention of some layer cannot be read.
    """
    # First choice: queries and keys through transformers' interface. Some models ignore the name of
    # the attention function without an error, so only a run can show it.
    part = Part(model) if part is None else part
    trial = trial_of(part)
    if hook.can_route(part.network):
        trial = attentions(model, part, returned=False, scored=scored)
    route = _route_of(part.network, trial, cross=part.name == CROSS)
    if route is None:
        return _discover_returned(model, part, scored=scored, passed=len(trial.modules))
    return route


def _discover_returned(model: Any, part: Part, *, scored: bool, passed: int) -> Route:
    """Find the second choice: the T x T weights that modules return with `output_attentions`.

    `passed`: number of layers whose attention passes through transformers' interface.
    """
    network, name = part.network, type(part.network).__name__
    trial = attentions(model, part, returned=True, scored=scored)
    route = _route_of(network, trial, cross=part.name == CROSS, returned=True)
    if route is None:
        raise InputError(
            f"the attention of all {_depth(network, trial.modules)} layers of {name} must pass "
            "through transformers' attention interface or be returned as T x T weights, got "
            f"{passed} layers that pass through and {len(trial.modules)} that return it"
        )
    if scored:
        log.warning(
            "the attention of %s does not pass through transformers' attention interface: it is "
            "scored from the T x T weights of one layer at a time, which is slower and larger",
            name,
        )
    return route


def reads_ids(part: Part) -> bool:
    """Return whether a trial run on token ids can show the attention of a part."""
    network = part.network
    if network.main_input_name != "input_ids":
        return False
    try:
        return hasattr(network.get_input_embeddings(), "num_embeddings")
    except NotImplementedError:
        return False


def discover_in(
    network: Any, run: Callable[[], object], tokens: tuple[int, int] | None, *, cross: bool
) -> Route:
    """Find how the attention of a routed model can be read, in a pass over a user's own inputs.

    Parameters
    ----------
    network
        A model, or a part of one, that does not read token ids alone.
    run
        Runs it.
    tokens
        Number of queries and of keys of the attention to find; None: whatever they are.
    cross
        Whether that is the cross-attention.

    Raises
    ------
    InputError
        The attention of some layer does not pass through transformers' attention interface.
    """
    trial = Trial(tokens)
    with hook.trial(), hook.listening(trial, frozenset(network.modules())), torch.no_grad():
        run()
    route = _route_of(network, trial, cross=cross)
    if route is None:
        raise InputError(
            f"the attention of all {_depth(network, trial.modules)} layers of "
            f"{type(network).__name__} must pass through transformers' attention interface, got "
            f"that of {len(trial.modules)}"
        )
    return route


def _route_of(network: Any, trial: Trial, *, cross: bool, returned: bool = False) -> Route | None:
    """Return the route that a trial shows; None where the attention of some layer is missing.

    Logs which layers have no attention.
    """
    depth = _depth(network, trial.modules)
    layers = _layers_of(network, trial.modules, depth)
    if not layers:
        return None
    visibilities = (_visibility(network, trial, layer, cross=cross) for layer in layers)
    route = Route(
        depth=depth,
        layers=layers,
        heads=tuple(trial.heads),
        returned=returned,
        visibilities=tuple(visibilities) if returned else (),
        modules=frozenset(trial.modules),
        cross=cross,
    )
    if route.absent:
        numbers = ", ".join(map(str, route.absent))
        log.warning("no attention in layers %s of %s", numbers, type(network).__name__)
    return route


def _depth(network: Any, modules: list[torch.nn.Module]) -> int:
    """Return the number of layers: that of the module list with the attention, or of the config."""
    config = network.config
    named = {getattr(config, name, None) for name in _COUNTS}
    # Module lists inside of layers (experts) come after the list of the layers.
    for layers in network.modules():
        if isinstance(layers, torch.nn.ModuleList) and len(layers) in named:
            below = set(layers.modules())
            if any(module in below for module in modules):
                return len(layers)
    layers = getattr(config, "num_hidden_layers", None)
    if not isinstance(layers, int) or layers < 1:
        raise InputError(
            f"{type(network).__name__} must have num_hidden_layers in its config, got {layers!r}"
        )
    return layers * int(getattr(config, "inner_group_num", 1))  # ALBERT's layers per group


def _layers_of(model: Any, modules: list[torch.nn.Module], depth: int) -> tuple[int, ...] | None:
    """Return the layer of each attention; None where the attention of some layer was not called."""
    # Fewer attentions than layers (hybrids such as Jamba): the module list that has one module per
    # layer shows which layer each attention is in. Layers left over must look as if they had no
    # softmax attention.
    if len(modules) == depth:
        return tuple(range(depth))
    for layers in model.modules():
        if isinstance(layers, torch.nn.ModuleList) and len(layers) == depth:
            found = _places(list(layers), modules)
            if found and not any(
                _attends(layer) for n, layer in enumerate(layers) if n not in found
            ):
                return found
    return None


def _places(
    layers: list[torch.nn.Module], modules: list[torch.nn.Module]
) -> tuple[int, ...] | None:
    """Return the layer that contains each module, in increasing order; None if there is none."""
    found: list[int] = []
    parts = [set(map(id, layer.modules())) for layer in layers]
    for module in modules:
        start = found[-1] + 1 if found else 0
        place = next((n for n in range(start, len(layers)) if id(module) in parts[n]), None)
        if place is None:
            return None
        found.append(place)
    return tuple(found)


def _attends(layer: torch.nn.Module) -> bool:
    """Return whether the class names in a layer suggest attention with a softmax."""
    names = [type(module).__name__.lower() for module in layer.modules()]
    return any("attention" in name and not any(x in name for x in _LINEAR) for name in names)


def _visibility(model: Any, trial: Trial, layer: int, *, cross: bool) -> Visibility:
    """Return a layer's visibility: causality from the trial's weights, a window from the config."""
    if cross:
        return Visibility()
    # Causal where every weight above the diagonal is 0. The trial is shorter than any window, so
    # that a window cannot be read from weights; GPT-Neo lists its local layers in the config.
    causal = all(bool((weights.triu(1) == 0).all()) for weights in trial.weights)
    kinds = getattr(model.config, "attention_layers", None)
    local = kinds is not None and kinds[layer] == "local"
    return Visibility(causal, model.config.window_size if local else None)
