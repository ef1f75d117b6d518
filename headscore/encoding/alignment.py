"""Align words with tokens: find the token positions of each word of each text."""

from __future__ import annotations

from typing import Any

import numpy as np

from headscore.arrays import Array, Bools, Ints, new_runs
from headscore.corpus.sequence_table import SequenceTable
from headscore.encoding._alignment import find_pieces, number_words, spell_words
from headscore.encoding.tokens import Tokens


def pieces_of(table: SequenceTable, chosen: Ints, tokens: Tokens) -> tuple[Array, Array]:
    """Return the first token of each word and the end of its tokens.

    Words are found by their character offsets, never by their form, so that repeated words are
    distinct. Tokens that were cut off are not among them.

    Parameters
    ----------
    table
        The sequences.
    chosen
        int64 (sequence,): those of them that have tokens.
    tokens
        Their tokens.

    Returns
    -------
    begins, stops
        int32 (word,), for every word of the table: positions in its sequence, -1 for a word that
        has no tokens.
    """
    return _find(table, chosen, tokens, table.word_offsets, table.starts, table.ends)


def word_numbers(
    table: SequenceTable, chosen: Ints, tokens: Tokens, pieces: tuple[Array, Array]
) -> Array:
    """Return a number for the word of each token, int32 (token,); -1 for a token of no word.

    Words are those of the corpus, where it has them. In other texts a word ends where the tokenizer
    ends one and at white space: tokenizers without a pre-tokenizer, such as that of Llama, take a
    whole text for one word. In scripts without spaces between words every letter is one.

    Parameters
    ----------
    table, chosen, tokens
        As in `pieces_of`.
    pieces
        What it returned.
    """
    bounds = chosen, tokens.offsets, table.segment_offsets
    given = number_words(*bounds, table.word_offsets, *pieces)
    offsets, starts, ends = spell_words(table.texts, table.split.view(np.uint8))
    found = _find(table, chosen, tokens, offsets, starts, ends)
    spelled = number_words(*bounds, offsets, *found)
    row = np.repeat(np.arange(len(chosen)), np.diff(tokens.offsets))
    own = np.where(given >= 0, -1, tokens.words)
    known = (given >= 0) | (spelled >= 0)
    # A word is a run of tokens; words are numbered from 0 in each sequence.
    before = np.append(0, (new_runs(row, tokens.owners, given, spelled, own) & known).cumsum())
    numbers = before[1:] - before[tokens.offsets[:-1]][row] - 1
    return np.where(known, numbers, -1).astype(np.int32)


def _find(
    table: SequenceTable, chosen: Ints, tokens: Tokens, offsets: Ints, starts: Array, ends: Array
) -> tuple[Array, Array]:
    return find_pieces(
        chosen,
        tokens.offsets,
        tokens.owners,
        tokens.starts,
        tokens.ends,
        table.texts,
        table.segment_offsets,
        offsets,
        starts,
        ends,
    )


def without_cut_words(
    table: SequenceTable,
    chosen: Ints,
    tokens: Tokens,
    encodings: list[Any],
    pieces: tuple[Array, Array],
) -> tuple[Array, Array]:
    """Return pieces with -1 for truncated words: a token that was cut off shares its characters.

    Parameters
    ----------
    table, chosen, tokens
        As in `pieces_of`.
    encodings
        The tokenizer's own encodings of these sequences.
    pieces
        What `pieces_of` returned.
    """
    begins, stops = (side.copy() for side in pieces)
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
