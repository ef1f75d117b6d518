"""Clusters: groups of dependent sequences, such as the sentences of a document."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from headscore.arrays import Bools, Ints
from headscore.errors import InputError
from headscore.options import AUTO, DOCUMENT, NONE
from headscore.scores.align import documents_of
from headscore.scores.head_scores import HeadScores

LEAST_DOCUMENTS = 10  # for `AUTO` to take documents


class Documented(Protocol):
    """Numbers of sequences whose documents may be known, such as `HeadScores`."""

    @property
    def sequence_ids(self) -> tuple[str, ...]:
        """A unique name of each sequence."""
        ...

    @property
    def documents(self) -> tuple[str | None, ...] | None:
        """The document of each sequence, None for a sequence of none; None: unknown."""
        ...


@dataclass(frozen=True, eq=False)
class Clusters:
    """The cluster of each sequence.

    Attributes
    ----------
    codes
        int64 (sequence,), numbered 0, 1, ... in order of first occurrence; None: the sequences are
        independent.
    name
        Name of the clusters, for a signature; `NONE` without clusters.
    unit
        The unit of independence in words, with the reason where it was chosen by `AUTO`.
    """

    codes: Ints | None
    name: str
    unit: str

    @classmethod
    def none(cls, why: str) -> Clusters:
        """Return that sequences are independent, and the reason."""
        return cls(None, NONE, f"sequences ({why})")

    def effective(self, n_sequences: int) -> float:
        """Return how many units of one size would weigh as the units of all sequences do."""
        if self.codes is None:
            return float(n_sequences)
        return float(n_sequences**2 / (np.bincount(self.codes) ** 2).sum())

    def units(self, n_sequences: int) -> Ints:
        """Return the unit of each sequence: its cluster, or its own number without clusters."""
        return np.arange(n_sequences) if self.codes is None else self.codes

    def at(self, chosen: Bools) -> Clusters:
        """Return the clusters of some sequences."""
        if self.codes is None:
            return self
        codes = np.unique(self.codes[chosen], return_inverse=True)[1]
        return replace(self, codes=codes, unit=_counted(codes, self._what))

    @property
    def _what(self) -> str:
        return "document" if self.name == DOCUMENT else "cluster"


def clusters_of(scores: Documented, clusters: str | Iterable[Hashable] | None) -> Clusters:
    """Return the clusters of the sequences.

    Parameters
    ----------
    scores
        The scores of each sequence.
    clusters
        ``"auto"``: documents, if every sequence has one and there are at least `LEAST_DOCUMENTS`;
        ``"document"``: the documents of the scores; or an id for each sequence, such as a number
        or a text; or None or ``"none"``.

    Raises
    ------
    InputError
        If the document of a sequence is unknown, or the ids are not as many as the sequences.
    """
    if clusters is None or (isinstance(clusters, str) and clusters == NONE):
        return Clusters.none("clusters None")
    if isinstance(clusters, str):
        if clusters == AUTO and (why := _why_no_documents(scores)) is not None:
            return Clusters.none(why)
        codes = _codes(_documents(scores))
        return Clusters(codes, DOCUMENT, _counted(codes, "document"))
    ids = list(clusters)
    if len(ids) != len(scores.sequence_ids):
        raise InputError(
            f"clusters must have one id for each of {len(scores.sequence_ids)} sequences, "
            f"got {len(ids)}"
        )
    codes = _codes(ids)
    # Little-endian, so that the signature is the same on every machine.
    digest = hashlib.sha256(codes.astype("<i8").tobytes()).hexdigest()[:12]
    return Clusters(codes, f"given@{digest}", _counted(codes, "cluster"))


def clusters_of_aligned(
    checkpoints: Sequence[HeadScores], clusters: str | Iterable[Hashable] | None
) -> Clusters:
    """Return the clusters of aligned checkpoints, with the documents that any of them knows.

    Arguments and errors as in `clusters_of`; raises InputError also where two checkpoints name
    different documents for a sequence.
    """
    first = checkpoints[0]
    if isinstance(clusters, str) and clusters != NONE:
        first = replace(first, documents=documents_of(checkpoints))
    return clusters_of(first, clusters)


def clusters_of_both(
    before: Documented, after: Documented, clusters: str | Iterable[Hashable] | None
) -> tuple[Clusters, tuple[Ints, Ints]]:
    """Return the clusters of the sequences of two sides, and the unit of each side's sequences.

    Documents of one name are one unit, on whichever side they are; where sequences are the units,
    so are those of one id. Arguments and errors as in `clusters_of`; an id is for each sequence
    before, then after.
    """
    sides = (before, after)
    ids = [name for side in sides for name in side.sequence_ids]
    documents = [
        name for side in sides for name in side.documents or [None] * len(side.sequence_ids)
    ]
    both = _Sequences(tuple(ids), tuple(documents) if any(documents) else None)
    found = clusters_of(both, clusters)
    codes = _codes(ids) if found.codes is None else found.codes
    n = len(before.sequence_ids)
    return found, (codes[:n], codes[n:])


@dataclass(frozen=True)
class _Sequences:
    sequence_ids: tuple[str, ...]
    documents: tuple[str | None, ...] | None


def _counted(codes: Ints, what: str) -> str:
    n = int(codes.max(initial=-1)) + 1
    return f"{n} {what}{'' if n == 1 else 's'}"


def _why_no_documents(scores: Documented) -> str | None:
    """Return why the documents of scores are not taken as clusters, None if they are."""
    if scores.documents is None:
        return "no documents are known"
    missing = scores.documents.count(None)
    if missing:
        return f"{missing} without a document"
    n_documents = len(set(scores.documents))
    if n_documents < LEAST_DOCUMENTS:
        return f"fewer than {LEAST_DOCUMENTS} documents, {n_documents}"
    return None


def _documents(scores: Documented) -> tuple[str | None, ...]:
    if scores.documents is None:
        raise InputError(
            f'clusters "{DOCUMENT}" need scores with documents, such as those of a .conllu file '
            "with newdoc lines, got none"
        )
    for sequence, document in zip(scores.sequence_ids, scores.documents, strict=True):
        if document is None:
            raise InputError(
                f'clusters "{DOCUMENT}" need a document for each sequence, got none for '
                f"sequence {sequence!r}"
            )
    return scores.documents


def _codes(ids: Iterable[Hashable]) -> Ints:
    """Return the number of each id, numbered in order of first occurrence."""
    numbers: dict[Hashable, int] = {}
    codes = []
    for index, name in enumerate(ids):
        # name != name: NaN, which would be a cluster of its own at each sequence.
        if not isinstance(name, Hashable) or name is None or name != name:
            raise InputError(
                f"clusters must be ids such as numbers or texts, got {name!r} for sequence {index}"
            )
        codes.append(numbers.setdefault(name, len(numbers)))
    return np.array(codes, dtype=np.int64)
