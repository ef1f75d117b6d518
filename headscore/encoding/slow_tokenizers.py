"""Encode with slow tokenizers, which have no offsets."""

from __future__ import annotations

import copy
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
    sequences: list[list[str]], tokenizer: Any, max_length: int, *, splits: bool = True
) -> list[SlowEncoding]:
    """Encode sequences of one or two texts one by one.

    Special tokens are those of the tokenizer's own mask. `splits`: those that a text spells are
    split.
    """
    return [
        _encoding(texts, _for_texts(tokenizer, texts) if splits else tokenizer, max_length)
        for texts in sequences
    ]


def _for_texts(tokenizer: Any, texts: list[str]) -> Any:
    """Return a tokenizer that splits the special tokens that texts spell, and no other token."""
    # `split_special_tokens` of a slow tokenizer splits every added token, and the whole vocabulary
    # of ESM-2 are added tokens. So a copy gets a method that does what its own does, but for
    # special tokens.
    specials = set(tokenizer.all_special_tokens)
    if not any(each in text for each in specials for text in texts):
        return tokenizer
    plain = type(tokenizer.tokens_trie)()
    for token in tokenizer.tokens_trie._tokens - specials:
        plain.add(token)

    def tokenize(text: str, **options: Any) -> list[str]:
        options.pop("split_special_tokens", None)
        return [
            token
            for part in plain.split(text)
            if part
            for token in tokenizer.tokenize(
                part, split_special_tokens=part not in plain._tokens, **options
            )
        ]

    splitting = copy.copy(tokenizer)
    splitting.tokenize = tokenize
    return splitting


def _encoding(texts: list[str], tokenizer: Any, max_length: int) -> SlowEncoding:
    options = {"verbose": False, "split_special_tokens": False}
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
    ids = found["input_ids"]
    # ByT5 adds no end to a text that spells it, but counts it in the mask and the types.
    special, types = (
        found[name][-len(ids) :] for name in ("special_tokens_mask", "token_type_ids")
    )
    texts_of = _texts_of(list(map(bool, special)), types)
    return SlowEncoding(ids, types, texts_of, tuple(whole[max_length:]))


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
