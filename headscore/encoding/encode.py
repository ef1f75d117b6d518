"""Encode sequences: tokenize them and find the tokens of each word and word pair."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from headscore.arrays import Array, Bools, Ints
from headscore.corpus.sequence import Sequence
from headscore.corpus.sequence_table import SequenceTable
from headscore.encoding import sources as bits
from headscore.encoding._alignment import label, relate
from headscore.encoding.alignment import pieces_of, without_cut_words, word_numbers
from headscore.encoding.drawn_pairs import with_pairs
from headscore.encoding.encoded import PUNCTUATION, WORD, Column, Encoded, ordered
from headscore.encoding.join import join
from headscore.encoding.punctuation import spell_punctuation
from headscore.encoding.sources import Seen, Sources
from headscore.encoding.tokens import Tokens, has_offsets, tokenize
from headscore.encoding.word_pairs import WordPairs
from headscore.encoding.word_places import place_columns
from headscore.errors import InputError, UsageError
from headscore.log import log
from headscore.options import RunOptions

_FEW, _FEW_SHARE = 5, 0.05  # sequences, and their share, that may spell special tokens
PIECE = 256  # sequences per call of the tokenizer, which encodes them in parallel


def encode(
    sequences: Iterable[Sequence],
    tokenizer: Any,
    *,
    max_length: int,
    too_long: str = RunOptions.too_long,
    special_in_text: str = RunOptions.special_in_text,
    asked: Callable[[str], bool] = lambda _: True,
    places: bool = False,
) -> Encoded:
    """Encode a corpus.

    Parameters
    ----------
    sequences
        The corpus; empty texts are skipped and counted.
    tokenizer
        A transformers tokenizer. Slow tokenizers have no offsets, so that words, word pairs and
        word labels are not available.
    max_length
        Longest sequence the model takes, special tokens included.
    too_long, special_in_text
        As in `headscore.options.RunOptions`. Slow tokenizers that never split a special token read
        it as one.
    asked
        Relation name -> whether some role needs it. Only such relations are counted as dropped.
    places
        Add the columns of `headscore.encoding.word_places`.

    Returns
    -------
    Encoded
        In corpus order. `counts` may hold empty, truncated, too_long_skipped,
        relations_dropped, literal_special.

    Raises
    ------
    UsageError
        A `max_length` below the number of special tokens.
    InputError
        No usable sequence, or one that is too long with ``too_long="error"``.
    """
    encoded = encode_part(
        sequences,
        tokenizer,
        max_length=max_length,
        too_long=too_long,
        special_in_text=special_in_text,
        asked=asked,
        places=places,
    )
    check_usable(len(encoded), encoded.counts)
    return encoded


def encode_part(
    sequences: Iterable[Sequence],
    tokenizer: Any,
    *,
    max_length: int,
    too_long: str = RunOptions.too_long,
    special_in_text: str = RunOptions.special_in_text,
    asked: Callable[[str], bool] = lambda _: True,
    places: bool = False,
) -> Encoded:
    """Encode a part of a corpus, as `encode`; the result may be empty."""
    pieces = [
        encode_piece(
            table,
            tokenizer,
            max_length=max_length,
            too_long=too_long,
            special_in_text=special_in_text,
            places=places,
        )
        for table in tables(sequences)
    ]
    return join(pieces).counting(asked)


def tables(sequences: Iterable[Sequence]) -> Iterator[SequenceTable]:
    """Yield the pieces of a corpus, at least one."""
    stream = iter(sequences)
    yield SequenceTable.of(list(itertools.islice(stream, PIECE)))
    while piece := list(itertools.islice(stream, PIECE)):
        yield SequenceTable.of(piece)


def check_usable(n_sequences: int, counts: Mapping[str, int]) -> None:
    """Raise InputError where nothing of a corpus could be encoded."""
    if not n_sequences:
        raise InputError(
            f"the corpus holds no usable sequence ({_listed(counts) or 'it is empty'})"
        )


def warn_of_spelled(n_sequences: int, counts: Mapping[str, int], special_in_text: str) -> None:
    """Log a warning where special tokens are split that more than a few texts spell."""
    spelled = counts.get("literal_special", 0)
    if special_in_text == "split" and spelled and spelled >= min(_FEW, _FEW_SHARE * n_sequences):
        log.warning(
            "special tokens are split into pieces that %d of %d sequences spell, "
            "special_in_text='keep' lets the model read them as such",
            spelled,
            n_sequences,
        )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()) if count)


def encode_piece(
    table: SequenceTable,
    tokenizer: Any,
    *,
    max_length: int,
    too_long: str = RunOptions.too_long,
    special_in_text: str = RunOptions.special_in_text,
    places: bool = False,
) -> Encoded:
    """Encode some neighbouring sequences of a corpus; what `join` makes of pieces is the whole.

    Raises
    ------
    UsageError, InputError
        As `encode`, apart from there being no usable sequence.
    """
    state = _state(table, tokenizer)
    chosen = np.flatnonzero((state & bits.EMPTY) == 0)
    splits = special_in_text == "split"
    tokens, encodings = tokenize(table, chosen, tokenizer, max_length, splits=splits)
    _check_lengths(table, chosen, tokens, max_length, too_long)
    kept = _kept(tokens, too_long)
    state[chosen] |= _outcome(tokens, kept)
    if not kept.all():
        rows = np.flatnonzero(kept)
        chosen, tokens = chosen[rows], tokens.take(rows)
        encodings = [encodings[row] for row in rows.tolist()]
    if not has_offsets(tokenizer):
        state &= ~np.uint8(bits.PARSED)
        return _assemble(table, chosen, tokens, _no_pieces(table), None, state, tokenizer)
    pieces = pieces_of(table, chosen, tokens)
    numbers = word_numbers(table, chosen, tokens, pieces)
    words = without_cut_words(table, chosen, tokens, encodings, pieces)
    encoded = _assemble(table, chosen, tokens, words, numbers, state, tokenizer)
    if not places:
        return encoded
    more = place_columns(table, chosen, tokens, encodings)
    return replace(encoded, columns={**encoded.columns, **more})


def _state(table: SequenceTable, tokenizer: Any) -> Array:
    """Return the bits of each sequence that are known before it is tokenized, uint8 (source,)."""
    specials = tuple(tokenizer.all_special_tokens)
    blank = np.array([not text.strip() for text in table.texts], np.bool_)
    literal = np.array(
        [any(special in text for special in specials) for text in table.texts], np.bool_
    )

    def some(segments: Bools) -> Bools:
        # A sequence has one segment or two.
        return segments[table.segment_offsets[:-1]] | segments[table.segment_offsets[1:] - 1]

    empty = some(blank)
    state = bits.EMPTY * empty | bits.LITERAL * (some(literal) & ~empty)
    return (state | bits.PARSED * some(table.parsed)).astype(np.uint8)


def _check_lengths(
    table: SequenceTable, chosen: Ints, tokens: Tokens, max_length: int, too_long: str
) -> None:
    """Raise for the first sequence that is longer than the limit, where that is an error."""
    # The tokenizer cannot cut what it adds itself.
    over = np.diff(tokens.offsets) > max_length
    wrong = np.flatnonzero(over | tokens.truncated) if too_long == "error" else np.flatnonzero(over)
    if not len(wrong):
        return
    name = table.ids[chosen[wrong[0]]]
    if over[wrong[0]]:
        raise UsageError(
            f"max_length must leave room for the special tokens of {name!r}, got {max_length}"
        )
    raise InputError(f"sequence {name!r} is longer than the limit of {max_length} tokens")


def _kept(tokens: Tokens, too_long: str) -> Bools:
    kept = tokens.own > 0
    return kept & ~tokens.truncated if too_long == "skip" else kept


def _outcome(tokens: Tokens, kept: Bools) -> Array:
    """Return the bits of the sequences that were tokenized, uint8 (sequence,)."""
    without = np.where(tokens.truncated, bits.TOO_LONG, bits.EMPTY)
    found = np.where(kept, bits.KEPT | bits.TRUNCATED * tokens.truncated, without)
    return found.astype(np.uint8)


def _no_pieces(table: SequenceTable) -> tuple[Array, Array]:
    none = np.full(len(table.starts), -1, np.int32)
    return none, none


def _assemble(
    table: SequenceTable,
    chosen: Ints,
    tokens: Tokens,
    words: tuple[Array, Array],
    numbers: Array | None,
    state: Array,
    tokenizer: Any,
) -> Encoded:
    """Put the pieces of words together to word pairs and labels, and all of it to an `Encoded`."""
    placed = numbers is not None
    bounds = table.segment_offsets, table.word_offsets
    offsets, heads, relation, *places = with_pairs(table, words)
    *pairs, order, dropped, dropped_relation = relate(
        chosen, bounds[0], offsets, heads, relation, len(table.relation_names), *places
    )
    columns: dict[str, Column] = {}
    seen: dict[str, Seen] = {}
    for name in ordered(table.labels) if placed else ():
        codes, names = table.labels[name]
        labels, found, *own = label(chosen, tokens.offsets, *bounds, codes, len(names), *words)
        if len(found):
            columns[name] = Column(labels, tuple(names[code] for code in found.tolist()))
            seen[name] = Seen(*own)
    special = tokens.owners < 0
    if numbers is not None:
        columns[WORD] = Column(numbers, ())
    ids = tokens.ids.astype(np.int64)
    marks = spell_punctuation(tokens, table.texts_of(chosen), tokenizer)
    columns[PUNCTUATION] = Column(marks, ("yes",))
    sources = Sources(
        state=state,
        # Without offsets no word has tokens, which is logged once and not counted for each pair.
        dropped=chosen[dropped] if placed else np.empty(0, np.int64),
        dropped_relation=dropped_relation if placed else np.empty(0, np.int32),
        dropped_names=table.relation_names,
        seen=seen,
    )
    return Encoded(
        offsets=tokens.offsets,
        input_ids=ids,
        special=special,
        segments=np.maximum(tokens.owners, 0),
        token_types=tokens.types.astype(np.int64),
        relation_names=tuple(table.relation_names[code] for code in order.tolist()),
        pairs=WordPairs(*pairs),
        parsed=sources.parsed,
        ids=tuple(table.ids[s] for s in chosen.tolist()),
        documents=tuple(table.documents[s] for s in chosen.tolist()),
        counts=sources.counts(),
        columns=columns,
        wordless=None if placed else type(tokenizer).__name__,
        sources=sources,
    )
