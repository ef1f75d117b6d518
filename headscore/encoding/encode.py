"""Encode sequences: tokenize them and find the tokens of each word and word pair."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headscore.arrays import Array, offsets_of
from headscore.corpus.sequence import Segment, Sequence
from headscore.encoding.alignment import pieces_of
from headscore.encoding.encoded import Column, Encoded, WordPairs
from headscore.encoding.punctuation import spell_punctuation
from headscore.encoding.slow_tokenizers import encode_slowly
from headscore.errors import InputError, UsageError
from headscore.options import RunOptions

_CHUNK = 256  # sequences per call of the tokenizer, which encodes them in parallel
# A text with more characters than this per token of the limit is cut before it is paired. English
# has 4 to 5 characters a token, so that only texts far over the limit are tokenized twice.
_FAR = 64


def encode(
    sequences: Iterable[Sequence],
    tokenizer: Any,
    *,
    max_length: int,
    too_long: str = RunOptions.too_long,
    asked: Callable[[str], bool] = lambda _: True,
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
    too_long
        As in `headscore.options.RunOptions`.
    asked
        Relation name -> whether some role needs it. Only such relations are counted as dropped.

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
        sequences, tokenizer, max_length=max_length, too_long=too_long, asked=asked
    )
    check_usable(len(encoded), encoded.counts)
    return encoded


def encode_part(
    sequences: Iterable[Sequence],
    tokenizer: Any,
    *,
    max_length: int,
    too_long: str = RunOptions.too_long,
    asked: Callable[[str], bool] = lambda _: True,
) -> Encoded:
    """Encode a part of a corpus, as `encode`; the result may be empty."""
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
            row = _row(each, encoding, names, counts, max_length, too_long)
            if row is not None:
                rows.append(row)
    return _assemble(rows, names, parsed, counts, tokenizer)


def check_usable(n_sequences: int, counts: Mapping[str, int]) -> None:
    """Raise InputError where nothing of a corpus could be encoded."""
    if not n_sequences:
        raise InputError(
            f"the corpus holds no usable sequence ({_listed(counts) or 'it is empty'})"
        )


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
        return encode_slowly(sequences, tokenizer, max_length)
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


def _beginnings(rows: list[list[str]], tokenizer: Any, max_length: int) -> list[list[str]]:
    """Return texts of pairs, cut behind all tokens that can be kept where they are far too long.

    A tokenizer returns everything that it truncates, for a pair every part of one text with every
    part of the other: for two books that does not fit in memory. Truncation gives the longer text
    the extra token of an odd limit, so the longer one must remain the longer one.
    """
    return [
        _pair_beginnings(texts, tokenizer, max_length)
        if len(texts) == 2 and max(map(len, texts)) > _FAR * max_length
        else texts
        for texts in rows
    ]


def _pair_beginnings(texts: list[str], tokenizer: Any, max_length: int) -> list[str]:
    spans = tokenizer(
        texts,
        add_special_tokens=False,
        split_special_tokens=True,
        return_offsets_mapping=True,
        verbose=False,
    )["offset_mapping"]
    # Twice the limit is more than truncation keeps of a text and leaves a rest to cut off, so that
    # it counts as truncated; of the longer text twice as many tokens keep it the longer one.
    longer = 0 if len(spans[0]) > len(spans[1]) else 1
    kept = [2 * max_length * (1 + (n == longer)) for n in range(2)]
    return [
        text[: span[n][0]] if len(span) > n else text
        for text, span, n in zip(texts, spans, kept, strict=True)
    ]


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
        if encoding.word_ids is not None and (segment.parsed or segment.labels):
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
        words=_words(encoding.word_ids, owners),
        pairs=pairs,
        labels=labels,
    )


def _words(word_ids: list[int | None] | None, owners: list[int]) -> list[int] | None:
    """Return a number for each word, different in both texts of a pair; -1 for special tokens."""
    # The tokenizer counts words from 0 in each text: 2 w + o is even in the first, odd in the
    # second.
    if word_ids is None:
        return None
    return [-1 if w is None else 2 * w + o for w, o in zip(word_ids, owners, strict=True)]


def _label(
    segment: Segment,
    pieces: list[range | None],
    names: _Names,
    labels: dict[str, Array],
    tokens: int,
) -> None:
    """Write the labels of each word to its tokens, numbering new labels in order of appearance."""
    for name, values in (segment.labels or {}).items():
        numbers = names.columns.setdefault(name, {})
        column = labels.setdefault(name, np.full(tokens, -1, np.int32))
        for place, value in zip(pieces, values, strict=True):
            if place is not None and value:
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
    columns = {name: _column(name, rows, labels) for name, labels in names.columns.items()}
    placed = bool(getattr(tokenizer, "is_fast", False))
    if placed:
        columns["word"] = Column(flat("words", np.int32), ())
    columns["punctuation"] = Column(spell_punctuation(ids, special, tokenizer), ("yes",))
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


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()) if count)
