"""Punctuation: which tokens spell nothing else."""

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
        Whose token ids they are.

    Returns
    -------
    int32 (token,)
        0 for punctuation (Unicode categories P), else -1.
    """
    distinct, place = np.unique(ids, return_inverse=True)
    texts = tokenizer.convert_ids_to_tokens(distinct.tolist())
    marks = [
        not _has_letter(text) and _is_punctuation(tokenizer.decode([number]))
        for number, text in zip(distinct.tolist(), texts, strict=True)
    ]
    return np.where(np.array(marks, bool)[place] & ~special, 0, -1).astype(np.int32)


def _has_letter(token: str | None) -> bool:
    """Whether a token has a plain letter or digit, in any tokenizer's spelling."""
    return token is None or any(letter.isascii() and letter.isalnum() for letter in token)


def _is_punctuation(text: str) -> bool:
    letters = text.strip()
    return bool(letters) and all(unicodedata.category(each)[0] == "P" for each in letters)
