"""Sources: what became of each sequence of a corpus when it was encoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from collections.abc import Sequence as Many
from dataclasses import dataclass, field, replace

import numpy as np

from headscore.arrays import Array, Ints, join_offsets, ragged_take

# Bits of `Sources.state`. A sequence is kept, empty or too long.
KEPT, EMPTY, TOO_LONG, TRUNCATED, LITERAL, PARSED = (1 << bit for bit in range(6))
# Count of a corpus -> its bit.
COUNTED = {
    "empty": EMPTY,
    "literal_special": LITERAL,
    "too_long_skipped": TOO_LONG,
    "truncated": TRUNCATED,
}
DROPPED = "relations_dropped"


@dataclass(frozen=True, eq=False)
class Seen:
    """The labels of one column in the words of each sequence that was kept, at least one in all.

    Their order decides the numbers of the labels. The labels of tokens do not have it: where words
    share a token it has the label of the last one.

    Attributes
    ----------
    offsets, labels
        int64 (kept + 1,) and int32: numbers of the labels, in order of first appearance in the
        sequence.
    """

    offsets: Ints
    labels: Array


@dataclass(frozen=True, eq=False)
class Sources:
    """The sequences of a corpus, kept or not, in order.

    Attributes
    ----------
    state
        uint8 (source,): sum of the bits `KEPT`, `EMPTY`, ...
    dropped, dropped_relation, dropped_names
        int64 and int32 (pair,): source and relation of each word pair that was dropped because a
        word has no tokens or truncated ones; and the names of these relations.
    seen
        `Seen` of each column of labels.
    read
        Counts of reading the corpus.
    """

    state: Array
    dropped: Ints
    dropped_relation: Array
    dropped_names: tuple[str, ...]
    seen: Mapping[str, Seen]
    read: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.state)

    @property
    def parsed(self) -> bool:
        """Whether any sequence has a parse."""
        return bool((self.state & PARSED).any())

    def kept_before(self, source: int) -> int:
        """Return how many of the first sources were kept."""
        return int(np.count_nonzero(self.state[:source] & KEPT))

    def counts(self, asked: Callable[[str], bool] = lambda _: True) -> dict[str, int]:
        """Return the counts above 0 by name, in order of their names.

        Parameters
        ----------
        asked
            Relation name -> whether word pairs of it count as dropped.
        """
        found = {name: int(np.count_nonzero(self.state & bit)) for name, bit in COUNTED.items()}
        pairs = np.bincount(self.dropped_relation, minlength=len(self.dropped_names)).tolist()
        lost = (n for name, n in zip(self.dropped_names, pairs, strict=True) if n and asked(name))
        found[DROPPED] = sum(lost)
        return {name: count for name, count in sorted(found.items()) if count}

    def slice(self, start: int, stop: int) -> Sources:
        """Return the sources ``start .. stop - 1``; labels keep their numbers."""
        rows = np.arange(self.kept_before(start), self.kept_before(stop))
        # Dropped pairs are in order of their source.
        first, last = np.searchsorted(self.dropped, [start, stop]).tolist()
        seen = {}
        for name, each in self.seen.items():
            offsets, places = ragged_take(each.offsets, rows)
            seen[name] = Seen(offsets, each.labels[places])
        return replace(
            self,
            state=self.state[start:stop],
            dropped=self.dropped[first:last] - start,
            dropped_relation=self.dropped_relation[first:last],
            seen={name: each for name, each in seen.items() if len(each.labels)},
            read={},
        )


def join_sources(parts: Many[Sources], label_maps: Mapping[str, list[Array | None]]) -> Sources:
    """Join the sources of the parts of a corpus.

    Parameters
    ----------
    parts
        In order.
    label_maps
        Name of a column -> for each part the new number of each label, None where the part does
        not have the column.
    """
    names, maps = merge_names([part.dropped_names for part in parts])
    starts = np.cumsum([0, *(len(part) for part in parts)])[:-1].tolist()
    return Sources(
        state=np.concatenate([part.state for part in parts]),
        dropped=np.concatenate([part.dropped + n for part, n in zip(parts, starts, strict=True)]),
        dropped_relation=np.concatenate(
            [new[part.dropped_relation] for part, new in zip(parts, maps, strict=True)]
        ),
        dropped_names=names,
        seen={name: _join_seen(parts, name, new) for name, new in label_maps.items()},
    )


def merge_names(lists: Many[tuple[str, ...]]) -> tuple[tuple[str, ...], list[Array]]:
    """Merge lists of names.

    Returns
    -------
    names, maps
        All names in order of first appearance; and for each list the new number of each of its
        names, int32 (name + 1,), whose last entry keeps the number -1.
    """
    numbers: dict[str, int] = {}
    maps = [
        np.array([*(numbers.setdefault(name, len(numbers)) for name in names), -1], np.int32)
        for names in lists
    ]
    return tuple(numbers), maps


def _join_seen(parts: Many[Sources], name: str, maps: list[Array | None]) -> Seen:
    found = [
        _renumbered(part, name, new) if new is not None else _unseen(part)
        for part, new in zip(parts, maps, strict=True)
    ]
    return Seen(
        join_offsets([each.offsets for each in found]),
        np.concatenate([each.labels for each in found]),
    )


def _renumbered(part: Sources, name: str, new: Array) -> Seen:
    own = part.seen[name]
    return replace(own, labels=new[own.labels])


def _unseen(part: Sources) -> Seen:
    """Return that no sequence has a column."""
    kept = part.kept_before(len(part))
    return Seen(np.zeros(kept + 1, np.int64), np.empty(0, np.int32))


def first_appearances(codes: Array) -> Array:
    """Return the distinct codes in order of first appearance."""
    distinct, first = np.unique(codes, return_index=True)
    return np.asarray(distinct[np.argsort(first)])


def new_numbers(order: Array, names: int) -> Array:
    """Return the place of each code in `order`, int32 (name + 1,); -1 for others and for -1."""
    numbers = np.full(names + 1, -1, np.int32)
    numbers[order] = np.arange(len(order), dtype=np.int32)
    return numbers
