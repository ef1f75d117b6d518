"""Sequence -> Encoded: what the tokenizer makes of a sequence, and which tokens a word became."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from headscore.corpus.sequence import Segment, Sequence
from headscore.encoded import Array, Encoded, WordPairs, offsets_of
from headscore.errors import InputError, UsageError

TOO_LONG = ("truncate", "skip", "error")
_CHUNK = 256  # sequences handed to the tokenizer at a time


def encode(
    sequences: Iterable[Sequence], tokenizer: Any, *, max_length: int, too_long: str = "truncate"
) -> Encoded:
    """Encode a corpus.

    Parameters
    ----------
    sequences
        The corpus; empty texts are skipped and counted.
    tokenizer
        A fast transformers tokenizer.
    max_length
        Longest sequence the model takes, special tokens included.
    too_long
        What longer sequences get: "truncate", "skip" or "error".

    Returns
    -------
    Encoded
        In corpus order. `counts` may hold empty, truncated, too_long_skipped,
        relations_dropped, literal_special.

    Raises
    ------
    UsageError
        A `too_long` that is not known, or a `max_length` that special tokens alone exceed.
    InputError
        Nothing usable in the corpus, a sequence that is too long where that is an error, or a
        tokenizer that does not say which token came from where.
    """
    encoded = encode_part(sequences, tokenizer, max_length=max_length, too_long=too_long)
    check_usable(len(encoded), encoded.counts)
    return encoded


def encode_part(
    sequences: Iterable[Sequence], tokenizer: Any, *, max_length: int, too_long: str = "truncate"
) -> Encoded:
    """Encode a part of a corpus as `encode` does a whole; it may hold nothing usable."""
    check_options(too_long=too_long)
    if not getattr(tokenizer, "is_fast", False):
        raise InputError(
            f"the tokenizer must be a fast one, which knows each token's place in the text, got "
            f"{type(tokenizer).__name__}: load it with AutoTokenizer or convert it"
        )
    counts: Counter[str] = Counter()
    relations: dict[str, int] = {}
    rows: list[_Row] = []
    parsed = False
    stream = iter(sequences)
    while chunk := list(itertools.islice(stream, _CHUNK)):
        parsed |= any(segment.parsed for each in chunk for segment in each.segments)
        usable = [each for each in chunk if _has_text(each, counts)]
        encodings = _tokenize(usable, tokenizer, max_length)
        _count_literal_specials(usable, tokenizer, counts)
        for each, encoding in zip(usable, encodings, strict=True):
            row = _row(each, encoding, relations, counts, max_length, too_long)
            if row is not None:
                rows.append(row)
    return _assemble(rows, tuple(relations), parsed, counts)


def check_usable(n_sequences: int, counts: Mapping[str, int]) -> None:
    """Raise InputError where nothing of a corpus could be encoded."""
    if not n_sequences:
        raise InputError(
            f"the corpus holds no usable sequence ({_listed(counts) or 'it is empty'})"
        )


def check_options(*, too_long: str) -> None:
    """Check the options of `encode` before there is anything to encode; raises UsageError."""
    if too_long not in TOO_LONG:
        raise UsageError(f"too_long must be one of {', '.join(TOO_LONG)}, got {too_long!r}")


@dataclass(frozen=True)
class _Row:
    """One encoded sequence."""

    id: str
    document: str | None
    input_ids: list[int]
    special: list[bool]
    segments: list[int]
    token_types: list[int]
    pairs: list[tuple[int, range, range]]


def _has_text(sequence: Sequence, counts: Counter[str]) -> bool:
    if all(segment.text.strip() for segment in sequence.segments):
        return True
    counts["empty"] += 1
    return False


def _tokenize(sequences: list[Sequence], tokenizer: Any, max_length: int) -> list[Any]:
    """Return a tokenizers.Encoding per sequence; singles and pairs go to it apart."""
    encodings: list[Any] = [None] * len(sequences)
    for n_texts in (1, 2):
        chosen = [i for i, each in enumerate(sequences) if len(each.segments) == n_texts]
        if not chosen:
            continue
        texts = [[sequences[i].segments[n].text for i in chosen] for n in range(n_texts)]
        result = tokenizer(
            *texts,
            truncation="longest_first",
            max_length=max_length,
            split_special_tokens=True,  # "[SEP]" typed in a text is text
            verbose=False,
        )
        for i, encoding in zip(chosen, result.encodings, strict=True):
            encodings[i] = encoding
    return encodings


def _count_literal_specials(
    sequences: list[Sequence], tokenizer: Any, counts: Counter[str]
) -> None:
    specials = tuple(tokenizer.all_special_tokens)
    for each in sequences:
        if any(token in segment.text for segment in each.segments for token in specials):
            counts["literal_special"] += 1


def _row(
    sequence: Sequence,
    encoding: Any,
    relations: dict[str, int],
    counts: Counter[str],
    max_length: int,
    too_long: str,
) -> _Row | None:
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
    for number, segment in enumerate(sequence.segments):
        if segment.parsed:
            pieces = _pieces(segment, number, encoding)
            pairs += _related(segment, pieces, relations, counts)
    return _Row(
        sequence.id,
        sequence.document,
        encoding.ids,
        [owner < 0 for owner in owners],
        [max(owner, 0) for owner in owners],
        encoding.type_ids,
        pairs,
    )


def _pieces(segment: Segment, number: int, encoding: Any) -> list[range | None]:
    """Return the token positions of each word; None where it has none or was cut.

    Words are found by their place in the text, never by their form. A word is cut where a token
    that was left out shares its characters. A word of nothing but spaces (parsers make them) is
    none.
    """
    text, places = segment.text, segment.spans or ()
    spans = np.array(places, np.int64).reshape(-1, 2)
    spaced = np.array([not start or text[start - 1 : start].isspace() for start, _ in places], bool)
    blank = np.array([text[start:end].isspace() for start, end in places], bool)
    first, offsets = _tokens_of(encoding, number)
    begin, end = _sharing(offsets, spans, spaced)
    whole = (begin < end) & ~blank
    for other in encoding.overflowing:
        left_out = _tokens_of(other, number)[1]
        if not np.array_equal(left_out, offsets):  # else the other text of the pair was cut
            cut_begin, cut_end = _sharing(left_out, spans[whole], spaced[whole])
            whole[whole] = cut_begin >= cut_end
    return [
        range(first + b, first + e) if w else None
        for b, e, w in zip(begin.tolist(), end.tolist(), whole.tolist(), strict=True)
    ]


def _tokens_of(encoding: Any, number: int) -> tuple[int, Array]:
    """Return where the tokens of a text begin, and their character offsets (token, 2)."""
    at = [i for i, owner in enumerate(encoding.sequence_ids) if owner == number]
    offsets = encoding.offsets
    return at[0] if at else 0, np.array([offsets[i] for i in at], np.int64).reshape(-1, 2)


def _sharing(offsets: Array, spans: Array, spaced: Array) -> tuple[Array, Array]:
    """Return [begin, end) of the tokens of each word.

    A token belongs to every word whose characters it shares, and a token that stands for nothing
    but the space before a word belongs to that word, as the tokenizer's own word_ids have it.
    """
    starts, ends = offsets[:, 0], offsets[:, 1]
    begin = np.searchsorted(ends, spans[:, 0], side="right")
    end = np.searchsorted(starts, spans[:, 1], side="left")
    has_mark = spaced & (begin > 0) & (begin < end)
    before = begin[has_mark] - 1
    start = spans[has_mark, 0]
    has_mark[has_mark] = (starts[before] >= start - 1) & (ends[before] == start)
    return begin - has_mark, end


def _related(
    segment: Segment,
    pieces: list[range | None],
    relations: dict[str, int],
    counts: Counter[str],
) -> Iterator[tuple[int, range, range]]:
    heads, names = segment.heads or (), segment.relations or ()
    for dependent, (head, relation) in enumerate(zip(heads, names, strict=True)):
        if head < 0:
            continue
        ours, theirs = pieces[dependent], pieces[head]
        if ours is None or theirs is None:
            counts["relations_dropped"] += 1
            continue
        yield relations.setdefault(relation, len(relations)), ours, theirs


def _assemble(
    rows: list[_Row], relations: tuple[str, ...], parsed: bool, counts: Counter[str]
) -> Encoded:
    def flat(name: str, dtype: type) -> Array:
        return np.fromiter(itertools.chain.from_iterable(getattr(row, name) for row in rows), dtype)

    return Encoded(
        offsets_of([len(row.input_ids) for row in rows]),
        flat("input_ids", np.int64),
        flat("special", np.bool_),
        flat("segments", np.int32),
        flat("token_types", np.int64),
        relations,
        WordPairs.from_lists([row.pairs for row in rows], len(rows)),
        parsed,
        tuple(row.id for row in rows),
        tuple(row.document for row in rows),
        {name: count for name, count in sorted(counts.items()) if count},
    )


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()) if count)
