"""Places of words and characters: which words of the corpus, and which letters, each token is of.

Columns of tokens, beside those of the corpus, for roles whose pairs are given in words or letters::

    text              au lit .         words 0 à, 1 le, 2 lit, 3 .  (one token spells both à and le)
    token             [CLS]  au  li  ##t  .  [SEP]
    first word           -1   0   2    2  3     -1
    last word            -1   1   2    2  3     -1
    first letter         -1   0   3    5  7     -1
    letter behind        -1   2   5    6  8     -1
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from headscore.arrays import Ints, ragged_take
from headscore.corpus.sequence_table import SequenceTable
from headscore.encoding._alignment import spell_words
from headscore.encoding.alignment import pieces_of, without_cut_words
from headscore.encoding.encoded import LETTERS, WORDS, Column
from headscore.encoding.tokens import Tokens


def with_words(table: SequenceTable) -> SequenceTable:
    """Return sequences with the words of every text: those of the corpus, else those it spells.

    What a text spells are the words between its white space; in scripts without it, the letters.
    """
    offsets, starts, ends = spell_words(table.texts, table.split.view(np.uint8))
    # A text has words of one kind only, so that a stable sort by text puts both kinds in order.
    texts = [
        np.repeat(np.arange(len(table.texts)), np.diff(o)) for o in (table.word_offsets, offsets)
    ]
    order = np.argsort(np.concatenate(texts), kind="stable")
    return replace(
        table,
        word_offsets=table.word_offsets + offsets,
        starts=np.concatenate([table.starts, starts])[order],
        ends=np.concatenate([table.ends, ends])[order],
    )


def word_counts(table: SequenceTable) -> Ints:
    """Return the number of words of each sequence of `with_words`, int64 (sequence,)."""
    return np.asarray(np.diff(table.word_offsets[table.segment_offsets]))


def place_columns(
    table: SequenceTable, chosen: Ints, tokens: Tokens, encodings: list[Any]
) -> dict[str, Column]:
    """Return the columns, -1 for tokens of no text, or of no word or one that was cut.

    Parameters
    ----------
    table
        The sequences.
    chosen, tokens, encodings
        Those of them that have tokens, and these, as in `without_cut_words`. Words are counted from
        0 in their sequence, letters in their text.
    """
    worded = with_words(table)
    pieces = pieces_of(worded, chosen, tokens)
    begins, stops = without_cut_words(worded, chosen, tokens, encodings, pieces)
    bounds, words = ragged_take(worded.word_offsets[worded.segment_offsets], chosen)
    row = np.repeat(np.arange(len(chosen)), np.diff(bounds))
    number = np.arange(len(words)) - bounds[row]
    # Each word with each of its tokens, in order of the words.
    sizes = np.where(begins[words] >= 0, stops[words] - begins[words], 0)
    starts = np.cumsum(sizes) - sizes
    within = np.arange(int(sizes.sum())) - np.repeat(starts, sizes)
    token = np.repeat(tokens.offsets[:-1][row] + begins[words], sizes) + within
    of_token = np.repeat(number, sizes)
    first, last = (np.full(len(tokens.owners), -1, np.int32) for _ in WORDS)
    # Of several words of a token the one that is written last stays.
    first[token[::-1]], last[token] = of_token[::-1], of_token
    own = tokens.owners >= 0
    letters = (np.where(own, each, -1).astype(np.int32) for each in (tokens.starts, tokens.ends))
    columns = zip((*WORDS, *LETTERS), (first, last, *letters), strict=True)
    return {name: Column(labels, ()) for name, labels in columns}
