"""Register an attention function in transformers that passes q, k and v to a listener.

The model's attention output comes from the listener where it has computed the output already, else
from torch's SDPA, or from `attention_output` for what SDPA lacks. It changes only where a changer
replaces it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any, NamedTuple, Protocol
from weakref import WeakSet

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import eager_mask

from headscore.errors import InputError
from headscore.model.attention_output import Softmax, attend
from headscore.model.masks import Sight, compact_mask, read, read_compact

# transformers treats names with "sdpa", "flex_attention" or "flash" specially.
NAME = "headscore"
# For encoder-decoders that know eager attention only: they get its masks, (batch, 1, q, k) numbers
# added to the logits, since their modules do not say which of them are causal.
EAGER = "headscore_eager"


class AttentionInputs(NamedTuple):
    """What the attention of one layer is computed from.

    Attributes
    ----------
    module
        The attention module.
    query, key, value
        (batch, Hq, T, d), (batch, Hkv, T, d) and (batch, Hkv, T, dv), Hq a multiple of Hkv.
    mask
        As the model passes it on.
    scaling
        Factor of the logits; None: ``d ** -0.5``.
    options
        The other arguments of the call.
    """

    module: torch.nn.Module
    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    mask: torch.Tensor | None
    scaling: float | None
    options: dict[str, Any]


class Listener(Protocol):
    """Receives the queries, keys and values of each layer."""

    def attending(self, inputs: AttentionInputs) -> torch.Tensor | None:
        """Receive one layer's inputs before attention is computed; may return its output."""


class _Heard(NamedTuple):
    """A listener, and the attention modules that it receives; None: all."""

    listener: Listener
    modules: Collection[torch.nn.Module] | None


class Changer(Protocol):
    """Replaces the attention output of each layer."""

    def changed(self, inputs: AttentionInputs, output__bthd: torch.Tensor) -> torch.Tensor:
        """Return the output to use in place of `output__bthd`, which must stay as it is."""


class _Changing(NamedTuple):
    """A changer, and the attention modules whose output it replaces."""

    changer: Changer
    modules: Collection[torch.nn.Module]


# Parts of models that a run uses now. Weak: a model that is dropped inside a run leaves the set.
_claimed: WeakSet[torch.nn.Module] = WeakSet()
# Each thread and asynchronous task has its own: two runs, of two models, do not mix.
_listener: ContextVar[_Heard | None] = ContextVar("headscore_listener", default=None)
_changers: ContextVar[tuple[_Changing, ...]] = ContextVar("headscore_changers", default=())
_trial: ContextVar[bool] = ContextVar("headscore_trial", default=False)


@contextmanager
def listening(
    listener: Listener, modules: Collection[torch.nn.Module] | None = None
) -> Iterator[None]:
    """Call a listener for attention of routed models inside the block: of some modules, or all."""
    token = _listener.set(_Heard(listener, modules))
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def changing(changer: Changer, modules: Collection[torch.nn.Module]) -> Iterator[None]:
    """Let a changer replace the output of some attention modules inside the block.

    Blocks nest: each changer receives the output of those around it. Listeners receive the queries
    and keys of the model as it is. Trial runs are not changed.
    """
    own = _Changing(changer, modules)
    _changers.set((*_changers.get(), own))
    try:
        yield
    finally:
        # Not by a token: the hooks of a forward pass close in the order in which they were opened.
        _changers.set(tuple(each for each in _changers.get() if each is not own))


@contextmanager
def trial() -> Iterator[None]:
    """Mark the passes inside the block as trial runs, which nothing may change or score."""
    token = _trial.set(True)
    try:
        yield
    finally:
        _trial.reset(token)


def in_trial() -> bool:
    """Return whether a pass is a trial run."""
    return _trial.get()


@contextmanager
def claimed(model: Any) -> Iterator[None]:
    """Lock a model for one run; raises InputError where another run uses any part of it."""
    # All submodules: two model objects may share layers, such as a base model and a model with a
    # head on top of it.
    parts = set(model.modules())
    if not _claimed.isdisjoint(parts):
        raise InputError(
            f"{type(model).__name__} must be scored by one run at a time, got another inside a "
            "capture or a run of it"
        )
    _claimed.update(parts)
    try:
        yield
    finally:
        _claimed.difference_update(parts)


