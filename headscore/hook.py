"""The hook: an attention function for transformers that scores heads where q and k pass by.

The model computes its own output with torch's SDPA as before. Attention itself is never made:
each layer's queries and keys go to a kernel that returns one number per sequence, role and head.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import (
    bidirectional_mask_function,
    causal_mask_function,
    sdpa_mask,
)

from headscore import backends
from headscore.backends.contract import Raw, Visibility
from headscore.errors import InputError
from headscore.plan import SievePlan
from headscore.stages import Stages

NAME = "headscore"

# Arguments that change who attends to whom, or how much, in ways that q and k do not tell.
_NOT_SUPPORTED = {
    "sliding_window": "a sliding window",
    "softcap": "capped logits",
    "s_aux": "attention sinks",
    "position_bias": "a position bias",
}


class LastLayerScored(Exception):  # noqa: N818 - no error: the rest of the pass is not needed
    """Ends a forward pass whose layers are all scored."""


@dataclass
class Pass:
    """One forward pass over one batch: what it scores, and what came out.

    Attributes
    ----------
    plan
        Sieves of the batch.
    layers
        Layers of attention that the model has.
    backend
        Name of the backend that computes.
    scored
        Raw scores, one per layer scored so far.
    visibilities
        Who sees whom in each of these layers.
    stages
        Counts the time of the kernel.
    """

    plan: SievePlan
    layers: int
    backend: str
    scored: list[Raw] = field(default_factory=list)
    visibilities: list[Visibility] = field(default_factory=list)
    stages: Stages = field(default_factory=Stages)

    def score(
        self,
        module: torch.nn.Module,
        query: torch.Tensor,
        key: torch.Tensor,
        mask: torch.Tensor | None,
        scaling: float | None,
        options: dict[str, Any],
    ) -> None:
        """Score one layer from its queries and keys; ends the pass after the last one."""
        for name, what in _NOT_SUPPORTED.items():
            if options.get(name) is not None:
                raise _not_supported(module, what)
        visibility = _visibility(module, mask, options.get("is_causal"))
        if mask is None and not visibility.causal and self.plan.lengths.min() < self.plan.tokens:
            raise _not_supported(module, "padding that is attended to")
        with self.stages.stage("kernel"):
            raw = backends.score_qk(
                query, key, self.plan, visibility, scale=scaling, backend=self.backend
            )
        self.scored.append(raw)
        self.visibilities.append(visibility)
        if len(self.scored) == self.layers:
            raise LastLayerScored


def _visibility(
    module: torch.nn.Module, mask: torch.Tensor | None, is_causal: bool | None
) -> Visibility:
    """Tell who sees whom as SDPA is told: by the mask if there is one, else by `is_causal`."""
    if mask is None:
        return Visibility(
            bool(getattr(module, "is_causal", True) if is_causal is None else is_causal)
        )
    if tuple(mask.shape[1:3]) != (1, 1):
        raise _not_supported(module, "a mask that is neither causal nor full")
    return Visibility()


def _not_supported(module: torch.nn.Module, what: str) -> InputError:
    return InputError(
        f"attention with {what} cannot be scored by this version, {type(module).__name__} has it"
    )


_current: ContextVar[Pass | None] = ContextVar("headscore_pass", default=None)


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
    """Score the layer where a pass is on, and attend as SDPA does."""
    current = _current.get()
    if current is not None and query.shape[2] == key.shape[2]:
        current.score(module, query, key, attention_mask, scaling, options)
    output, _ = sdpa_attention_forward(
        module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **options
    )
    return output, None


def _mask(
    batch_size: int,
    q_length: int,
    kv_length: int,
    q_offset: int = 0,
    kv_offset: int = 0,
    mask_function: Any = causal_mask_function,
    attention_mask: torch.Tensor | None = None,
    **options: Any,
) -> torch.Tensor | None:
    """Return the padding as (batch, 1, 1, T) where that says all; else the library's own mask.

    Causal attention over right padding needs no mask at all: padded keys come after every real
    query, and padded queries are never looked at.
    """
    if mask_function is bidirectional_mask_function:
        return None if attention_mask is None else attention_mask[:, None, None, :]
    if mask_function is causal_mask_function and _pads_right(attention_mask) and not q_offset:
        return None
    mask: torch.Tensor | None = sdpa_mask(
        batch_size=batch_size,
        q_length=q_length,
        kv_length=kv_length,
        q_offset=q_offset,
        kv_offset=kv_offset,
        mask_function=mask_function,
        attention_mask=attention_mask,
        **options,
    )
    return mask


def _pads_right(attention_mask: torch.Tensor | None) -> bool:
    if attention_mask is None:
        return True
    return bool((attention_mask[:, :-1] >= attention_mask[:, 1:]).all())


AttentionInterface.register(NAME, _attention)
AttentionMaskInterface.register(NAME, _mask)


@contextmanager
def hooked(model: Any) -> Iterator[None]:
    """Route a model's attention through the hook; afterwards the model is as it was.

    Raises
    ------
    InputError
        The model family computes its attention by itself, out of reach of the hook.
    """
    check(model)
    before = model.config._attn_implementation
    training = [(module, module.training) for module in model.modules()]
    try:
        model.set_attn_implementation(NAME)
        model.eval()
        yield
    finally:
        model.set_attn_implementation(before)
        for module, mode in training:
            module.training = mode


def check(model: Any) -> None:
    """Ask the model class whether it can be hooked; raises InputError if it says no.

    Without a word from it, assume so: unscored layers raise later.
    """
    asked = getattr(type(model), "_can_set_attn_implementation", None)
    if asked is not None and not asked():
        raise InputError(
            f"the attention of {type(model).__name__} does not pass through transformers' "
            "attention interface, so this version cannot score it"
        )


def run(model: Any, inputs: dict[str, torch.Tensor], current: Pass) -> None:
    """Run a hooked model over one batch, up to the last layer's attention.

    Raises
    ------
    InputError
        Fewer layers passed by than the model has.
    """
    token = _current.set(current)
    try:
        with torch.inference_mode():
            model(**inputs, use_cache=False)
    except LastLayerScored:
        return
    finally:
        _current.reset(token)
    raise InputError(
        f"{len(current.scored)} of {current.layers} layers of {type(model).__name__} passed "
        "through transformers' attention interface; scores of all of them are needed"
    )
