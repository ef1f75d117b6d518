"""Label the tokens that consist of punctuation."""

from __future__ import annotations

import contextlib
import unicodedata
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from headscore.arrays import Array

# By tokenizer, one byte for each id up to the largest one seen: punctuation, not, or not looked up.
# An entry ends with its tokenizer.
_KNOWN: WeakKeyDictionary[Any, Array] = WeakKeyDictionary()
_UNKNOWN = -1


def spell_punctuation(ids: Array, special: Array, tokenizer: Any) -> Array:
    """Label the tokens whose text is all punctuation.

    Parameters
    ----------
    ids, special
        int64 (token,) and bool (token,); special tokens are no punctuation.
    tokenizer
        The tokenizer of these ids.

    Returns
    -------
    int32 (token,)
        0 for punctuation (Unicode categories P), else -1.
    """
    marks = _marks(ids, tokenizer)
    return np.where((marks[ids] == 1) & ~special, 0, -1).astype(np.int32)


def _marks(ids: Array, tokenizer: Any) -> Array:
    """Return 1 for each of these ids that is punctuation, 0 for others, int8 by id."""
    try:
        known = _KNOWN.get(tokenizer, np.empty(0, np.int8))
    except TypeError:  # a tokenizer of a class without weak references
        known = np.empty(0, np.int8)
    size = int(ids.max(initial=-1)) + 1
    if size > len(known):
        known = np.concatenate([known, np.full(size - len(known), _UNKNOWN, np.int8)])
    new = ids[known[ids] == _UNKNOWN]
    if not len(new):
        return known
    distinct = np.unique(new)
    texts = tokenizer.convert_ids_to_tokens(distinct.tolist())
    # Decoding is slow, so ids whose vocabulary entry has an ASCII letter or digit, which is most of
    # them, are ruled out first. It is one of the text in byte-level vocabularies too, which
    # spell bytes other than printable ASCII as non-ASCII letters.
    known[distinct] = [
        not _has_letter(text) and _is_punctuation(tokenizer.decode([number]))
        for number, text in zip(distinct.tolist(), texts, strict=True)
    ]
    with contextlib.suppress(TypeError):
        _KNOWN[tokenizer] = known
    return known


def _has_letter(token: str | None) -> bool:
    """Return whether a vocabulary entry has an ASCII letter or digit, or is unknown."""
    return token is None or any(letter.isascii() and letter.isalnum() for letter in token)


def _is_punctuation(text: str) -> bool:
    letters = text.strip()
    return bool(letters) and all(unicodedata.category(each)[0] == "P" for each in letters)
