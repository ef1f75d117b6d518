"""Join the encoded pieces of a corpus."""

from __future__ import annotations

import operator
from collections.abc import Sequence as Many

import numpy as np

from headscore.arrays import Array, join_offsets
from headscore.encoding.encoded import OWN_COLUMNS, Column, Encoded, ordered
from headscore.encoding.sources import join_sources, merge_names
from headscore.encoding.word_pairs import WordPairs


def join(pieces: Many[Encoded]) -> Encoded:
    """Join encoded pieces of a corpus, in order: what encoding them in one go would give.

    Parameters
    ----------
    pieces
        At least one, as `encode_piece` makes them with the same tokenizer and options.
    """
    if len(pieces) == 1:
        return pieces[0]
    relation_names, relations = merge_names([each.relation_names for each in pieces])
    columns, maps = _join_columns(pieces)
    sources = join_sources([each.known_sources() for each in pieces], maps)
    return Encoded(
        offsets=join_offsets([each.offsets for each in pieces]),
        input_ids=_flat(pieces, "input_ids"),
        special=_flat(pieces, "special"),
        segments=_flat(pieces, "segments"),
        token_types=_flat(pieces, "token_types"),
        relation_names=relation_names,
        pairs=_join_pairs([each.pairs for each in pieces], relations),
        parsed=sources.parsed,
        ids=tuple(name for each in pieces for name in each.ids),
        documents=tuple(name for each in pieces for name in each.documents),
        counts=sources.counts(),
        columns=columns,
        wordless=pieces[0].wordless,
        sources=sources,
        source=None if pieces[0].source is None else join([each.keyed for each in pieces]),
    )


def _flat(parts: Many[Encoded] | Many[WordPairs], name: str) -> Array:
    return np.concatenate([operator.attrgetter(name)(part) for part in parts])


def _join_columns(
    pieces: Many[Encoded],
) -> tuple[dict[str, Column], dict[str, list[Array | None]]]:
    """Return the joined columns, and for those of the corpus the new numbers of their labels."""
    named = ordered({name for each in pieces for name in each.columns})
    columns: dict[str, Column] = {}
    all_maps: dict[str, list[Array | None]] = {}
    for name in named:
        found = [each.columns.get(name) for each in pieces]
        names, maps = merge_names([each.names if each else () for each in found])
        labels = [
            # A sequence whose texts do not have the column gets no labels, -1.
            new[each.labels] if each else np.full(len(piece.input_ids), -1, np.int32)
            for piece, each, new in zip(pieces, found, maps, strict=True)
        ]
        columns[name] = Column(np.concatenate(labels), names)
        all_maps[name] = [new if each else None for each, new in zip(found, maps, strict=True)]
    for name in OWN_COLUMNS:
        if name in pieces[0].columns:
            labels = [each.columns[name].labels for each in pieces]
            columns[name] = Column(np.concatenate(labels), pieces[0].columns[name].names)
    return columns, all_maps


def _join_pairs(parts: list[WordPairs], relations: list[Array]) -> WordPairs:
    return WordPairs(
        offsets=join_offsets([part.offsets for part in parts]),
        relation=np.concatenate(
            [new[part.relation] for part, new in zip(parts, relations, strict=True)]
        ),
        dependent_offsets=join_offsets([part.dependent_offsets for part in parts]),
        dependents=_flat(parts, "dependents"),
        head_offsets=join_offsets([part.head_offsets for part in parts]),
        heads=_flat(parts, "heads"),
    )
