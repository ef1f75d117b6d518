"""Tokens: tokenize the texts of a table."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from headscore.arrays import Array, Bools, Ints, ragged_take
from headscore.corpus.sequence_table import SequenceTable
from headscore.encoding._alignment import flatten
from headscore.encoding.slow_tokenizers import encode_slowly
from headscore.errors import InputError, is_fault, one_line

# A text with more characters than this per token of the limit is cut before it is paired. English
# has 4 to 5 characters a token, so that only texts far over the limit are tokenized twice.
_FAR = 64


@dataclass(frozen=True, eq=False)
class Tokens:
    """The tokens of some sequences.

    Attributes
    ----------
    offsets
        int64 (sequence + 1,): the tokens of each sequence.
    ids, types, owners
        int32 (token,): token id, token type, and number of the text, -1 for a special token.
    words, starts, ends
        int32 (token,): number of the word in its text as the tokenizer counts, -1 for none, and
        span in characters; empty for a slow tokenizer.
    truncated
        bool (sequence,): tokens were cut off.
    """

    offsets: Ints
    ids: Array
    types: Array
    owners: Array
    words: Array
    starts: Array
    ends: Array
    truncated: Bools

    @property
    def own(self) -> Ints:
        """int64 (sequence,): tokens that are not special."""
        before = np.concatenate([[0], (self.owners >= 0).cumsum()])
        return np.asarray(before[self.offsets[1:]] - before[self.offsets[:-1]], np.int64)

    def take(self, rows: Ints) -> Tokens:
        """Return the tokens of some sequences."""
        offsets, places = ragged_take(self.offsets, rows)
        columns = {each.name: getattr(self, each.name) for each in fields(self)[1:-1]}
        taken = {
            name: column[places] if len(column) else column for name, column in columns.items()
        }
        return Tokens(offsets, **taken, truncated=self.truncated[rows])


def has_offsets(tokenizer: Any) -> bool:
    """Return whether a tokenizer has offsets: the span of each token in its text."""
    return bool(getattr(tokenizer, "is_fast", False))


def check_offsets(tokenizer: Any) -> None:
    """Check that a tokenizer has offsets; raises InputError."""
    if not has_offsets(tokenizer):
        raise InputError(
            "the tokenizer must be a fast one, whose offsets show the tokens of a word, got "
            f"{type(tokenizer).__name__}"
        )


def tokenize(
    table: SequenceTable, chosen: Ints, tokenizer: Any, max_length: int, *, splits: bool
) -> tuple[Tokens, list[Any]]:
    """Return the tokens of some sequences of a table, and the tokenizer's encoding of each.

    `splits`: special tokens that a text spells are split.
    """
    texts = table.texts_of(chosen)
    placed = has_offsets(tokenizer)
    try:
        if placed:
            near = _beginnings(texts, tokenizer, max_length, splits=splits)
            encodings = _encode_batch(near, tokenizer, max_length, splits=splits)
        else:
            encodings = encode_slowly(texts, tokenizer, max_length, splits=splits)
        return Tokens(*flatten(encodings, placed)), encodings
    except BaseException as error:  # of any kind: the tokenizer's own code runs
        if not is_fault(error):
            raise
        raise InputError(
            f"the tokenizer must read every text, got {type(error).__name__}: {one_line(error)}"
        ) from error


def _encode_batch(
    texts: list[list[str]], tokenizer: Any, max_length: int, *, splits: bool
) -> list[Any]:
    """Return a ``tokenizers.Encoding`` per sequence of one or two texts."""
    if not texts:
        return []
    settings = {
        "truncation": "longest_first",
        "max_length": max_length,
        "split_special_tokens": splits,
        "verbose": False,
    }
    if not _is_plain(tokenizer):
        return _call(texts, tokenizer, settings)
    # A call sets truncation in the tokenizer below. The lists that a call also makes of all tokens
    # are not needed.
    tokenizer(texts[0][0][:1], **settings)
    batch = [each[0] if len(each) == 1 else tuple(each) for each in texts]
    encoded: list[Any] = tokenizer.backend_tokenizer.encode_batch(batch)
    return encoded


def _is_plain(tokenizer: Any) -> bool:
    """Return whether a fast tokenizer leaves encoding to the tokenizer below."""
    from transformers import PreTrainedTokenizerFast

    own, plain = type(tokenizer), PreTrainedTokenizerFast
    names = ("__call__", "_encode_plus")
    return all(getattr(own, name, None) is getattr(plain, name, None) for name in names)


def _call(texts: list[list[str]], tokenizer: Any, settings: dict[str, Any]) -> list[Any]:
    """Encode by the tokenizer's own methods; single texts and pairs in one call each."""
    encodings: list[Any] = [None] * len(texts)
    for n_texts in (1, 2):
        chosen = [i for i, each in enumerate(texts) if len(each) == n_texts]
        if chosen:
            columns = zip(*(texts[i] for i in chosen), strict=True)
            result = tokenizer(*map(list, columns), **settings)
            for i, encoding in zip(chosen, result.encodings, strict=True):
                encodings[i] = encoding
    return encodings


def _beginnings(
    rows: list[list[str]], tokenizer: Any, max_length: int, *, splits: bool = True
) -> list[list[str]]:
    """Return texts of pairs, cut behind all tokens that can be kept where they are far too long.

    A tokenizer returns everything that it truncates, for a pair every part of one text with every
    part of the other: for two books that does not fit in memory. Truncation gives the longer text
    the extra token of an odd limit, so the longer one must remain the longer one.
    """
    return [
        _pair_beginnings(texts, tokenizer, max_length, splits=splits)
        if len(texts) == 2 and max(map(len, texts)) > _FAR * max_length
        else texts
        for texts in rows
    ]


def _pair_beginnings(
    texts: list[str], tokenizer: Any, max_length: int, *, splits: bool
) -> list[str]:
    spans = tokenizer(
        texts,
        add_special_tokens=False,
        split_special_tokens=splits,
        return_offsets_mapping=True,
        verbose=False,
    )["offset_mapping"]
    # Twice the limit is more than truncation keeps of a text and leaves a rest to cut off, so that
    # it counts as truncated; of the longer text twice as many tokens keep it the longer one.
    longer = 0 if len(spans[0]) > len(spans[1]) else 1
    kept = [2 * max_length * (1 + (n == longer)) for n in range(2)]
    return [
        text[: span[n][0]] if len(span) > n else text
        for text, span, n in zip(texts, spans, kept, strict=True)
    ]
