"""Encode text pairs as source and target: what an encoder-decoder reads in training.

The target's tokens are the labels; the decoder reads them one place later, behind a start token::

    labels    t0     t1  t2  </s>
    decoder   start  t0  t1  t2
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headscore.arrays import Array, Bools, ragged_take
from headscore.corpus.sequence_table import SequenceTable
from headscore.encoding import sources as bits
from headscore.encoding.encode import encode_piece
from headscore.encoding.encoded import Column, Encoded
from headscore.encoding.sources import Seen
from headscore.encoding.word_pairs import WordPairs
from headscore.errors import InputError
from headscore.options import RunOptions


@dataclass(frozen=True)
class Target:
    """How a decoder reads the second text of a pair.

    Attributes
    ----------
    start
        Token id that stands before the target; None: the target's last token does (mBART).
    cross
        Whether cross-attention is scored. Word pairs within the target have no place there.
    """

    start: int | None
    cross: bool


def encode_source_target(
    table: SequenceTable,
    tokenizer: Any,
    target: Target,
    *,
    max_length: int,
    too_long: str = RunOptions.too_long,
    special_in_text: str = RunOptions.special_in_text,
    places: bool = False,
) -> Encoded:
    """Encode some neighbouring text pairs of a corpus.

    Returns
    -------
    Encoded
        What the decoder reads of each second text; its `source` is what the encoder reads of the
        first. A pair of which one text cannot be used is left out.

    Raises
    ------
    UsageError, InputError
        As `encode_piece`; a sequence is a single text.
    """
    options: dict[str, Any] = {
        "max_length": max_length,
        "too_long": too_long,
        "special_in_text": special_in_text,
        "places": places,
    }
    source = encode_piece(_side(table, 0), tokenizer, **options)
    with _as_target(tokenizer):
        labels = encode_piece(_side(table, 1), tokenizer, **options)
    source, labels = _kept_in_both(source, labels)
    read = _shifted(labels, target.start)
    if target.cross:
        none = read.pairs.some(np.empty(0, np.int64))
        read = replace(read, relation_names=(), pairs=none, parsed=False)
    return replace(read, source=source)


def _side(table: SequenceTable, number: int) -> SequenceTable:
    """Return one text of each pair: 0 for the first, 1 for the second."""
    counts = np.diff(table.segment_offsets)
    single = np.flatnonzero(counts != 2)
    if len(single):
        raise InputError(
            "part 'decoder' or 'cross' must have a corpus of text pairs, (source, target), got a "
            f"single text in sequence {table.ids[single[0]]!r}"
        )
    chosen = table.segment_offsets[:-1] + number
    word_offsets, words = ragged_take(table.word_offsets, chosen)
    pair_offsets, pairs = ragged_take(table.pair_offsets, chosen)
    return replace(
        table,
        texts=[table.texts[segment] for segment in chosen.tolist()],
        segment_offsets=np.arange(len(counts) + 1),
        word_offsets=word_offsets,
        split=table.split[chosen],
        parsed=table.parsed[chosen],
        starts=table.starts[words],
        ends=table.ends[words],
        heads=table.heads[words],
        relation=table.relation[words],
        pair_offsets=pair_offsets,
        pairs=table.pairs[pairs],
        pair_relation=table.pair_relation[pairs],
        labels={name: (codes[words], names) for name, (codes, names) in table.labels.items()},
    )


@contextmanager
def _as_target(tokenizer: Any) -> Iterator[None]:
    """Let a tokenizer encode targets: in another language (NLLB), or vocabulary (Marian)."""
    # What ``tokenizer(text_target=...)`` does.
    if not hasattr(tokenizer, "_switch_to_target_mode"):
        yield
        return
    tokenizer._switch_to_target_mode()
    try:
        yield
    finally:
        tokenizer._switch_to_input_mode()


def _kept_in_both(source: Encoded, target: Encoded) -> tuple[Encoded, Encoded]:
    """Return the pairs of which both texts could be used."""
    states = source.known_sources().state, target.known_sources().state
    union, both = states[0] | states[1], states[0] & states[1]
    kept = (both & bits.KEPT).astype(bool)
    lost = np.where(union & bits.EMPTY, bits.EMPTY, bits.TOO_LONG) | union & bits.LITERAL
    # A parse is that of the target, the text that roles are of.
    usable = (union & ~np.uint8(bits.PARSED)) | (states[1] & bits.PARSED)
    state = np.where(kept, usable, lost).astype(np.uint8)
    return _only(source, kept, state), _only(target, kept, state)


def _only(encoded: Encoded, kept: Bools, state: Array) -> Encoded:
    """Return the sequences of some sources, and the new state of all."""
    sources = encoded.known_sources()
    own = (sources.state & bits.KEPT).astype(bool)
    if (own & ~kept).any():
        rows = np.flatnonzero(kept[own])
        seen = {}
        for name, each in sources.seen.items():
            offsets, places = ragged_take(each.offsets, rows)
            seen[name] = Seen(offsets, each.labels[places])
        stays = kept[sources.dropped]
        sources = replace(
            sources,
            dropped=sources.dropped[stays],
            dropped_relation=sources.dropped_relation[stays],
            seen=seen,
        )
        encoded = encoded.take(rows)
    sources = replace(sources, state=state)
    return replace(encoded, sources=sources, counts=sources.counts(), parsed=sources.parsed)


def _shifted(labels: Encoded, start: int | None) -> Encoded:
    """Return what a decoder reads of labels: a start token, and all of them but the last."""
    first, last = labels.offsets[:-1], labels.offsets[1:] - 1

    def later(flat: Array, before: Any) -> Array:
        moved = np.roll(flat, 1)
        moved[first] = before
        return moved

    ids = labels.input_ids
    return replace(
        labels,
        input_ids=later(ids, ids[last] if start is None else start),
        special=later(labels.special, True),
        segments=later(labels.segments, 0),
        token_types=np.zeros_like(ids),
        pairs=_moved(labels.pairs, labels.lengths),
        columns={
            name: Column(later(column.labels, -1), column.names)
            for name, column in labels.columns.items()
        },
    )


def _moved(pairs: WordPairs, lengths: Array) -> WordPairs:
    """Return word pairs one token later, without those that reach past the last token."""
    sequence = np.repeat(np.arange(len(lengths)), np.diff(pairs.offsets))
    lost = np.zeros(len(pairs.relation), bool)
    for offsets, pieces in (
        (pairs.dependent_offsets, pairs.dependents),
        (pairs.head_offsets, pairs.heads),
    ):
        pair = np.repeat(np.arange(len(lost)), np.diff(offsets))
        lost[pair[pieces + 1 >= lengths[sequence[pair]]]] = True
    left = pairs.some(np.flatnonzero(~lost)) if lost.any() else pairs
    return replace(left, dependents=left.dependents + 1, heads=left.heads + 1)
