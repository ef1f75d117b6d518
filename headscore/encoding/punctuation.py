"""Label the tokens that consist of punctuation."""

from __future__ import annotations

import unicodedata
from typing import Any

import numpy as np

from headscore.arrays import Array


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
    # Each distinct id is decoded once; `place` spreads the answers over the tokens.
    distinct, place = np.unique(ids, return_inverse=True)
    texts = tokenizer.convert_ids_to_tokens(distinct.tolist())
    # Decoding is slow, so ids whose vocabulary entry has an ASCII letter or digit, which is most of
    # them, are ruled out first. It is one of the text in byte-level vocabularies too, which
    # spell bytes other than printable ASCII as non-ASCII letters.
    marks = [
        not _has_letter(text) and _is_punctuation(tokenizer.decode([number]))
        for number, text in zip(distinct.tolist(), texts, strict=True)
    ]
    return np.where(np.array(marks, bool)[place] & ~special, 0, -1).astype(np.int32)


def _has_letter(token: str | None) -> bool:
    """Return whether a vocabulary entry has an ASCII letter or digit, or is unknown."""
    return token is None or any(letter.isascii() and letter.isalnum() for letter in token)


def _is_punctuation(text: str) -> bool:
    letters = text.strip()
    return bool(letters) and all(unicodedata.category(each)[0] == "P" for each in letters)
