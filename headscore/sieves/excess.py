"""Compare the attention on a role's word pairs with what position alone gives.

The entries of a word pair (query piece i, key piece j) have the weights of the score, with the keys
and rows that have a comparison counted only:

    w_ij = |V(i)| / (keys of the row * rows of the pair)

so that a pair has the score A, and attention of its offsets elsewhere would give it C, where
c(offset) is the mean over the comparison entries, see `headscore.sieves.batch_plan`:

    A = sum w_ij a_ij        C = sum w_ij c(j - i)        V = sum w_ij, the mean of |V(i)|

C / V is a mean of attention, and position with k times the odds gives the pair V m_k(C / V), see
`headscore.sieves.odds`. The excess of a sequence is the mean over its pairs of
A - V m_1.5(C / V). A pair none of whose entries has a comparison is left out.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from headscore.arrays import Array, Bools, Ints
from headscore.sieves import _planning
from headscore.sieves.comparison import Comparison
from headscore.sieves.odds import ROWS


class PositionControl(NamedTuple):
    """Scores of word pairs against position, as in `headscore.scores.head_scores.HeadScores`.

    Attributes
    ----------
    excess
        float32 (batch, role, head).
    sums
        int64 (row, role, head), over the sequences of the batch.
    """

    excess: Array
    sums: Ints


def control_position(
    comparison: Comparison,
    scores__bch: Array,
    counted: Bools | None,
    roles: int,
) -> PositionControl:
    """Compare the word pairs of a batch with position.

    Parameters
    ----------
    comparison
        Of the visibility of these layers.
    scores__bch
        float32 (batch, column, head), what a backend returned; NaN where there is no head. Layers
        may be stacked on the head axis.
    counted
        bool (batch,): the others have the excess NaN and add nothing to the sums; None: all.
    roles
        Number of roles.

    Returns
    -------
    PositionControl
    """
    batch, _, heads = scores__bch.shape
    excess = np.full((batch, roles, heads), np.nan, np.float32)
    sums = np.zeros((ROWS, roles, heads), np.int64)
    scores = np.ascontiguousarray(scores__bch, np.float32)
    every = np.ones(batch, np.bool_) if counted is None else np.ascontiguousarray(counted, bool)
    _planning.control_position(comparison, scores, every, excess, sums)
    return PositionControl(excess, sums)
