"""Encodings of tokenizers in Python, which do not know which token came from where."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

from headscore.corpus.sequence import Sequence


@dataclass(frozen=True)
class PlacelessEncoding:
    """What a tokenizers.Encoding holds, as far as it is known.

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


def placeless_encodings(
    sequences: list[Sequence], tokenizer: Any, max_length: int
) -> list[PlacelessEncoding]:
    """Encode sequences one by one; special tokens are those that the tokenizer says it added."""
    return [_encoding(each, tokenizer, max_length) for each in sequences]


def _encoding(sequence: Sequence, tokenizer: Any, max_length: int) -> PlacelessEncoding:
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
    return PlacelessEncoding(
        found["input_ids"],
        found["token_type_ids"],
        _texts_of(special, found["token_type_ids"]),
        tuple(whole[max_length:]),
    )


def _texts_of(special: list[bool], types: list[int]) -> list[int | None]:
    """Tell the texts apart by the special tokens between them, else by their types."""
    runs = [key for key, _ in itertools.groupby(special)]
    if runs.count(False) < 2:
        return [None if mark else kind for mark, kind in zip(special, types, strict=True)]
    first = special.index(False)
    end = special.index(True, first)
    return [None if mark else int(place >= end) for place, mark in enumerate(special)]
