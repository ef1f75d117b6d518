"""Find how a model's attention can be read, in a trial run on a few tokens."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch

from headscore.backends.contract import Visibility
from headscore.errors import InputError
from headscore.log import log
from headscore.model import hook, returned_weights
from headscore.model.compiled import running_uncompiled
from headscore.model.devices import device_of
from headscore.model.masks import noting_left_out
from headscore.model.parts import CROSS, Part

# Sequences and tokens of the trial: small, and unlike numbers of heads, so that a tensor of shape
# (2, head, 7, 7) can hardly be anything but attention. An encoder-decoder reads a target of another
# length, so that its three kinds of attention are told apart:
#
#     encoder  7 x 7     decoder  5 x 5     cross  5 x 7      queries x keys
SHAPE = (2, 7)
_TARGET = 5
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


@dataclass
class Trial:
    """The attention modules that are called in a trial run, in order.

    Attributes
    ----------
    tokens
        Number of queries and of keys of the attention that is noted; None: whatever they are.
    modules
        The attention modules; one that several layers share appears several times.
    heads
        Number of query heads of each.
    sizes
        Size of a value of each; none where attention is read from returned weights.
    weights
        The weights that modules have returned.
    unmasked
        Whether some module had no mask and is not causal by itself.
    """

    tokens: tuple[int, int] | None
    modules: list[torch.nn.Module] = field(default_factory=list)
    heads: list[int] = field(default_factory=list)
    sizes: list[int] = field(default_factory=list)
    weights: list[torch.Tensor] = field(default_factory=list)
    unmasked: bool = False

    def attending(self, inputs: hook.AttentionInputs) -> None:
        """Note a module, from its queries, keys and values."""
        self.unmasked |= inputs.mask is None and not hook.is_causal(inputs.module, inputs.options)
        if self.tokens in (None, (inputs.query.shape[2], inputs.key.shape[2])):
            self.modules.append(inputs.module)
            self.heads.append(inputs.query.shape[1])
            self.sizes.append(inputs.value.shape[3])

    def take(self, module: torch.nn.Module, weights: torch.Tensor) -> None:
        """Note a module, from the weights that it returns."""
        self.modules.append(module)
        self.heads.append(weights.shape[1])
        self.weights.append(weights)


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
    network = part.network
    trial = _trial_of(part)
    if hook.can_route(network):
        trial = attentions(model, part, returned=False, scored=scored)
    passed = len(trial.modules)
    depth = _depth(network, trial.modules)
    layers = _layers_of(network, trial.modules, depth)
    cross = part.name == CROSS
    if layers:
        found = frozenset(trial.modules)
        route = Route(depth, layers, tuple(trial.heads), modules=found, cross=cross)
        return _logged(network, route)
    # Second choice: the T x T weights that modules return with `output_attentions`.
    trial = attentions(model, part, returned=True, scored=scored)
    depth = _depth(network, trial.modules)
    layers = _layers_of(network, trial.modules, depth)
    if not layers:
        name = type(network).__name__
        raise InputError(
            f"the attention of all {depth} layers of {name} must pass through transformers' "
            f"attention interface or be returned as T x T weights, got {passed} layers that pass "
            f"through and {len(trial.modules)} that return it"
        )
    if scored:
        log.warning(
            "the attention of %s does not pass through transformers' attention interface: it is "
            "scored from the T x T weights of one layer at a time, which is slower and larger",
            type(network).__name__,
        )
    visibilities = tuple(_visibility(network, trial, layer, cross=cross) for layer in layers)
    return _logged(
        network,
        Route(
            depth=depth,
            layers=layers,
            heads=tuple(trial.heads),
            returned=True,
            visibilities=visibilities,
            modules=frozenset(trial.modules),
            cross=cross,
        ),
    )


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
    depth = _depth(network, trial.modules)
    layers = _layers_of(network, trial.modules, depth)
    if not layers:
        raise InputError(
            f"the attention of all {depth} layers of {type(network).__name__} must pass through "
            f"transformers' attention interface, got that of {len(trial.modules)}"
        )
    found = frozenset(trial.modules)
    return _logged(network, Route(depth, layers, tuple(trial.heads), modules=found, cross=cross))


def attentions(
    model: Any, part: Part | None = None, *, returned: bool, scored: bool = True
) -> Trial:
    """Return the attention modules that a trial run calls, routed or by their returned weights."""
    part = Part(model) if part is None else part
    network, trial = part.network, _trial_of(part)
    whole = model if part.paired else network
    if returned:
        assert trial.tokens is not None
        shape = (SHAPE[0], *trial.tokens)
        taking = returned_weights.taking(network.modules(), shape, trial.take)
        with eager(network, scored=scored), taking:
            run_trial(whole, paired=part.paired, output_attentions=True)
    else:
        modules = frozenset(network.modules())
        listening = hook.listening(trial, modules)
        with hook.routed(network, scored=scored), listening, noting_left_out() as left_out:
            run_trial(whole, paired=part.paired)
        if left_out and trial.unmasked:
            # Modules that need their causal mask (Gemma inside PaliGemma) would see all keys.
            return _trial_of(part)
    return trial


def _trial_of(part: Part) -> Trial:
    """Return an empty trial."""
    queries = _TARGET if part.paired else SHAPE[1]
    return Trial((queries, SHAPE[1] if part.name == CROSS else queries))


def _logged(model: Any, route: Route) -> Route:
    """Log which layers have no attention."""
    if route.absent:
        numbers = ", ".join(map(str, route.absent))
        log.warning("no attention in layers %s of %s", numbers, type(model).__name__)
    return route


@contextmanager
def eager(model: Any, *, scored: bool = True) -> Iterator[None]:
    """Set a model's attention to eager; restore its implementation afterwards.

    See `hook.routed` for `scored`.
    """
    # By the config: `set_attn_implementation` is for classes that use the interface.
    with hook.claimed(model) if scored else nullcontext():
        before = model.config._attn_implementation
        model.config._attn_implementation = "eager"
        try:
            yield
        finally:
            model.config._attn_implementation = before


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Put a model in eval mode; restore the mode of every module afterwards."""
    # Module by module: a user may have frozen some of them in eval mode.
    training = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, mode in training:
            module.training = mode


