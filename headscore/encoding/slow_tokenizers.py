"""Encodings of slow tokenizers, which have no offsets."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from headscore.corpus.sequence import Sequence


@dataclass(frozen=True)
class SlowEncoding:
    """The attributes of a `tokenizers.Encoding` that a slow tokenizer can fill.

    Attributes
    ----------
    ids, type_ids
        Of each token.
    sequence_ids
        The text that each token is of; None for special tokens.
    overflowing
        Not empty where tokens were cut off.
    word_ids
        Never known.
    """

    ids: list[int]
    type_ids: list[int]
    sequence_ids: list[int | None]
    overflowing: tuple[int, ...]
    word_ids: None = None


def encode_slowly(sequences: list[Sequence], tokenizer: Any, max_length: int) -> list[SlowEncoding]:
    """Encode sequences one by one; special tokens are those that the tokenizer says it added."""
    return [_encoding(each, tokenizer, max_length) for each in sequences]


def _encoding(sequence: Sequence, tokenizer: Any, max_length: int) -> SlowEncoding:
    texts = [segment.text for segment in sequence.segments]
    options = {"verbose": False, "split_special_tokens": True}
    whole = tokenizer(*texts, **options)["input_ids"]
    found = tokenizer(
        *texts,
        truncation="longest_first",
        max_length=max_length,
        return_special_tokens_mask=True,
        return_token_type_ids=True,
        **options,
    )
    special = [bool(each) for each in found["special_tokens_mask"]]
    return SlowEncoding(
        found["input_ids"],
        found["token_type_ids"],
        _texts_of(special, found["token_type_ids"]),
        tuple(whole[max_length:]),
    )


def _texts_of(special: list[bool], types: list[int]) -> list[int | None]:
    """Return the text of each token: by the special tokens between texts, else by token types."""
    runs = [key for key, _ in itertools.groupby(special)]
    if runs.count(False) < 2:
        return [None if mark else kind for mark, kind in zip(special, types, strict=True)]
    first = special.index(False)
    end = special.index(True, first)
    return [None if mark else int(place >= end) for place, mark in enumerate(special)]
