"""Encoding by plain loops, one sequence at a time: the slow definition."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headscore.arrays import Array, offsets_of
from headscore.corpus.sequence import Segment, Sequence
from headscore.encoding.encoded import Column, Encoded
from headscore.encoding.punctuation import _has_letter, _is_punctuation
from headscore.encoding.slow_tokenizers import encode_slowly
from headscore.encoding.tokens import _beginnings
from headscore.encoding.word_pairs import WordPairs
from headscore.errors import InputError, UsageError
from headscore.options import RunOptions

_CHUNK = 256


def encode_by_loops(
    sequences: Iterable[Sequence],
    tokenizer: Any,
    *,
    max_length: int,
    too_long: str = RunOptions.too_long,
    asked: Callable[[str], bool] = lambda _: True,
) -> Encoded:
    """The corpus encoded sequence by sequence, by plain loops."""
    counts: Counter[str] = Counter()
    names = _Names(asked)
    rows: list[_Row] = []
    parsed = False
    stream = iter(sequences)
    while chunk := list(itertools.islice(stream, _CHUNK)):
        parsed |= any(segment.parsed for each in chunk for segment in each.segments)
        usable = [each for each in chunk if _has_text(each, counts)]
        encodings = _tokenize(usable, tokenizer, max_length)
        _count_literal_specials(usable, tokenizer, counts)
        for each, encoding in zip(usable, encodings, strict=True):
            row = _row(each, encoding, tokenizer, names, counts, max_length, too_long)
            if row is not None:
                rows.append(row)
    return _assemble(rows, names, parsed, counts, tokenizer)


@dataclass(frozen=True)
class _Row:
    """One encoded sequence."""

    id: str
    document: str | None
    input_ids: list[int]
    special: list[bool]
    segments: list[int]
    token_types: list[int]
    words: list[int] | None
    marks: list[bool | None]
    pairs: list[tuple[int, range, range]]
    labels: dict[str, Array]


@dataclass
class _Names:
    """Numbers of the relations and of the labels of each column."""

    asked: Callable[[str], bool]
    relations: dict[str, int] = field(default_factory=dict)
    columns: dict[str, dict[str, int]] = field(default_factory=dict)


def _has_text(sequence: Sequence, counts: Counter[str]) -> bool:
    if all(segment.text.strip() for segment in sequence.segments):
        return True
    counts["empty"] += 1
    return False


def _tokenize(sequences: list[Sequence], tokenizer: Any, max_length: int) -> list[Any]:
    """Return a tokenizers.Encoding per sequence; single texts and pairs in one call each."""
    if not getattr(tokenizer, "is_fast", False):
        return encode_slowly(
            [[s.text for s in each.segments] for each in sequences], tokenizer, max_length
        )
    encodings: list[Any] = [None] * len(sequences)
    for n_texts in (1, 2):
        chosen = [i for i, each in enumerate(sequences) if len(each.segments) == n_texts]
        if not chosen:
            continue
        rows = [[segment.text for segment in sequences[i].segments] for i in chosen]
        texts = [list(each) for each in zip(*_beginnings(rows, tokenizer, max_length), strict=True)]
        result = tokenizer(
            *texts,
            truncation="longest_first",
            max_length=max_length,
            split_special_tokens=True,  # "[SEP]" typed in a text is not a special token
            verbose=False,
        )
        for i, encoding in zip(chosen, result.encodings, strict=True):
            encodings[i] = encoding
    return encodings


def _count_literal_specials(
    sequences: list[Sequence], tokenizer: Any, counts: Counter[str]
) -> None:
    # Only counted, for the report: the texts are encoded as they are.
    specials = tuple(tokenizer.all_special_tokens)
    for each in sequences:
        if any(token in segment.text for segment in each.segments for token in specials):
            counts["literal_special"] += 1


def _row(
    sequence: Sequence,
    encoding: Any,
    tokenizer: Any,
    names: _Names,
    counts: Counter[str],
    max_length: int,
    too_long: str,
) -> _Row | None:
    # Text of each token, 0 or 1; -1 for special tokens.
    owners = [-1 if owner is None else owner for owner in encoding.sequence_ids]
    if len(owners) > max_length:  # the tokenizer cannot cut what it adds itself
        raise UsageError(
            f"max_length must leave room for the special tokens of {sequence.id!r}, "
            f"got {max_length}"
        )
    truncated, nothing_left = bool(encoding.overflowing), set(owners) <= {-1}
    if truncated and too_long == "error":
        raise InputError(
            f"sequence {sequence.id!r} is longer than the limit of {max_length} tokens"
        )
    if nothing_left or (truncated and too_long == "skip"):
        counts["too_long_skipped" if truncated else "empty"] += 1
        return None
    counts["truncated"] += truncated
    pairs: list[tuple[int, range, range]] = []
    labels: dict[str, Array] = {}
    for number, segment in enumerate(sequence.segments):
        if hasattr(encoding, "word_ids") and (segment.parsed or segment.labels):
            pieces = pieces_of(segment, number, encoding)
            pairs += _related(segment, pieces, names, counts)
            _label(segment, pieces, names, labels, len(owners))
    return _Row(
        id=sequence.id,
        document=sequence.document,
        input_ids=encoding.ids,
        special=[owner < 0 for owner in owners],
        segments=[max(owner, 0) for owner in owners],
        token_types=encoding.type_ids,
        marks=_shared_marks(sequence, encoding, tokenizer),
        words=_words(sequence, encoding) if hasattr(encoding, "word_ids") else None,
        pairs=pairs,
        labels=labels,
    )


def _words(sequence: Sequence, encoding: Any) -> list[int]:
    """Number the runs of tokens of one word: a word of the corpus, else of text and tokenizer."""
    keys: list[Any] = [None] * len(encoding.ids)
    for number, segment in enumerate(sequence.segments):
        given = segment.spans is not None
        spelled = segment if given else _spelled(segment.text)
        word_of: dict[int, int] = {}
        for word, place in enumerate(pieces_of(spelled, number, encoding, cut=False)):
            if place is not None:
                first = word_of.get(place.start, word)
                word_of |= {t: word_of.get(t, first) for t in place}
        for t, word in word_of.items():
            keys[t] = (number, word, None if given else encoding.word_ids[t])
    numbers, last = [], -1
    for t, key in enumerate(keys):
        last += t == 0 or key != keys[t - 1] or encoding.sequence_ids[t] is None
        numbers.append(last if key else -1)
    order = {n: i for i, n in enumerate(dict.fromkeys(n for n in numbers if n >= 0))}
    return [order.get(n, -1) for n in numbers]


# Thai with its vowel signs, Han and kana: letters that are words.
_LETTERS = "\u0e00-\u0e7f\u3041-\u30ff\u4e00-\u9fff"
_SPELLED = re.compile(rf"[{_LETTERS}](?:(?!\w)[{_LETTERS}])*|[^\s{_LETTERS}]+")


def _spelled(text: str) -> Segment:
    """The text split into words at white space, and into letters that are words."""
    spans = tuple(match.span() for match in _SPELLED.finditer(text))
    return Segment(text, tuple(text[start:end] for start, end in spans), spans)


def _label(
    segment: Segment,
    pieces: list[range | None],
    names: _Names,
    labels: dict[str, Array],
    tokens: int,
) -> None:
    """Write the labels of each word to its tokens, numbering new labels in order of appearance."""
    for name, values in (segment.labels or {}).items():
        column = labels.setdefault(name, np.full(tokens, -1, np.int32))
        for place, value in zip(pieces, values, strict=True):
            if place is not None and value:
                numbers = names.columns.setdefault(name, {})
                column[place.start : place.stop] = numbers.setdefault(value, len(numbers))


def _related(
    segment: Segment,
    pieces: list[range | None],
    names: _Names,
    counts: Counter[str],
) -> Iterator[tuple[int, range, range]]:
    # Yields (relation, pieces of the dependent, pieces of the head). Heads are word numbers of the
    # same text; the root, which has none, is -1.
    heads, relations = segment.heads or (), segment.relations or ()
    for dependent, (head, relation) in enumerate(zip(heads, relations, strict=True)):
        if head < 0:
            continue
        # A word without tokens or with truncated ones makes its pair unusable.
        ours, theirs = pieces[dependent], pieces[head]
        if ours is None or theirs is None:
            counts["relations_dropped"] += names.asked(relation)
            continue
        yield names.relations.setdefault(relation, len(names.relations)), ours, theirs


def _assemble(
    rows: list[_Row], names: _Names, parsed: bool, counts: Counter[str], tokenizer: Any
) -> Encoded:
    def flat(name: str, dtype: type) -> Array:
        return np.fromiter(itertools.chain.from_iterable(getattr(row, name) for row in rows), dtype)

    ids, special = flat("input_ids", np.int64), flat("special", np.bool_)
    # upos before entity; columns that encoding makes itself replace those of the corpus.
    own = sorted(names.columns.keys() - {"word", "punctuation"}, reverse=True)
    columns = {name: _column(name, rows, names.columns[name]) for name in own}
    placed = bool(getattr(tokenizer, "is_fast", False))
    if placed:
        columns["word"] = Column(flat("words", np.int32), ())
    shared = [mark for row in rows for mark in row.marks]
    columns["punctuation"] = Column(_punctuation(ids, special, shared, tokenizer), ("yes",))
    return Encoded(
        offsets=offsets_of([len(row.input_ids) for row in rows]),
        input_ids=ids,
        special=special,
        segments=flat("segments", np.int32),
        token_types=flat("token_types", np.int64),
        relation_names=tuple(names.relations),
        pairs=WordPairs.from_lists([row.pairs for row in rows], len(rows)),
        parsed=parsed and placed,
        ids=tuple(row.id for row in rows),
        documents=tuple(row.document for row in rows),
        counts={name: count for name, count in sorted(counts.items()) if count},
        columns=columns,
        wordless=None if placed else type(tokenizer).__name__,
    )


def _column(name: str, rows: list[_Row], numbers: dict[str, int]) -> Column:
    # A sequence whose texts do not have the column gets no labels, -1.
    def labels(row: _Row) -> Array:
        found = row.labels.get(name)
        return np.full(len(row.input_ids), -1, np.int32) if found is None else found

    return Column(np.concatenate([labels(row) for row in rows]), tuple(numbers))


def pieces_of(
    segment: Segment, number: int, encoding: Any, *, cut: bool = True
) -> list[range | None]:
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
    for other in encoding.overflowing if cut else ():
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
    begin = begin - has_mark
    for w in np.flatnonzero(has_mark).tolist():  # several tokens of one space
        while begin[w] > 0 and offsets[begin[w]][0] < spans[w, 0]:
            if list(offsets[begin[w] - 1]) != list(offsets[begin[w]]):
                break
            begin[w] -= 1
    return begin, end


def _shared_marks(sequence: Sequence, encoding: Any, tokenizer: Any) -> list[bool | None]:
    """Whether the characters that a token shares with others are punctuation; None: shares none."""
    count = len(encoding.ids)
    if not hasattr(encoding, "word_ids"):
        return [None] * count
    owners, offsets = encoding.sequence_ids, encoding.offsets
    characters = [
        {(owner, c) for c in range(*span)} if owner is not None else set()
        for owner, span in zip(owners, offsets, strict=True)
    ]
    names = tokenizer.convert_ids_to_tokens(encoding.ids)
    marks = []
    for t in range(count):
        group = {t}
        while (
            more := {u for g in group for u in range(count) if characters[u] & characters[g]}
            - group
        ):
            group |= more
        spelled = "".join(
            sequence.segments[owner].text[c]
            for owner, c in sorted(set().union(*(characters[u] for u in group)))
        )
        spaces = not names[t].strip("▁Ġ ")
        marks.append(not spaces and _is_punctuation(spelled) if len(group) > 1 else None)
    return marks


def _punctuation(ids: Array, special: Array, shared: list[bool | None], tokenizer: Any) -> Array:
    texts = tokenizer.convert_ids_to_tokens(ids.tolist())
    marks = [
        not _has_letter(text) and _is_punctuation(tokenizer.decode([number]))
        if mark is None
        else mark
        for number, text, mark in zip(ids.tolist(), texts, shared, strict=True)
    ]
    return np.where(np.array(marks, bool) & ~special, 0, -1).astype(np.int32)
