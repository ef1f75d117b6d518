"""The sequences of a chunk as flat columns: what the encoder reads and worker processes receive."""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Sequence as Many
from dataclasses import dataclass

import numpy as np

from headscore.arrays import Array, Bools, Ints, offsets_of
from headscore.corpus.sequence import Segment, Sequence


@dataclass(frozen=True, eq=False)
class SequenceTable:
    """Sequences, segments and words as flat columns.

    Sequence s has the segments ``segment_offsets[s] .. segment_offsets[s + 1] - 1``, segment g the
    words ``word_offsets[g] .. word_offsets[g + 1] - 1``. It pickles as a few arrays and texts.

    Attributes
    ----------
    ids, documents
        Of each sequence; a document is None where it is unknown.
    texts
        Of each segment.
    segment_offsets
        int64 (sequence + 1,).
    word_offsets
        int64 (segment + 1,).
    split
        Whether the words of a segment are known, also where there are none; bool (segment,).
    parsed
        Whether their heads and relations are; bool (segment,).
    starts, ends
        Span of each word in characters of its segment's text; int32 (word,).
    heads
        Position of the head of each word among the words of its segment, -1 for the root, for no
        head, and in a segment without a parse; int32 (word,).
    relation
        Index of each word's relation in `relation_names`, -1 in a segment without a parse; int32
        (word,). The relation of a root counts too.
    relation_names
        In order of first appearance.
    labels
        Name of a column -> the index of each word's label in its names, -1 for none, int32 (word,);
        and the names in order of first appearance. Columns are in order of first appearance too.
    """

    ids: tuple[str, ...]
    documents: tuple[str | None, ...]
    texts: list[str]
    segment_offsets: Ints
    word_offsets: Ints
    split: Bools
    parsed: Bools
    starts: Array
    ends: Array
    heads: Array
    relation: Array
    relation_names: tuple[str, ...]
    labels: dict[str, tuple[Array, tuple[str, ...]]]

    @classmethod
    def of(cls, sequences: Many[Sequence]) -> SequenceTable:
        """Return the columns of some sequences."""
        segments = [segment for each in sequences for segment in each.segments]
        counts = [len(segment.words or ()) for segment in segments]
        relations: dict[str, int] = {}
        return cls(
            ids=tuple(each.id for each in sequences),
            documents=tuple(each.document for each in sequences),
            texts=[segment.text for segment in segments],
            segment_offsets=offsets_of([len(each.segments) for each in sequences]),
            word_offsets=offsets_of(counts),
            split=np.array([segment.words is not None for segment in segments], np.bool_),
            parsed=np.array([segment.parsed for segment in segments], np.bool_),
            starts=_flat(start for each in segments for start, _ in each.spans or ()),
            ends=_flat(end for each in segments for _, end in each.spans or ()),
            heads=_flat(
                head
                for each, n in zip(segments, counts, strict=True)
                for head in ([-1] * n if each.heads is None else each.heads)
            ),
            relation=_flat(
                -1 if name is None else relations.setdefault(name, len(relations))
                for each, n in zip(segments, counts, strict=True)
                for name in ([None] * n if each.relations is None else each.relations)
            ),
            relation_names=tuple(relations),
            labels={
                name: _label_column(segments, counts, name)
                for name in dict.fromkeys(key for each in segments for key in each.labels or ())
            },
        )


def _flat(values: Iterable[int]) -> Array:
    return np.fromiter(values, np.int32)


def _label_column(
    segments: list[Segment], counts: list[int], name: str
) -> tuple[Array, tuple[str, ...]]:
    numbers: dict[str, int] = {}
    codes = _flat(
        numbers.setdefault(value, len(numbers)) if value else -1
        for each, n in zip(segments, counts, strict=True)
        for value in (each.labels or {}).get(name, ("",) * n)
    )
    return codes, tuple(numbers)
