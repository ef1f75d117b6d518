"""Clusters: groups of dependent sequences, such as the sentences of a document."""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Iterable
from dataclasses import dataclass

import numpy as np

from headscore.arrays import Ints
from headscore.errors import InputError
from headscore.options import DOCUMENT
from headscore.scores.head_scores import HeadScores


@dataclass(frozen=True, eq=False)
class Clusters:
    """The cluster of each sequence.

    Attributes
    ----------
    codes
        int64 (sequence,), numbered 0, 1, ... in order of first occurrence.
    name
        Name of the clusters, for a signature.
    """

    codes: Ints
    name: str


def clusters_of(scores: HeadScores, clusters: str | Iterable[Hashable] | None) -> Clusters | None:
    """Return the clusters of the sequences, None for none.

    Parameters
    ----------
    scores
        The scores of each sequence.
    clusters
        ``"document"``: the documents of the scores; or an id for each sequence, such as a number
        or a text; or None.

    Raises
    ------
    InputError
        If the document of a sequence is unknown, or the ids are not as many as the sequences.
    """
    if clusters is None:
        return None
    if isinstance(clusters, str):
        return Clusters(_codes(_documents(scores)), DOCUMENT)
    ids = list(clusters)
    if len(ids) != len(scores.sequence_ids):
        raise InputError(
            f"clusters must have one id for each of {len(scores.sequence_ids)} sequences, "
            f"got {len(ids)}"
        )
    codes = _codes(ids)
    # Little-endian, so that the signature is the same on every machine.
    digest = hashlib.sha256(codes.astype("<i8").tobytes()).hexdigest()[:12]
    return Clusters(codes, f"given@{digest}")


def _documents(scores: HeadScores) -> tuple[str | None, ...]:
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
