"""Sequence -> Encoded: what the tokenizer makes of a sequence, and which tokens a word became."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Iterator
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
    InputError
        Nothing usable in the corpus, a sequence that is too long where that is an error, or a
        tokenizer that does not say which token came from where.
    """
    if too_long not in TOO_LONG:
        raise UsageError(f"too_long must be one of {', '.join(TOO_LONG)}, got {too_long!r}")
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
    if not rows:
        raise InputError(
            f"the corpus holds no usable sequence ({_listed(counts) or 'it is empty'})"
        )
    return _assemble(rows, tuple(relations), parsed, counts)


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
    if set(owners) <= {-1}:
        counts["empty"] += 1
        return None
    truncated = bool(encoding.overflowing)
    if truncated and too_long == "error":
        raise InputError(
            f"sequence {sequence.id!r} is longer than the limit of {max_length} tokens"
        )
    if truncated and too_long == "skip":
        counts["too_long_skipped"] += 1
        return None
    counts["truncated"] += truncated
    segment_of = np.array(owners)
    offsets = np.array(encoding.offsets)
    pairs: list[tuple[int, range, range]] = []
    for number, segment in enumerate(sequence.segments):
        if segment.parsed:
            pieces = _pieces(segment, np.flatnonzero(segment_of == number), offsets, truncated)
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


def _pieces(
    segment: Segment, positions: Array, offsets: Array, truncated: bool
) -> list[range | None]:
    """Return the token positions of each word; None where it has none or was cut.

    A token belongs to every word whose characters it shares; words are found by their place in
    the text, never by their form.
    """
    if not len(positions):
        return [None] * len(segment.words or ())
    first = int(positions[0])
    spans = np.array(segment.spans).reshape(-1, 2)
    starts, ends = offsets[positions, 0], offsets[positions, 1]
    begin = np.searchsorted(ends, spans[:, 0], side="right")
    end = np.searchsorted(starts, spans[:, 1], side="left")
    cut = spans[:, 1] > ends[-1] if truncated else np.zeros(len(spans), bool)
    return [
        None if b >= e or c else range(first + b, first + e)
        for b, e, c in zip(begin.tolist(), end.tolist(), cut.tolist(), strict=True)
    ]


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


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name}: {count}" for name, count in sorted(counts.items()) if count)
