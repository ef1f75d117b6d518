"""The sequences of a chunk as flat columns: what the encoder reads and worker processes receive."""

from __future__ import annotations

from collections.abc import Sequence as Many
from dataclasses import dataclass

from headscore.arrays import Array, Bools, Ints, offsets_of
from headscore.corpus._columns import count_words, fill_columns
from headscore.corpus.sequence import Sequence


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
        Whether their heads and relations, or other word pairs, are; bool (segment,).
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
    pair_offsets
        int64 (segment + 1,): the word pairs of each segment besides those of the heads.
    pairs
        Positions of a word and its head word among the words of their segment; int32 (pair, 2).
    pair_relation
        Index of a pair's relation in `relation_names`; int32 (pair,).
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
    pair_offsets: Ints
    pairs: Array
    pair_relation: Array
    labels: dict[str, tuple[Array, tuple[str, ...]]]

    @classmethod
    def of(cls, sequences: Many[Sequence]) -> SequenceTable:
        """Return the columns of some sequences."""
        segments = [segment for each in sequences for segment in each.segments]
        split, counts = count_words(segments)
        word_offsets = offsets_of(counts)
        return cls(
            ids=tuple([each.id for each in sequences]),
            documents=tuple([each.document for each in sequences]),
            texts=[segment.text for segment in segments],
            segment_offsets=offsets_of([len(each.segments) for each in sequences]),
            word_offsets=word_offsets,
            split=split,
            **fill_columns(segments, word_offsets),
        )

    def texts_of(self, chosen: Ints) -> list[list[str]]:
        """Return the one or two texts of each of some sequences."""
        bounds = self.segment_offsets.tolist()
        return [self.texts[bounds[s] : bounds[s + 1]] for s in chosen.tolist()]
