"""Split a corpus into parts: by genre, by length, or by a label of each sequence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from headscore.arrays import Bools
from headscore.errors import InputError, UsageError
from headscore.scores.head_scores import HeadScores
from headscore.statistics.thirds import NAMES, third_of


def split(scores: HeadScores, by: str | Iterable[Any]) -> Mapping[str, Bools]:
    """Return which sequences belong to each part of a corpus: name -> bool (sequence,).

    Parameters
    ----------
    scores
        The scores of the corpus.
    by
        ``"genre"``: what stands before the first hyphen of the name of a document; ``"length"``:
        thirds by the number of tokens; or a label for each sequence, None to leave it out.

    Returns
    -------
    dict
        Parts in order of first occurrence; thirds from short to long.

    Raises
    ------
    UsageError
        The labels are not as many as the sequences.
    InputError
        Documents or lengths are needed and unknown, or are all of one part.
    """
    if isinstance(by, str):
        labels = _genres(scores) if by == "genre" else _thirds(scores)
        order: Iterable[Any] = NAMES if by == "length" else ()
    else:
        labels, order = list(by), ()
    if len(labels) != scores.n_sequences:
        raise UsageError(
            f"by must have one label for each of {scores.n_sequences} sequences, got {len(labels)}"
        )
    # NaN, the missing value of pandas, is not equal to itself.
    names = [None if label is None or label != label else str(label) for label in labels]
    found = np.array(names, dtype=object)
    parts = dict.fromkeys([*order, *(name for name in names if name is not None)])
    return {name: np.asarray(found == name, np.bool_) for name in parts if (found == name).any()}


def _genres(scores: HeadScores) -> list[str | None]:
    """Return the genre of each sequence, None for one without a document."""
    if scores.documents is None:
        raise InputError('by="genre" needs scores with documents, got none')
    for name in scores.documents:
        if name is not None and "-" not in name[1:]:
            raise InputError(
                'by="genre" needs documents named by genre and hyphen, such as weblog-17, '
                f"got {name!r}"
            )
    return [None if name is None else name.partition("-")[0] for name in scores.documents]


def _thirds(scores: HeadScores) -> list[str | None]:
    if scores.lengths is None:
        raise InputError('by="length" needs scores with the lengths of sequences, got none')
    return [NAMES[third] for third in third_of(scores.lengths)]
