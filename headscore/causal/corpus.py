"""Encode the corpus of an experiment, which is kept in memory for every pass over it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from headscore.declarations import declared
from headscore.encoding.encoded import Encoded
from headscore.model.load import Model
from headscore.options import EncodeOptions, ValidateOptions
from headscore.roles.presence import Presence, absence_warnings
from headscore.roles.role import Role
from headscore.roles.specs import asks_for
from headscore.roles.token_labels import asked_column
from headscore.scores.batches import check_vocabulary
from headscore.scores.encoded_corpus import as_encoded, check_model, check_options, encode
from headscore.scores.provenance import tokenizer_hash


def encoded_for(
    model: Model, corpus: Any, roles: tuple[Role, ...], options: ValidateOptions
) -> tuple[Encoded, Mapping[str, str]]:
    """Return a corpus as a model reads it, and the roles that no sequence has, with the reason.

    Raises
    ------
    UsageError, InputError
        As `headscore.score`.
    """
    encoded = as_encoded(corpus)
    if encoded is not None:
        check_options(options)
        check_model(encoded, tokenizer_hash(model.tokenizer), model.max_length)
    else:
        chosen = {each.name: getattr(options, each.name) for each, _ in declared(EncodeOptions)}
        chosen["max_length"] = model.max_length
        chosen["labels"] = (*options.labels, *filter(None, map(asked_column, roles)))
        chosen["word_places"] = any(role.check is not None for role in roles)
        encoded = encode(corpus, model.tokenizer, **chosen)
    check_vocabulary(model, encoded)
    presence = Presence.of(roles, encoded)
    absence_warnings(roles, presence)  # raises where none is left
    counted = encoded.counting(partial(asks_for, roles))
    return replace(
        counted, counts={**counted.known_sources().read, **counted.counts}
    ), presence.absent or {}
