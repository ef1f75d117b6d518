"""Unwrap models: find the transformers model inside the objects of other libraries."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from transformers import PreTrainedModel

from headscore.errors import InputError
from headscore.log import log

# Attributes by which wrappers hold a model that computes the same function, by package and class.
_INNER = {
    ("torch", "OptimizedModule"): "_orig_mod",
    ("torch", "DataParallel"): "module",
    ("torch", "DistributedDataParallel"): "module",
    ("transformers", "Pipeline"): "model",
    ("transformer_lens", "TransformerBridge"): "original_model",
    ("nnsight", "Envoy"): "_module",
}
_SENTENCE_TRANSFORMERS, _PEFT, _LENS = "sentence_transformers", "peft", "transformer_lens"


class Unwrapped(NamedTuple):
    """A model without its wrappers.

    Attributes
    ----------
    model
        The transformers model; the object itself where it is none and wraps none.
    tokenizer
        The tokenizer of the outermost wrapper that has one; None: none has.
    """

    model: Any
    tokenizer: Any


def unwrap(model: Any) -> Unwrapped:
    """Return the transformers model that an object wraps, with the wrapper's tokenizer.

    torch.compile, DataParallel, pipelines, PEFT, sentence-transformers, TransformerBridge and
    nnsight are known: the model inside computes the same function. Logs what was unwrapped.

    Raises
    ------
    InputError
        The model inside computes something else, or there is more than one.
    """
    found, tokenizer = model, None
    while (inner := _inner(found)) is not None:
        if tokenizer is None:
            tokenizer = _tokenizer(found)
        found = inner
    if found is not model:
        log.info("%s wraps %s, which is used", type(model).__name__, type(found).__name__)
    elif not _is_model(model) and (holders := list(_holders(model))):
        raise InputError(
            f"model must be a transformers model, got {type(model).__name__}, which holds one: "
            f"pass its .{' or .'.join(holders)}"
        )
    return Unwrapped(found, tokenizer)


def _inner(model: Any) -> Any:
    """Return what a known wrapper holds; None for any other object."""
    if isinstance(model, PreTrainedModel):
        return None
    kinds = _kinds(model)
    if _PEFT in kinds and hasattr(model, "peft_config"):
        return _of_peft(model)
    if _SENTENCE_TRANSFORMERS in kinds and isinstance(model, torch.nn.Module):
        return _of_sentence_transformer(model)
    for (package, name), attribute in _INNER.items():
        if name in kinds.get(package, ()):
            return getattr(model, attribute)
    if _LENS in kinds:
        raise InputError(
            f"{type(model).__name__} computes attention by its own code: pass the transformers "
            "model that it was loaded from, or a TransformerBridge"
        )
    return None


def _kinds(model: Any) -> dict[str, set[str]]:
    """Return the classes of an object, {package: names}."""
    found: dict[str, set[str]] = {}
    for kind in type(model).__mro__:
        found.setdefault(kind.__module__.partition(".")[0], set()).add(kind.__name__)
    return found


def _of_peft(model: Any) -> Any:
    """Return the model whose modules PEFT has replaced; raises where adapters do more than that."""
    name = type(model).__name__
    active = getattr(model, "active_adapters", None) or list(model.peft_config)
    configs = [model.peft_config[each] for each in active if each in model.peft_config]
    for config in configs:
        kind = getattr(config.peft_type, "value", config.peft_type)
        if config.is_prompt_learning:
            raise InputError(
                f"{name} ({kind}) adds {config.num_virtual_tokens} virtual tokens to every text, "
                "which have no token ids: pass its .get_base_model() to score the model without "
                "them"
            )
        if kind == "XLORA" or getattr(config, "alora_invocation_tokens", None):
            raise InputError(
                f"{name} ({kind}) chooses adapters by the batch, which the model inside does not: "
                "pass its .get_base_model() to score that"
            )
    # The tuner inside a PeftModel, such as LoraModel, has no `get_base_model`.
    return model.get_base_model() if hasattr(model, "get_base_model") else model.model


def _of_sentence_transformer(model: Any) -> Any:
    """Return the only transformers model of a SentenceTransformer, CrossEncoder or part of one."""
    modules = model.named_modules()
    found = {path: module for path, module in modules if isinstance(module, PreTrainedModel)}
    # A model may contain models: the outermost ones count.
    outer = [path for path in found if not any(path.startswith(f"{other}.") for other in found)]
    if len(outer) != 1:
        raise InputError(
            f"{type(model).__name__} must hold one transformers model, got {len(outer)}"
            + (f": pass one of {', '.join(outer)}" if outer else "")
        )
    return found[outer[0]]


def _tokenizer(wrapper: Any) -> Any:
    """Return the tokenizer of a wrapper; None where it has none."""
    found = getattr(wrapper, "tokenizer", None)
    return found if hasattr(found, "all_special_ids") else None


def _is_model(model: Any) -> bool:
    return hasattr(model, "config") and hasattr(model, "set_attn_implementation")


def _holders(model: Any) -> Iterator[str]:
    """Yield the attributes of an object that hold a model or a known wrapper of one."""
    held = {**getattr(model, "__dict__", {}), **getattr(model, "_modules", {})}
    for name, value in held.items():
        kinds = _kinds(value)  # importing Pipeline to look for it would cost every start 0.1 s
        known = {_PEFT, _SENTENCE_TRANSFORMERS} & kinds.keys()
        if known or {"PreTrainedModel", "Pipeline"} & kinds.get("transformers", set()):
            yield name