@contextmanager
def routed(model: Any, *, scored: bool = True) -> Iterator[None]:
    """Route a model's attention through this module; restore its implementation afterwards.

    A model that is not `scored` but changed needs no lock: changes nest with each other and with
    one run.
    """
    with claimed(model) if scored else nullcontext():
        before = model.config._attn_implementation
        model.set_attn_implementation(EAGER if _needs_masks(model) else NAME)
        try:
            yield
        finally:
            model.set_attn_implementation(before)


def _needs_masks(model: Any) -> bool:
    return model.config.is_encoder_decoder and not getattr(model, "_supports_sdpa", True)


def can_route(model: Any) -> bool:
    """Return whether the attention of a model class passes through transformers' interface.

    True where the class does not declare it: missing layers are detected in the trial run.
    """
    asked = getattr(type(model), "_can_set_attn_implementation", None)
    return asked is None or bool(asked())


def is_causal(module: torch.nn.Module, options: dict[str, Any]) -> bool:
    """Return whether attention without a mask is causal, by the rule of transformers' SDPA."""
    # The keyword argument of the call wins, then the module's attribute, then True.
    given = options.get("is_causal")
    return bool(getattr(module, "is_causal", True) if given is None else given)


def _attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **options: Any,
) -> tuple[torch.Tensor, None]:
    """Call the listener, compute the model's attention output, and call the changers."""
    inputs = AttentionInputs(module, query, key, value, attention_mask, scaling, options)
    heard = _listener.get()
    output = None
    if heard is not None and (heard.modules is None or module in heard.modules):
        output = heard.listener.attending(inputs)
    if output is None:
        output = _own_output(inputs, dropout=dropout)
    if query.shape[2] == key.shape[2] and not in_trial():
        for changer, modules in _changers.get():
            if module in modules:
                output = changer.changed(inputs, output)
    return output, None


def _as_eager(*args: Any, **options: Any) -> tuple[torch.Tensor, None]:
    """Call `_attention` for a model that masks whatever is not visible."""
    return _attention(*args, **{**options, "is_causal": False})


def _own_output(inputs: AttentionInputs, *, dropout: float) -> torch.Tensor:
    """Return the output of the model's attention as it is."""
    module, query, key, value, mask, scaling, options = inputs
    # torch's SDPA supports neither softcap (Gemma 2) nor sink logits (GPT-OSS) nor compact masks.
    softmax = Softmax.of_layer(query.shape[-1], scaling, options)
    if read_compact(mask) is None and softmax.softcap is None and softmax.sinks is None:
        output: torch.Tensor
        output, _ = sdpa_attention_forward(
            module, query, key, value, mask, dropout=dropout, scaling=scaling, **options
        )
        return output
    return attend(query, key, value, _own_sight(inputs), softmax)


def _own_sight(inputs: AttentionInputs) -> Sight:
    module, query, key, _, mask, _, options = inputs
    sight = read(mask, causal=is_causal(module, options))
    if sight is None or query.shape[2] != key.shape[2] or options.get("position_bias") is not None:
        raise InputError(
            f"the attention of {type(module).__name__} must be of whole sequences under a causal, "
            f"full or sliding mask, got {_shapes(query, key, mask)}"
        )
    return sight


def _shapes(query: torch.Tensor, key: torch.Tensor, mask: torch.Tensor | None) -> str:
    """Describe attention that cannot be computed here."""
    given = "no mask" if mask is None else f"a mask of shape {tuple(mask.shape)}"
    return f"{query.shape[2]} queries, {key.shape[2]} keys and {given}"


AttentionInterface.register(NAME, _attention)
AttentionMaskInterface.register(NAME, compact_mask)
AttentionInterface.register(EAGER, _as_eager)
AttentionMaskInterface.register(EAGER, eager_mask)
