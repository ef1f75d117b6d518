"""Encoded: the tokens and word pairs of a batch or a corpus, in flat arrays with offsets."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Sequence as Many
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from headscore import files
from headscore.arrays import Array, offsets_of, ragged_take
from headscore.encoding import checks, layout
from headscore.encoding.controls import Controls
from headscore.encoding.sources import Sources, first_appearances, new_numbers
from headscore.encoding.word_pairs import WordPairs
from headscore.errors import InputError

# Columns that encoding itself makes; those of places only for roles that read them, see
# `headscore.encoding.word_places`. With a blank they are no names of a corpus.
WORD, PUNCTUATION = "word", "punctuation"
WORDS, LETTERS = ("first word", "last word"), ("first letter", "letter behind")
PLACES = (*WORDS, *LETTERS)
OWN_COLUMNS = (WORD, PUNCTUATION, *PLACES)
NO_ID = -1  # the token id of a token that has none, such as a patch of a picture
_FLAT = ("offsets", "input_ids", "special", "segments", "token_types")


def ordered(names: Iterable[str]) -> list[str]:
    """Return the columns of a corpus in a fixed order, without those that encoding makes itself."""
    # Not in order of appearance, which differs from part to part of a corpus; upos before entity.
    return sorted(set(names) - set(OWN_COLUMNS), reverse=True)


class Column(NamedTuple):
    """The labels of the tokens of a batch in one column.

    Attributes
    ----------
    labels
        int32 (token,), -1 for a token without one.
    names
        Name of each label; empty for labels that are numbers without names.
    """

    labels: Array
    names: tuple[str, ...]


@dataclass(frozen=True)
class Encoded:
    """Sequences as a model reads them.

    Attributes
    ----------
    offsets
        int64 (sequence + 1,): the tokens of each sequence in the flat arrays below.
    input_ids
        int64 (token,); -1 for patches of a picture and the like, which have none.
    special
        bool (token,): added by the tokenizer, not part of any text.
    segments
        int32 (token,): 0 in the first text, 1 in the second; undefined at special tokens.
    token_types
        int64 (token,), the model's token type ids; None where the tokenizer has none.
    relation_names, pairs
        Names of the dependency relations, and the word pairs of these relations.
    parsed
        Whether any sequence has a parse.
    ids, documents
        One entry per sequence.
    counts
        Number of sequences skipped, truncated and so on, by name.
    padded
        Padded length T of given arrays; None: that of the longest sequence.
    columns
        Labels of the tokens by column name: the columns of the corpus, such as ``upos``, and
        ``word`` (a number for each word) and ``punctuation``.
    wordless
        Class name of a slow tokenizer, which has no offsets; None: words are aligned.
    sources
        What became of each sequence of the corpus; None: these are given arrays, or a batch.
    facts
        How it was encoded by `headscore.encode`: hash of the tokenizer, options, parser.
    source
        The sequences that hold the keys, as the source that the tokens of a target attend to in
        cross-attention: as many sequences. Word pairs then join a dependent in these tokens with a
        head in those of the source. None: queries attend to their own sequence.
    controls
        Entries that word pairs are compared with, see `headscore.sieves.sampling`; None: none were
        sampled.
    """

    offsets: Array
    input_ids: Array
    special: Array
    segments: Array
    token_types: Array | None
    relation_names: tuple[str, ...]
    pairs: WordPairs
    parsed: bool
    ids: tuple[str, ...]
    documents: tuple[str | None, ...]
    counts: Mapping[str, int] = field(default_factory=dict)
    padded: int | None = None
    columns: Mapping[str, Column] = field(default_factory=dict)
    wordless: str | None = None
    sources: Sources | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    source: Encoded | None = None
    controls: Controls | None = None

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> Array:
        """int64 (sequence,): tokens of each sequence."""
        return np.diff(self.offsets)

    @property
    def tokens(self) -> int:
        """Padded length T: of the given arrays, else of the longest sequence."""
        return int(self.lengths.max(initial=0)) if self.padded is None else self.padded

    @property
    def keyed(self) -> Encoded:
        """The sequences that hold the keys: the source, or these themselves."""
        return self if self.source is None else self.source

    @property
    def real(self) -> Array:
        """Bool (sequence, T): a token, not padding."""
        return np.asarray(np.arange(self.tokens) < self.lengths[:, None])

    @property
    def places(self) -> tuple[Array, Array]:
        """The sequence of each token and its position there, int64 (token,) each."""
        sequence = np.repeat(np.arange(len(self)), self.lengths)
        return sequence, np.arange(len(sequence)) - self.offsets[sequence]

    def grid(self, flat: Array, fill: int) -> Array:
        """Return a flat token array as (sequence, T), padding filled with `fill`."""
        # The mask selects real places row by row, which is the order of the flat array.
        grid = np.full((len(self), self.tokens), fill, flat.dtype)
        grid[self.real] = flat
        return grid

    def take(self, sequences: Array) -> Encoded:
        """Return some sequences, in the given order."""
        offsets, tokens = ragged_take(self.offsets, sequences)
        rows = sequences.tolist()
        return Encoded(
            offsets=offsets,
            input_ids=self.input_ids[tokens],
            special=self.special[tokens],
            segments=self.segments[tokens],
            token_types=None if self.token_types is None else self.token_types[tokens],
            relation_names=self.relation_names,
            pairs=self.pairs.take(sequences),
            parsed=self.parsed,
            ids=tuple(self.ids[s] for s in rows),
            documents=tuple(self.documents[s] for s in rows),
            columns={
                name: Column(column.labels[tokens], column.names)
                for name, column in self.columns.items()
            },
            wordless=self.wordless,
            source=None if self.source is None else self.source.take(sequences),
            controls=None if self.controls is None else self.controls.take(sequences),
        )

    def known_sources(self) -> Sources:
        """Return the sources; raises InputError where they are not known."""
        if self.sources is None:
            raise InputError("an Encoded that headscore.encode made is needed, got other arrays")
        return self.sources

    def counting(self, asked: Callable[[str], bool]) -> Encoded:
        """Return the same with counts of dropped word pairs of the relations that roles need.

        Parameters
        ----------
        asked
            Relation name -> whether some role needs it.
        """
        return replace(self, counts=self.known_sources().counts(asked))

    def chunk(self, start: int, stop: int) -> Encoded:
        """Return what encoding the sequences ``start .. stop - 1`` of the corpus alone would give.

        Positions count all sequences of the corpus, also those that could not be used. Names are
        numbered in order of their first appearance in the chunk.
        """
        whole = self.known_sources()
        own = whole.slice(start, stop)
        part = self.take(np.arange(whole.kept_before(start), whole.kept_before(stop)))
        order = first_appearances(part.pairs.relation)
        numbers = new_numbers(order, len(self.relation_names))
        columns, seen = {}, {}
        for name in ordered(own.seen):
            labels, names = part.columns[name]
            known = first_appearances(own.seen[name].labels)
            new = new_numbers(known, len(names))
            columns[name] = Column(new[labels], tuple(names[code] for code in known.tolist()))
            seen[name] = replace(own.seen[name], labels=new[own.seen[name].labels])
        columns |= {name: part.columns[name] for name in OWN_COLUMNS if name in part.columns}
        return replace(
            part,
            relation_names=tuple(self.relation_names[code] for code in order.tolist()),
            pairs=replace(part.pairs, relation=numbers[part.pairs.relation]),
            parsed=own.parsed,
            columns=columns,
            counts=own.counts(),
            sources=replace(own, seen=seen),
        )

    def without_special(self) -> Encoded:
        """Return the sequences, and those of the source, without their special tokens."""
        kept = ~self.special
        # Kept tokens before each old offset are the new offsets.
        before = np.concatenate([[0], kept.cumsum()])
        return replace(
            self,
            offsets=before[self.offsets],
            input_ids=self.input_ids[kept],
            special=self.special[kept],
            segments=self.segments[kept],
            token_types=None if self.token_types is None else self.token_types[kept],
            pairs=self.pairs.keep(kept, self.offsets, ~self.keyed.special, self.keyed.offsets),
            padded=None,
            columns={name: Column(c.labels[kept], c.names) for name, c in self.columns.items()},
            source=None if self.source is None else self.source.without_special(),
            controls=None if self.controls is None else self.controls.keep(kept, self.offsets),
        )

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it to a file, ``corpus.hse``, atomically; `headscore.load` reads it.

        Raises
        ------
        InputError
            It was not made by `headscore.encode`, or has a source; or the folder is missing or
            cannot be written to, or the disk is full.
        """
        sources = self.known_sources()
        if self.source is not None:
            raise InputError("an Encoded to save must have no source, got one with a source")
        texts = {
            "ids": self.ids,
            "documents": self.documents,
            "relation_names": self.relation_names,
            "columns": [[name, column.names] for name, column in self.columns.items()],
            "wordless": self.wordless,
            "dropped_names": sources.dropped_names,
            "seen": list(sources.seen),
            "read": dict(sources.read),
        }
        arrays = {
            **{name: getattr(self, name) for name in _FLAT},
            **layout.pack_pairs(self.pairs),
            **layout.pack_sources(sources),
            "labels": layout.pack_labels(self.columns, len(self.input_ids)),
            "texts": layout.pack_texts(texts),
        }
        files.write(path, files.Stored(layout.KIND, (), self.facts, self.counts, arrays))

    @classmethod
    def from_stored(cls, stored: files.Stored) -> Encoded:
        """Return the content of a file; raises InputError where it is not consistent."""
        arrays = stored.arrays
        layout.check_facts(stored.facts)
        texts = layout.unpack_texts(arrays)
        layout.check_arrays(arrays, texts)
        sources = layout.unpack_sources(arrays, texts)
        return cls(
            offsets=arrays["offsets"],
            input_ids=arrays["input_ids"],
            special=arrays["special"],
            segments=arrays["segments"],
            token_types=arrays["token_types"],
            relation_names=tuple(texts["relation_names"]),
            pairs=layout.unpack_pairs(arrays),
            parsed=sources.parsed,
            ids=tuple(texts["ids"]),
            documents=tuple(texts["documents"]),
            counts=stored.counts,
            columns={
                name: Column(labels, tuple(names))
                for (name, names), labels in zip(texts["columns"], arrays["labels"], strict=True)
            },
            wordless=texts["wordless"],
            sources=sources,
            facts=stored.facts,
        )

    @classmethod
    def from_arrays(
        cls,
        input_ids: Any,
        lengths: Any = None,
        special: Any = None,
        segments: Any = None,
        pairs: Mapping[str, Many[Many[tuple[Many[int], Many[int]]]]] | None = None,
        columns: Mapping[str, Any] | None = None,
        *,
        source: Encoded | None = None,
    ) -> Encoded:
        """Make a batch from arrays.

        Parameters
        ----------
        input_ids
            (batch, T) integers.
        lengths
            (batch,) real tokens of each sequence, padding after them; None: all T.
        special
            (batch, T) bool, the special tokens; None: there are none.
        segments
            (batch, T) integers, 0 in the first text and 1 in the second; None: one text.
        pairs
            Relation -> for each sequence a list of (dependent pieces, head pieces), token
            positions from 0, e.g. ``{"nsubj": [[([1], [2, 3])], []]}``.
        columns
            Name -> (batch, T) labels of the tokens: texts, "" for none; or integers, -1 for none.
            Roles such as ``label:entity=PER``, ``punctuation`` (label "yes") and ``same_word``
            (column ``word``) use them.
        source
            The batch that holds the keys, of as many sequences: in cross-attention, the text that
            the tokens of this one attend to. `pairs` then are (positions here, positions there).

        Raises
        ------
        InputError
            Shapes that differ, lengths or positions out of range.
        """
        ids = checks.grid("input_ids", input_ids)
        batch, tokens = ids.shape
        lengths = checks.lengths(lengths, batch, tokens)
        real = np.arange(tokens) < lengths[:, None]
        checks.check_values("input_ids", ids, real, most=None)
        marked = checks.marks("special", special, real)
        parts = checks.marks("segments", segments, real)
        if source is not None:
            check_source(source, batch)
        lists = checks.pairs(pairs, lengths, lengths if source is None else source.lengths)
        return cls(
            offsets=offsets_of(lengths),
            input_ids=ids[real].astype(np.int64),
            special=marked[real].astype(bool),
            segments=parts[real].astype(np.int32),
            token_types=None if segments is None else parts[real].astype(np.int64),
            relation_names=tuple(pairs or ()),
            pairs=WordPairs.from_lists(lists, batch),
            parsed=pairs is not None,
            ids=tuple(str(s) for s in range(batch)),
            documents=(None,) * batch,
            padded=tokens,
            columns={
                name: Column(*checks.column(name, value, real))
                for name, value in (columns or {}).items()
            },
            source=source,
        )


def check_source(value: object, batch: int) -> None:
    """Check that a value can be the source of so many sequences; raises InputError."""
    if not isinstance(value, Encoded):
        got = type(value).__name__
    elif value.source is not None:
        got = "one that has"
    elif len(value) != batch:
        got = f"{len(value)} sequences"
    else:
        return
    raise InputError(
        f"source must be an Encoded of {batch} sequences that has no source, got {got}"
    )


def check_encoded(value: object) -> None:
    """Check that a value is an `Encoded`; raises InputError."""
    if not isinstance(value, Encoded):
        raise InputError(
            "encoded must be an Encoded, as Encoded.from_arrays makes it, "
            f"got {type(value).__name__}"
        )
