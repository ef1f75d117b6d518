"""Label the tokens that consist of punctuation."""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections.abc import Sequence as Many
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np

from headscore.arrays import Array, Bools, new_runs
from headscore.encoding.tokens import Tokens

# By tokenizer, one byte for each id up to the largest one seen: one of the numbers below.
# An entry ends with its tokenizer.
_KNOWN: WeakKeyDictionary[Any, Array] = WeakKeyDictionary()
# An id by itself: not looked up, no punctuation, punctuation, or a part of a character.
_UNKNOWN, _OTHER, _MARK, _PIECE = range(-1, 3)
_BYTE = re.compile("<0x([0-9A-F]{2})>")  # the name of a byte, as in Llama
_MOST_PIECES = 8  # of a character: UTF-8 has up to 4 bytes


def spell_punctuation(tokens: Tokens, texts: Many[Many[str]], tokenizer: Any) -> Array:
    """Label the tokens that spell nothing but punctuation.

    Byte-level vocabularies may spell one character with several tokens. These are punctuation where
    all characters that they spell together are.

    Parameters
    ----------
    tokens
        The tokens of some sequences; special tokens are no punctuation.
    texts
        The texts of each of them.
    tokenizer
        Their tokenizer.

    Returns
    -------
    int32 (token,)
        0 for punctuation (Unicode categories P), else -1.
    """
    kinds = _kinds(tokens.ids, tokenizer)[tokens.ids]
    marks = kinds == _MARK
    if len(tokens.starts):
        _mark_by_offsets(marks, tokens, texts, tokenizer)
    else:
        _mark_by_decoding(marks, kinds == _PIECE, tokens, tokenizer)
    return np.where(marks & (tokens.owners >= 0), 0, -1).astype(np.int32)


def _mark_by_offsets(marks: Bools, tokens: Tokens, texts: Many[Many[str]], tokenizer: Any) -> None:
    """Mark the tokens of characters that have several, by the offsets that these share."""
    # Neighbours share characters where one starts before the other ends, in one text of a sequence.
    row = np.repeat(np.arange(len(texts)), np.diff(tokens.offsets))
    alone = new_runs(row, tokens.owners)
    alone[1:] |= tokens.starts[1:] >= tokens.ends[:-1]
    starts = np.append(np.flatnonzero(alone), len(alone))
    several = np.flatnonzero(np.diff(starts) > 1)
    for first, end in zip(starts[several].tolist(), starts[several + 1].tolist(), strict=True):
        text = texts[row[first]][max(tokens.owners[first], 0)]
        spelled = text[tokens.starts[first] : tokens.ends[end - 1]]
        names = tokenizer.convert_ids_to_tokens(tokens.ids[first:end].tolist())
        mark = _is_punctuation(spelled)
        marks[first:end] = [mark and not _is_space(name) for name in names]


def _mark_by_decoding(marks: Bools, pieces: Bools, tokens: Tokens, tokenizer: Any) -> None:
    """Mark the tokens of characters that have several, which decode to these only together."""
    decoded: dict[tuple[int, ...], str] = {}
    row = np.repeat(np.arange(len(tokens.offsets) - 1), np.diff(tokens.offsets))
    first = 0
    for t in np.flatnonzero(pieces).tolist():
        # A run of pieces starts anew behind a character that is whole, and behind other tokens.
        if t - first >= _MOST_PIECES or row[first] != row[t] or not pieces[first:t].all():
            first = t
        run = tuple(tokens.ids[first : t + 1].tolist())
        if run not in decoded:
            decoded[run] = tokenizer.decode(list(run))
        if not _is_part(decoded[run]):
            marks[first : t + 1] = _is_punctuation(decoded[run])
            first = t + 1


def _kinds(ids: Array, tokenizer: Any) -> Array:
    """Return what each of these ids is, int8 by id."""
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
        _OTHER if _has_letter(text) or _is_space(text) else _kind(_spelled(tokenizer, number, text))
        for number, text in zip(distinct.tolist(), texts, strict=True)
    ]
    with contextlib.suppress(TypeError):
        _KNOWN[tokenizer] = known
    return known


def _has_letter(token: str | None) -> bool:
    """Return whether a vocabulary entry has an ASCII letter or digit, or is unknown."""
    if token is None:
        return True
    if _BYTE.fullmatch(token):
        return False
    # CLIP and GPT mark the end of a word with a suffix.
    return any(each.isascii() and each.isalnum() for each in token.removesuffix("</w>"))


def _spelled(tokenizer: Any, number: int, token: str) -> str:
    """Return what an id spells; bytes of Llama also where the tokenizer has no decoder for them."""
    byte = _BYTE.fullmatch(token)
    if byte is not None:
        return bytes.fromhex(byte[1]).decode(errors="replace")
    text: str = tokenizer.decode([number])
    return text


def _is_space(token: str) -> bool:
    """Return whether a vocabulary entry stands for spaces."""
    return not token.strip("▁Ġ ")


def _kind(text: str) -> int:
    if _is_part(text):
        return _PIECE
    return _MARK if _is_punctuation(text) else _OTHER


def _is_part(text: str) -> bool:
    """Return whether decoded bytes are no whole characters: left out, or replaced."""
    return not text or "\ufffd" in text


def _is_punctuation(text: str) -> bool:
    letters = text.strip()
    return bool(letters) and all(unicodedata.category(each)[0] == "P" for each in letters)
