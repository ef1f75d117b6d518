"""Read the batch of a forward pass that a user runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch

from headscore.arrays import Array
from headscore.encoding.added_tokens import added_by, special_mask
from headscore.encoding.encoded import NO_ID, Column, Encoded
from headscore.errors import InputError
from headscore.model.arguments import arguments_of
from headscore.roles.crossing import check_one_text
from headscore.roles.presence import check_parsed
from headscore.roles.role import Role
from headscore.scores.model_call import (
    Call,
    ids_around,
    main_input,
    source_of,
    token_types_of,
    tokens_of,
)
from headscore.scores.provenance import input_hashes, token_hashes


class UserBatch(NamedTuple):
    """The batch of one forward pass.

    Attributes
    ----------
    encoded
        Its sequences without padding: those that were expected, or made from the token ids.
    real
        Bool (batch, T), the tokens that are not padding.
    hashes
        uint64 (batch,): a hash of what the model reads of each sequence.
    source_real
        As `real`, for the source of cross-attention; None: there is none.
    """

    encoded: Encoded
    real: torch.Tensor
    hashes: Array
    source_real: torch.Tensor | None = None


class BatchReader:
    """Reads what a model is called with."""

    def __init__(
        self,
        roles: tuple[Role, ...],
        tokenizer: Any,
        *,
        owner: str,
        returned: bool,
        cross: bool = False,
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
        cross
            Whether keys are tokens of a source, which the model reads as hidden states.
        """
        if tokenizer is not None and not hasattr(tokenizer, "all_special_ids"):
            raise InputError(
                f"tokenizer must be a transformers tokenizer, got {type(tokenizer).__name__}"
            )
        self._roles = roles
        self._added = added_by(tokenizer)
        self._owner = owner
        self._returned = returned
        self._cross = cross
        self._around: dict[str, Any] = {}
        self._expected: Encoded | None = None
        self._parsed = False

    def expect(self, encoded: Encoded) -> None:
        """Set the encoding of the next batch."""
        self._expected = encoded

    def called_around(self, module: Any, args: Any, kwargs: Any) -> None:
        """Note what a model is called with that calls the one to read in turn."""
        self._around = arguments_of(module, args, kwargs)
        self._check_weights(module, self._around)

    def left_around(self) -> None:
        """Forget the last call around: the model may be called alone next."""
        self._around = {}

    def call(self, module: Any, args: Any, kwargs: Any) -> Call:
        """Return a call of a model.

        Parameters
        ----------
        module, args, kwargs
            What a forward pre-hook gets.

        Raises
        ------
        InputError
            The model is in train mode or its input is no batch of whole sequences.
        """
        given = arguments_of(module, args, kwargs)
        if module.training:
            raise InputError("the model must be in eval mode, got one in train mode: model.eval()")
        if given.get("past_key_values") is not None:
            raise InputError("each pass must read whole sequences, got past_key_values")
        if given.get("input_ids") is None and isinstance(given.get("inputs_embeds"), torch.Tensor):
            given |= ids_around(self._around, given["inputs_embeds"])
        weights = self._check_weights(module, given)
        return Call(given, weights, main_input(module, given))

    def _check_weights(self, module: Any, given: Mapping[str, Any]) -> bool:
        """Return whether attention weights are asked for; raises InputError if there are none."""
        weights = given.get("output_attentions")
        if weights is None:  # the rule of transformers
            weights = getattr(module.config, "output_attentions", False)
        if weights and not self._returned:
            raise InputError(
                "output_attentions must be off, in the call and in the config, as no attention is "
                "made here; score_attentions scores what a model with "
                "attn_implementation='eager' returns"
            )
        return bool(weights)

    def read(self, call: Call, *, first: int = 0) -> UserBatch:
        """Return the batch of token ids or embeddings that a model is called with.

        Parameters
        ----------
        call
            The call.
        first
            The id of the first sequence, from which those without an expected encoding count.

        Raises
        ------
        InputError
            The input is no padded batch of whole sequences; the batch is not the one that was
            expected; the roles need a parse that it lacks.
        """
        ids, real = tokens_of(call.given)
        types = token_types_of(call.given, ids)
        expected = self._due()
        encoded = self._encoded(ids, real, types, first, expected)
        source_real = None
        if self._cross:
            ids_of_source, source_real = source_of(call.given, self._around)
            due = None if expected is None else expected.source
            types = torch.zeros_like(ids_of_source)
            source = self._encoded(ids_of_source, source_real, types, first, due)
            encoded = replace(encoded, source=source)
            check_one_text(self._roles, encoded)
        self._check_parsed(encoded)
        known = call.given.get("input_ids") is not None
        hashes = token_hashes(encoded) if known else input_hashes(call.main_input, real)
        return UserBatch(encoded, real, hashes, source_real)

    def read_places(
        self, call: Call, real: torch.Tensor, columns: Mapping[str, Array], *, first: int = 0
    ) -> UserBatch:
        """Return the batch of a model that reads no tokens, once its number of tokens is known.

        Parameters
        ----------
        call, first
            As in `read`.
        real
            Bool (batch, T), the tokens that are not padding.
        columns
            Integer labels of the tokens by column name, (T,).

        Raises
        ------
        InputError
            As in `read`.
        """
        nothing = torch.zeros(real.shape, dtype=torch.int64)
        encoded = self._encoded(nothing + NO_ID, real, nothing, first, self._due())
        _, token = real.cpu().numpy().nonzero()
        placed = {name: Column(labels[token], ()) for name, labels in columns.items()}
        encoded = replace(encoded, columns={**placed, **encoded.columns})
        self._check_parsed(encoded)
        mask = call.given.get("attention_mask")
        return UserBatch(encoded, real, input_hashes(call.main_input, mask))

    def _check_parsed(self, encoded: Encoded) -> None:
        if self._parsed:
            return
        try:
            check_parsed(self._roles, encoded)
        except InputError as error:
            raise InputError(
                f"{error}; give parses to {self._owner}.expect before the pass"
            ) from error
        self._parsed = encoded.parsed

    def _due(self) -> Encoded | None:
        """Return the encoding that is expected, once."""
        expected, self._expected = self._expected, None
        if expected is not None and expected.source is not None and not self._cross:
            raise InputError("the batch that is expected must have no source, got one")
        return expected

    def _encoded(
        self,
        ids__bt: torch.Tensor,
        real__bt: torch.Tensor,
        types__bt: torch.Tensor,
        first: int,
        expected: Encoded | None,
    ) -> Encoded:
        """Return the encoding of a batch: the expected one, or one from its token ids."""
        ids, real, types = (each.cpu().numpy() for each in (ids__bt, real__bt, types__bt))
        if not len(ids):
            raise InputError("a batch must have at least one sequence, got none")
        lengths = real.sum(1)
        if not lengths.all():
            raise InputError("every sequence must have a token, got one that is all padding")
        # (token,): the tokens of all sequences in order, wherever the padding is.
        flat = ids[real]
        if expected is not None:
            _check_expected(expected, lengths, flat)
            return replace(expected, padded=None)
        words, parts = np.zeros((2, len(ids), int(lengths.max())), np.int64)
        # The same tokens moved to the left, (batch, longest), as `Encoded.from_arrays` takes them.
        kept = np.arange(words.shape[1]) < lengths[:, None]
        words[kept], parts[kept] = flat, types[real]
        special = special_mask(words, lengths, self._added)
        encoded = Encoded.from_arrays(
            np.where(words == NO_ID, 0, words), lengths, special, np.where(special, 0, parts)
        )
        # `from_arrays` refuses ids below 0.
        names = tuple(str(first + n) for n in range(len(encoded)))
        return replace(encoded, ids=names, input_ids=flat)


def check_model(model: Any) -> None:
    """Raise InputError for no model at all."""
    if not (isinstance(model, torch.nn.Module) and hasattr(model, "config")):
        raise InputError(f"model must be a transformers model, got {type(model).__name__}")


def check_one_stack(model: Any, function: str) -> None:
    """Raise InputError for no model at all, or one with an encoder and a decoder."""
    check_model(model)
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
    wrong = np.flatnonzero((expected.input_ids != ids) & (ids != NO_ID))
    if len(wrong):
        first = wrong[0]
        # The last sequence whose offset is at most the token's index.
        sequence = int(np.searchsorted(expected.offsets, first, side="right")) - 1
        raise InputError(
            "the batch must be the one that was expected, got other tokens: "
            f"{ids[first]} in place of {expected.input_ids[first]} in sequence {sequence}"
        )
