"""The scores of some sequences of a corpus."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from headscore.arrays import Bools
from headscore.scores.head_scores import HeadScores


def some_sequences(scores: HeadScores, chosen: Bools) -> HeadScores:
    """Return the scores of some sequences, without what is known of the whole corpus only.

    That are the sums over sequences: `overlap`, `position_sums`, `hidden`, and `counts`.

    Parameters
    ----------
    scores
        The scores.
    chosen
        bool (sequence,), at least one true.
    """
    rows = np.flatnonzero(chosen)

    def of_rows(array: npt.NDArray[Any] | None) -> Any:
        return None if array is None else array[rows]

    return replace(
        scores,
        values=scores.values[rows],
        sequence_ids=tuple(scores.sequence_ids[row] for row in rows),
        documents=scores.documents and tuple(scores.documents[row] for row in rows),
        overlap=None,
        position_sums=None,
        hidden=None,
        counts={},
        attainable=of_rows(scores.attainable),
        tokens=of_rows(scores.tokens),
        excess=of_rows(scores.excess),
        lengths=of_rows(scores.lengths),
    )
