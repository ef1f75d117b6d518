"""The call of a model: its arguments, and the token ids, mask and source that these give."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch

from headscore.encoding.encoded import NO_ID
from headscore.errors import InputError

_TOKENS = ("input_ids", "inputs_embeds")


class Call(NamedTuple):
    """A call of a model.

    Attributes
    ----------
    given
        The arguments by name.
    weights
        Whether the user asks for attention weights.
    main_input
        What the model reads, (batch, ...): token ids, embeddings, pixels, sound.
    """

    given: dict[str, Any]
    weights: bool
    main_input: torch.Tensor

    @property
    def has_tokens(self) -> bool:
        """Whether the model reads a token id or an embedding for each token."""
        return any(self.main_input is self.given.get(name) for name in _TOKENS)


def _what(value: object) -> str:
    """Return what came where a tensor of another shape was wanted."""
    return f"shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else repr(value)[:60]


def main_input(module: Any, given: dict[str, Any]) -> torch.Tensor:
    """Return the input that a model reads, of whatever kind."""
    main = getattr(module, "main_input_name", "input_ids")
    tensors = {name: each for name, each in given.items() if isinstance(each, torch.Tensor)}
    for name in (main, *_TOKENS, *tensors):
        if name in tensors and not name.endswith("_mask") and tensors[name].ndim:
            return tensors[name]
    raise InputError(f"the model must be called with {main}, got {_what(given.get(main))}")


def tokens_of(given: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the token ids (batch, T), and a mask of those that are not padding, bool."""
    ids, mask, embedded = (given.get(n) for n in ("input_ids", "attention_mask", "inputs_embeds"))
    if ids is None and isinstance(embedded, torch.Tensor) and embedded.ndim == 3:
        ids = torch.full(embedded.shape[:2], NO_ID, device=embedded.device)
    if not isinstance(ids, torch.Tensor) or ids.ndim != 2:
        raise InputError(f"the model must be called with input_ids (batch, T), got {_what(ids)}")
    if mask is None:
        return ids, torch.ones_like(ids, dtype=torch.bool)
    if not isinstance(mask, torch.Tensor) or mask.shape != ids.shape:
        raise InputError(f"attention_mask must have the shape of input_ids, got {_what(mask)}")
    return ids, mask.bool()


def ids_around(around: Mapping[str, Any], embedded: torch.Tensor) -> dict[str, Any]:
    """Return token ids and mask of the call around one with embeddings, where they fit these."""
    found = {}
    for name in ("input_ids", "attention_mask"):
        each = around.get(name)
        fits = isinstance(each, torch.Tensor) and each.shape == embedded.shape[:2]
        found[name] = each if fits else None
    # Masks that the whole model makes for its layers are read with the attention.
    return found if found["input_ids"] is not None else {}


def source_of(
    given: Mapping[str, Any], around: Mapping[str, Any]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the token ids of the source, -1 where they are not known, and what is no padding."""
    states, mask = given.get("encoder_hidden_states"), given.get("encoder_attention_mask")
    if not isinstance(states, torch.Tensor) or states.ndim != 3:
        raise InputError(
            f"the decoder must be called with encoder_hidden_states (batch, T, d), "
            f"got {_what(states)}"
        )
    shape = states.shape[:2]
    if mask is None:
        mask = torch.ones(shape, device=states.device)
    if not isinstance(mask, torch.Tensor) or mask.shape != shape:
        raise InputError(
            f"encoder_attention_mask must have the first two axes of encoder_hidden_states, "
            f"{tuple(shape)}, got {_what(mask)}"
        )
    ids = around.get("input_ids")
    if not isinstance(ids, torch.Tensor) or ids.shape != shape:
        ids = torch.full(shape, NO_ID, device=states.device)
    return ids, mask.bool()


def token_types_of(given: dict[str, Any], ids: torch.Tensor) -> torch.Tensor:
    """Return the token type of each token, (batch, T); 0 where the model gets none."""
    types = given.get("token_type_ids")
    if types is None:
        return torch.zeros_like(ids)
    if not isinstance(types, torch.Tensor) or types.shape != ids.shape:
        raise InputError(f"token_type_ids must have the shape of input_ids, got {_what(types)}")
    return types
