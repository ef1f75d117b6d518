"""Read the batch of a forward pass that a user runs."""

from __future__ import annotations

import inspect
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from headscore.arrays import Array
from headscore.encoding.encoded import Encoded
from headscore.errors import InputError
from headscore.roles.presence import check_parsed
from headscore.roles.role import Role


class UserBatch(NamedTuple):
    """The batch of one forward pass.

    Attributes
    ----------
    encoded
        Its sequences without padding: those that were expected, or made from the token ids.
    real
        Bool (batch, T), the tokens that are not padding.
    weights
        Whether the user asks for attention weights.
    """

    encoded: Encoded
    real: torch.Tensor
    weights: bool


class BatchReader:
    """Reads what a model is called with."""

    def __init__(
        self, roles: tuple[Role, ...], tokenizer: Any, *, owner: str, returned: bool
    ) -> None:
        """Set what to read for.

        Parameters
        ----------
        roles, tokenizer
            As in `headscore.scores.capture.capture`.
        owner
            Name of the class whose `expect` users call.
        returned
            Whether the model may be asked for attention weights.
        """
        if tokenizer is not None and not hasattr(tokenizer, "all_special_ids"):
            raise InputError(
                f"tokenizer must be a transformers tokenizer, got {type(tokenizer).__name__}"
            )
        self._roles = roles
        self._special = np.array([] if tokenizer is None else tokenizer.all_special_ids, np.int64)
        self._owner = owner
        self._returned = returned
        self._expected: Encoded | None = None
        self._parsed = False

    def expect(self, encoded: Encoded) -> None:
        """Set the encoding of the next batch."""
        self._expected = encoded

    def read(self, module: Any, args: Any, kwargs: Any, *, first: int = 0) -> UserBatch:
        """Return the batch that a model is called with.

        Parameters
        ----------
        module, args, kwargs
            What a forward pre-hook gets.
        first
            The id of the first sequence, from which those without an expected encoding count.

        Raises
        ------
        InputError
            The model is in train mode or its input is no padded batch of whole sequences; the
            batch is not the one that was expected; the roles need a parse that it lacks.
        """
        given = arguments_of(module, args, kwargs)
        if module.training:
            raise InputError("the model must be in eval mode, got one in train mode: model.eval()")
        if given.get("past_key_values") is not None:
            raise InputError("each pass must read whole sequences, got past_key_values")
        weights = given.get("output_attentions")
        if weights is None:  # the rule of transformers
            weights = getattr(module.config, "output_attentions", False)
        if weights and not self._returned:
            raise InputError(
                "output_attentions must be off, in the call and in the config, as no attention is "
                "made here; score_attentions scores what a model with "
                "attn_implementation='eager' returns"
            )
        ids, real = _tokens(given)
        types = _token_types(given, ids)
        encoded = self._encoded(ids.cpu().numpy(), real.cpu().numpy(), types.cpu().numpy(), first)
        self._check_parsed(encoded)
        return UserBatch(encoded, real, bool(weights))

    def _check_parsed(self, encoded: Encoded) -> None:
        if self._parsed:
            return
        try:
            check_parsed(self._roles, encoded)
        except InputError as error:
            raise InputError(
                f"{error}; tell parses to {self._owner}.expect before the pass"
            ) from error
        self._parsed = encoded.parsed

    def _encoded(self, ids: Array, real: Array, types: Array, first: int) -> Encoded:
        """Return the encoding of a batch: the expected one, or one from its token ids."""
        lengths = real.sum(1)
        if not lengths.all():
            raise InputError("every sequence must have a token, got one that is all padding")
        # (token,): the tokens of all sequences in order, wherever the padding is.
        flat = ids[real]
        expected, self._expected = self._expected, None
        if expected is not None:
            _check_expected(expected, lengths, flat)
            return replace(expected, padded=None)
        words, parts = np.zeros((2, len(ids), int(lengths.max())), np.int64)
        # The same tokens moved to the left, (batch, longest), as `Encoded.from_arrays` takes them.
        kept = np.arange(words.shape[1]) < lengths[:, None]
        words[kept], parts[kept] = flat, types[real]
        special = np.isin(words, self._special)
        encoded = Encoded.from_arrays(words, lengths, special, np.where(special, 0, parts))
        return replace(encoded, ids=tuple(str(first + n) for n in range(len(encoded))))


def arguments_of(module: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    """Return the arguments of a call of a model by name; the user may pass them by position."""
    given = inspect.signature(module.forward).bind_partial(*args, **kwargs).arguments
    given |= given.pop("kwargs", {})  # a forward with **kwargs nests the rest
    return given


def check_one_stack(model: Any, function: str) -> None:
    """Raise InputError for no model at all, or one with an encoder and a decoder."""
    is_model = isinstance(model, torch.nn.Module) and hasattr(model, "config")
    if not is_model:
        raise InputError(f"model must be a transformers model, got {type(model).__name__}")
    if getattr(model.config, "is_encoder_decoder", False) and model.get_encoder() is not model:
        raise InputError(
            f"{type(model).__name__} has an encoder and a decoder: {function} model.get_encoder()"
        )


def _check_expected(expected: Encoded, lengths: Array, ids: Array) -> None:
    """Check that a batch has the lengths and token ids of the expected one."""
    due, came = expected.lengths.tolist(), lengths.tolist()
    if due != came:
        raise InputError(
            f"the batch must be the one that was expected, of {due} tokens, got {came}"
        )
    wrong = np.flatnonzero(expected.input_ids != ids)
    if len(wrong):
        first = wrong[0]
        # The last sequence whose offset is at most the token's index.
        sequence = int(np.searchsorted(expected.offsets, first, side="right")) - 1
        raise InputError(
            "the batch must be the one that was expected, got other tokens: "
            f"{ids[first]} in place of {expected.input_ids[first]} in sequence {sequence}"
        )


def _what(value: object) -> str:
    """Return what came where a tensor of another shape was wanted."""
    return f"shape {tuple(value.shape)}" if isinstance(value, torch.Tensor) else repr(value)[:60]


def _tokens(given: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the token ids (batch, T), and a mask of those that are not padding, bool."""
    ids, mask = given.get("input_ids"), given.get("attention_mask")
    if not isinstance(ids, torch.Tensor) or ids.ndim != 2:
        raise InputError(f"the model must be called with input_ids (batch, T), got {_what(ids)}")
    if mask is None:
        return ids, torch.ones_like(ids, dtype=torch.bool)
    if not isinstance(mask, torch.Tensor) or mask.shape != ids.shape:
        raise InputError(f"attention_mask must have the shape of input_ids, got {_what(mask)}")
    return ids, mask.bool()


def _token_types(given: dict[str, Any], ids: torch.Tensor) -> torch.Tensor:
    """Return the token type of each token, (batch, T); 0 where the model gets none."""
    types = given.get("token_type_ids")
    if types is None:
        return torch.zeros_like(ids)
    if not isinstance(types, torch.Tensor) or types.shape != ids.shape:
        raise InputError(f"token_type_ids must have the shape of input_ids, got {_what(types)}")
    return types
