"""Which kind of language-model head a model has, by the names of transformers' classes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

CAUSAL, MASKED = "causal", "masked"


def head_of(network: Any) -> str | None:
    """Return the kind of a model's language-model head: `CAUSAL`, `MASKED` or None."""
    return head_named(each.__name__ for each in type(network).__mro__)  # also of a user's own class


def head_named(classes: Iterable[str]) -> str | None:
    """Return the kind of head of the first of some classes that is a language model's."""
    from transformers.models.auto import modeling_auto as auto

    kinds = {
        CAUSAL: auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MASKED: auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    }
    for name in classes:
        named = [kind for kind, names in kinds.items() if name in names.values()]
        # In both are models such as XLNet, whose head predicts neither the next token nor masks.
        if named:
            return named[0] if len(named) == 1 else None
    return None