def forward_options(model: Any, **options: Any) -> dict[str, Any]:
    """Return those of some keyword arguments that the model's forward takes."""
    parameters = inspect.signature(model.forward).parameters
    if any(each.kind is each.VAR_KEYWORD for each in parameters.values()):
        return options
    return {name: value for name, value in options.items() if name in parameters}


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


def run_trial(
    model: Any, shape: tuple[int, int] = SHAPE, *, paired: bool = False, **options: Any
) -> None:
    """Run a model on a few tokens, (batch, T), in eval mode; raises as `discover`.

    `paired`: an encoder-decoder, which also reads a target.
    """
    words = getattr(model.get_input_embeddings(), "num_embeddings", None)
    if words is None:
        raise InputError(
            f"{type(model).__name__} must read token ids, got a model of {model.main_input_name}"
        )
    # Token ids from 0 on without the pad id, repeated up to T: RoBERTa takes positions from the ids
    # that are not padding.
    pad = getattr(model.config, "pad_token_id", None)
    plain = [word for word in range(min(words, shape[1] + 1)) if word != pad] or [0]
    ids = torch.tensor(plain).to(device_of(model)).repeat(shape[1])[: shape[1]].expand(shape)
    inputs = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if paired:
        inputs["decoder_input_ids"] = ids[:, :_TARGET]
    try:
        with hook.trial(), evaluating(model), torch.inference_mode(), running_uncompiled():
            model(**inputs, **forward_options(model, use_cache=False, **options))
    except InputError:
        raise
    except Exception as error:  # of any kind: the model's own code runs
        why = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{type(model).__name__} must run on token ids and an attention mask: {why}"
        ) from error


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
