"""Encode tasks: texts to tokens, and their word pairs to pairs of tokens."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Sequence as Many
from dataclasses import replace
from typing import Any

import numpy as np

from headscore.corpus.sequence import Sequence
from headscore.encoding.encode import encode_piece, tables
from headscore.encoding.encoded import Encoded
from headscore.encoding.join import join
from headscore.encoding.sources import PARSED
from headscore.encoding.tokens import check_offsets
from headscore.encoding.word_pairs import WordPairs
from headscore.errors import InputError
from headscore.tasks.task import Task, segment_of

_PLACE = "place"  # column with the number of each token's word, while tasks are encoded
Gold = tuple[str, list[int], list[int]]  # relation, query tokens, key tokens


def encode_tasks(tasks: Many[Task], names: Many[str], tokenizer: Any, max_length: int) -> Encoded:
    """Encode tasks, as texts of a corpus are; each is a sequence and a document.

    Raises
    ------
    InputError
        A slow tokenizer, a text that is too long, or a word that has no tokens of its own.
    """
    check_offsets(tokenizer)
    sequences = [_sequence(*each) for each in zip(tasks, names, strict=True)]
    encoded = join(
        [
            encode_piece(table, tokenizer, max_length=max_length, too_long="error")
            for table in tables(sequences)
        ]
    )
    found = zip(
        tasks, _pieces(encoded), np.split(encoded.input_ids, encoded.offsets[1:-1]), strict=True
    )
    return with_pairs(_placeless(encoded), [_gold(*each) for each in found])


def with_pairs(encoded: Encoded, gold: Many[Many[Gold]]) -> Encoded:
    """Return an encoded corpus with these pairs, as those of a parse."""
    names = tuple(dict.fromkeys(name for each in gold for name, _, _ in each))
    numbers = {name: number for number, name in enumerate(names)}
    lists = [[(numbers[name], rows, keys) for name, rows, keys in each] for each in gold]
    sources = encoded.known_sources()
    return replace(
        encoded,
        relation_names=names,
        pairs=WordPairs.from_lists(lists, len(encoded)),
        parsed=True,
        sources=replace(sources, state=sources.state | np.uint8(PARSED)),
    )


def _sequence(task: Task, name: str) -> Sequence:
    numbers = [str(place) for place in range(len(task.words))]
    return Sequence(name, (segment_of(task.words, {_PLACE: numbers}),), document=name)


def _pieces(encoded: Encoded) -> list[dict[int, list[int]]]:
    """Return the tokens of each word, by sequence: number of the word -> positions."""
    labels, names = encoded.columns[_PLACE]
    found: list[dict[int, list[int]]] = []
    for start, end in zip(encoded.offsets[:-1], encoded.offsets[1:], strict=True):
        words: dict[int, list[int]] = {}
        for token, label in enumerate(labels[start:end].tolist()):
            if label >= 0:
                words.setdefault(int(names[label]), []).append(token)
        found.append(words)
    return found


def _placeless(encoded: Encoded) -> Encoded:
    sources = encoded.known_sources()
    return replace(
        encoded,
        columns=_without(encoded.columns),
        sources=replace(sources, seen=_without(sources.seen)),
    )


def _without(columns: Mapping[str, Any]) -> dict[str, Any]:
    return {name: each for name, each in columns.items() if name != _PLACE}


def _gold(task: Task, pieces: dict[int, list[int]], ids: Any) -> list[Gold]:
    """Return the pairs of a task in tokens."""
    needed = {word for _, *words in (*task.pairs, *task.copied) for word in words}
    for word in sorted(needed - pieces.keys()):
        raise InputError(
            f"the tokenizer must give each word tokens of its own, got none for "
            f"{task.words[word]!r}"
        )
    gold = [(name, pieces[query], pieces[key]) for name, query, key in task.pairs]
    for name, later, earlier in task.copied:
        copies = list(zip(pieces[later], pieces[earlier], strict=False))
        if ids[pieces[later]].tolist() != ids[pieces[earlier]].tolist():
            raise InputError(
                f"the tokenizer must give {task.words[later]!r} the same tokens in both places, "
                f"got {ids[pieces[later]].tolist()} and {ids[pieces[earlier]].tolist()}"
            )
        gold += [(name, [token - 1], [key]) for token, key in copies]
    return gold
