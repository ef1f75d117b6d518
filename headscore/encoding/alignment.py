"""Align words with tokens: find the token positions of each word of a text."""

from __future__ import annotations

from typing import Any

import numpy as np

from headscore.arrays import Array
from headscore.corpus.sequence import Segment


def pieces_of(segment: Segment, number: int, encoding: Any) -> list[range | None]:
    """Return the token positions of each word; None where it has none or was truncated.

    Words are found by their character offsets, never by their form, so that repeated words are
    distinct. A word is truncated where a token that was cut off shares its characters. A word of
    white space only, as spaCy makes them, has no tokens.
    """
    text, places = segment.text, segment.spans or ()
    spans = np.array(places, np.int64).reshape(-1, 2)
    # spaced: the character before the word is a space, or there is none. blank: only white space.
    spaced = np.array([not start or text[start - 1 : start].isspace() for start, _ in places], bool)
    blank = np.array([text[start:end].isspace() for start, end in places], bool)
    first, offsets = _tokens_of(encoding, number)
    begin, end = _sharing(offsets, spans, spaced)
    whole = (begin < end) & ~blank
    # `overflowing` holds what truncation cut off, one encoding per piece. Of a text pair each piece
    # repeats the other text unchanged, whose tokens were not cut off: equal offsets show that.
    for other in encoding.overflowing:
        left_out = _tokens_of(other, number)[1]
        if not np.array_equal(left_out, offsets):  # else the other text of the pair was cut
            # A non-empty range of cut-off tokens: part of the word is missing.
            cut_begin, cut_end = _sharing(left_out, spans[whole], spaced[whole])
            whole[whole] = cut_begin >= cut_end
    return [
        range(first + b, first + e) if w else None
        for b, e, w in zip(begin.tolist(), end.tolist(), whole.tolist(), strict=True)
    ]


def _tokens_of(encoding: Any, number: int) -> tuple[int, Array]:
    """Return the position of a text's first token, and its tokens' character offsets (token, 2)."""
    # The tokens of one text are contiguous, so that its words are ranges of positions.
    at = [i for i, owner in enumerate(encoding.sequence_ids) if owner == number]
    offsets = encoding.offsets
    return at[0] if at else 0, np.array([offsets[i] for i in at], np.int64).reshape(-1, 2)


def _sharing(offsets: Array, spans: Array, spaced: Array) -> tuple[Array, Array]:
    """Return [begin, end) of the tokens of each word.

    A token belongs to every word that it shares characters with. A token of nothing but the space
    before a word belongs to that word, as in the tokenizer's own word_ids::

        characters   T h e   d o g s .        spans of words    The 0..3, dogs 4..8, . 8..9
        tokens       0---- 1 2---- 3 4        1 is the space alone: it belongs to the word of 2
        begin        first token that ends behind the start of the word
        end          first token that starts at or behind the end of the word
    """
    starts, ends = offsets[:, 0], offsets[:, 1]
    begin = np.searchsorted(ends, spans[:, 0], side="right")
    end = np.searchsorted(starts, spans[:, 1], side="left")
    # SentencePiece may make the space a token of its own. Such a token lies directly before the
    # word's first one, ends where the word starts, and starts at most one character earlier (equal
    # offsets: a mark that stands for no character of the text).
    has_mark = spaced & (begin > 0) & (begin < end)
    before = begin[has_mark] - 1
    start = spans[has_mark, 0]
    has_mark[has_mark] = (starts[before] >= start - 1) & (ends[before] == start)
    return begin - has_mark, end
