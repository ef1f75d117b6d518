"""Run a model on a few tokens, and note the attention modules that it calls."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch

from headscore.errors import InputError, one_line
from headscore.model import hook, returned_weights
from headscore.model.arguments import forward_options
from headscore.model.compiled import running_uncompiled
from headscore.model.devices import device_of
from headscore.model.masks import noting_left_out
from headscore.model.modes import eager, evaluating
from headscore.model.parts import CROSS, Part

# Sequences and tokens of the trial: small, and unlike numbers of heads, so that a tensor of shape
# (2, head, 7, 7) can hardly be anything but attention. An encoder-decoder reads a target of another
# length, so that its three kinds of attention differ in shape:
#
#     encoder  7 x 7     decoder  5 x 5     cross  5 x 7      queries x keys
SHAPE = (2, 7)
_TARGET = 5


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


def attentions(
    model: Any, part: Part | None = None, *, returned: bool, scored: bool = True
) -> Trial:
    """Return the attention modules that a trial run calls, routed or by their returned weights."""
    part = Part(model) if part is None else part
    network, trial = part.network, trial_of(part)
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
            return trial_of(part)
    return trial


def trial_of(part: Part) -> Trial:
    """Return an empty trial."""
    queries = _TARGET if part.paired else SHAPE[1]
    return Trial((queries, SHAPE[1] if part.name == CROSS else queries))


def run_trial(
    model: Any, shape: tuple[int, int] = SHAPE, *, paired: bool = False, **options: Any
) -> None:
    """Run a model on a few tokens, (batch, T), in eval mode; raises InputError if it fails.

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
        raise InputError(
            f"{type(model).__name__} must run on token ids and an attention mask: {one_line(error)}"
        ) from error
