"""Flat columns of a tokenizer's encodings, and the tokens of each word and word pair in them."""

from typing import Any

from headscore.arrays import Array, Ints

def flatten(
    encodings: list[Any], placed: bool
) -> tuple[Ints, Array, Array, Array, Array, Array, Array, Array]:
    """Return the columns of some encodings.

    Parameters
    ----------
    encodings
        One ``tokenizers.Encoding``, or what has its attributes, per sequence.
    placed
        Whether they have words and offsets.

    Returns
    -------
    offsets
        int64 (sequence + 1,): the tokens of each sequence.
    ids, types, owners
        int32 (token,): token id, token type, and number of the text, -1 for a special token.
    words, starts, ends
        int32 (token,): number of the word in its text, -1 for none, and span in characters; empty
        where they are not placed.
    truncated
        bool (sequence,).
    """

def spell_words(texts: list[str], left_out: Array) -> tuple[Ints, Array, Array]:
    """Return the words of texts as they are written.

    White space separates words. In scripts without spaces between words, such as Chinese or Thai,
    every letter is one, together with its vowel signs.

    Parameters
    ----------
    texts
        The texts.
    left_out
        uint8 (text,): 1 for a text whose words are not needed.

    Returns
    -------
    word_offsets, starts, ends
        int64 (text + 1,); int32 (word,), the span of each word in characters.
    """

def number_words(
    chosen: Ints,
    token_offsets: Ints,
    segment_offsets: Ints,
    word_offsets: Ints,
    begins: Array,
    stops: Array,
) -> Array:
    """Return the number of the word of each token.

    Parameters
    ----------
    chosen, token_offsets, segment_offsets, word_offsets
        As in `find_pieces`.
    begins, stops
        As `find_pieces` returns them.

    Returns
    -------
    int32 (token,), within its sequence; -1 for a token of no word. A word that shares its first
    token with an earlier word has the number of that word.
    """

def find_pieces(
    chosen: Ints,
    token_offsets: Ints,
    owners: Array,
    token_starts: Array,
    token_ends: Array,
    texts: list[str],
    segment_offsets: Ints,
    word_offsets: Ints,
    starts: Array,
    ends: Array,
) -> tuple[Array, Array]:
    """Return the first token of each word and the end of its tokens.

    Parameters
    ----------
    chosen
        int64 (sequence,): rows of the table that the tokens belong to.
    token_offsets, owners, token_starts, token_ends
        As `flatten` returns them, of these sequences.
    texts, segment_offsets, word_offsets, starts, ends
        Columns of the `SequenceTable`.

    Returns
    -------
    begins, stops
        int32 (word,), for every word of the table: positions in its sequence, -1 for a word
        without tokens and for words of other sequences.
    """

def relate(
    chosen: Ints,
    segment_offsets: Ints,
    word_offsets: Ints,
    heads: Array,
    relation: Array,
    relations: int,
    begins: Array,
    stops: Array,
) -> tuple[Ints, Array, Ints, Array, Ints, Array, Array, Ints, Array]:
    """Return the word pairs of some sequences in flat arrays.

    Parameters
    ----------
    chosen
        int64 (sequence,): rows of the table.
    segment_offsets, word_offsets, heads, relation, relations
        Columns of the `SequenceTable`, and the number of its relation names.
    begins, stops
        As `find_pieces` returns them.

    Returns
    -------
    offsets, relation, dependent_offsets, dependents, head_offsets, heads
        As in `WordPairs`, relations numbered in order of first appearance.
    order
        int32 (relation,): index of each of these relations among the table's names.
    dropped, dropped_relation
        int64 and int32 (pair,): row in `chosen` and relation in the table of each pair with a word
        that has no tokens.
    """

def label(
    chosen: Ints,
    token_offsets: Ints,
    segment_offsets: Ints,
    word_offsets: Ints,
    codes: Array,
    names: int,
    begins: Array,
    stops: Array,
) -> tuple[Array, Array, Ints, Array]:
    """Return the label of each token, and the codes of the labels.

    Parameters
    ----------
    chosen, token_offsets, segment_offsets, word_offsets, begins, stops
        As in `find_pieces` and `relate`.
    codes, names
        int32 (word,), a column of labels of the `SequenceTable`, and the number of its names.

    Returns
    -------
    labels
        int32 (token,), -1 for none, numbered in order of first appearance among the words with
        tokens. A token of several words has the label of the last one.
    order
        int32 (label,): code of each of these labels.
    seen_offsets, seen
        int64 (sequence + 1,) and int32: the labels of the words of each sequence, in order of first
        appearance.
    """
