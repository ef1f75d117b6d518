"""Encode with slow tokenizers, which have no offsets."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class SlowEncoding:
    """The attributes of a `tokenizers.Encoding` that a slow tokenizer can fill.

    Attributes
    ----------
    ids, type_ids
        Token id and token type id of each token.
    sequence_ids
        Number of the text of each token; None for special tokens.
    overflowing
        Not empty where tokens were truncated.
    """

    ids: list[int]
    type_ids: list[int]
    sequence_ids: list[int | None]
    overflowing: tuple[int, ...]


def encode_slowly(
    sequences: list[list[str]], tokenizer: Any, max_length: int
) -> list[SlowEncoding]:
    """Encode sequences of one or two texts one by one.

    Special tokens are those of the tokenizer's own mask.
    """
    return [_encoding(texts, tokenizer, max_length) for texts in sequences]


def _encoding(texts: list[str], tokenizer: Any, max_length: int) -> SlowEncoding:
    options = {"verbose": False, "split_special_tokens": True}
    # Slow tokenizers do not report truncation; the untruncated call gives the full length.
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
    # Two runs of text tokens: the first one ends at the first special token after it. One run: a
    # single text, or two texts without a separator, which only token types distinguish.
    runs = [key for key, _ in itertools.groupby(special)]
    if runs.count(False) < 2:
        return [None if mark else kind for mark, kind in zip(special, types, strict=True)]
    first = special.index(False)
    end = special.index(True, first)
    return [None if mark else int(place >= end) for place, mark in enumerate(special)]
