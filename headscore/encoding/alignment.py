"""Align words with tokens: find the token positions of each word of each text."""

from __future__ import annotations

from typing import Any

import numpy as np

from headscore.arrays import Array, Bools, Ints
from headscore.corpus.sequence_table import SequenceTable
from headscore.encoding._alignment import find_pieces
from headscore.encoding.tokens import Tokens


def pieces_of(
    table: SequenceTable, chosen: Ints, tokens: Tokens, encodings: list[Any]
) -> tuple[Array, Array]:
    """Return the first token of each word and the end of its tokens.

    Words are found by their character offsets, never by their form, so that repeated words are
    distinct. A word is truncated where a token that was cut off shares its characters.

    Parameters
    ----------
    table
        The sequences.
    chosen
        int64 (sequence,): those of them that have tokens.
    tokens, encodings
        Their tokens, and the tokenizer's own encodings.

    Returns
    -------
    begins, stops
        int32 (word,), for every word of the table: positions in its sequence, -1 for a word that
        has no tokens or truncated ones.
    """
    begins, stops = find_pieces(
        chosen,
        tokens.offsets,
        tokens.owners,
        tokens.starts,
        tokens.ends,
        table.texts,
        table.segment_offsets,
        table.word_offsets,
        table.starts,
        table.ends,
    )
    for row in np.flatnonzero(tokens.truncated).tolist():
        first, last = table.segment_offsets[chosen[row] : chosen[row] + 2].tolist()
        own = slice(*tokens.offsets[row : row + 2].tolist())
        for number, segment in enumerate(range(first, last)):
            ours = tokens.owners[own] == number
            offsets = np.stack([tokens.starts[own][ours], tokens.ends[own][ours]], axis=1)
            words = slice(*table.word_offsets[segment : segment + 2].tolist())
            spans = np.stack([table.starts[words], table.ends[words]], axis=1)
            cut = _are_cut(encodings[row], number, offsets, spans, begins[words] >= 0)
            begins[words][cut], stops[words][cut] = -1, -1
    return begins, stops


def _are_cut(encoding: Any, number: int, offsets: Array, spans: Array, placed: Bools) -> Bools:
    """Return bool (word,): a token that was cut off shares characters with the word."""
    # `overflowing` holds what truncation cut off, one encoding per piece. Of a text pair each piece
    # repeats the other text unchanged, whose tokens were not cut off: equal offsets show that.
    cut = np.zeros(len(spans), np.bool_)
    if not placed.any():
        return cut
    for other in encoding.overflowing:
        left_out = _tokens_of(other, number)
        if not np.array_equal(left_out, offsets):  # else the other text of the pair was cut
            left = np.flatnonzero(placed & ~cut)
            # A non-empty range of cut-off tokens: part of the word is missing.
            begin = np.searchsorted(left_out[:, 1], spans[left, 0], side="right")
            end = np.searchsorted(left_out[:, 0], spans[left, 1], side="left")
            cut[left] = begin < end
    return cut


def _tokens_of(encoding: Any, number: int) -> Array:
    """Return the character offsets of the tokens of a text, int64 (token, 2)."""
    owners, offsets = encoding.sequence_ids, encoding.offsets
    at = [place for place, owner in zip(offsets, owners, strict=True) if owner == number]
    return np.array(at, np.int64).reshape(-1, 2)
