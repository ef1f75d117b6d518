"""Adjust the p-values of chains: nested hypotheses that are rejected one after the other.

Each cell has a chain of hypotheses, of which a later one is rejected only after all earlier ones:
"the head has the role in at least 1, 2, ... K corpora", or "from the last checkpoint on, from the
last but one on, ...". The adjusted p-values hold for all cells and all steps at once: with
probability 1 - alpha no chain is followed too far.

Each of m chains has alpha / m for its current step, keeps it along the chain, and leaves it to the
chains that are still open once its last step is rejected: a sequentially rejective graphical
procedure, Bretz, Maurer, Brannath and Posch, "A graphical approach to sequentially rejective
multiple test procedures", Statistics in Medicine 28 (2009). For chains of one step this is Holm's.
"""

from __future__ import annotations

import numpy as np

from headscore.arrays import Floats
from headscore.options import AdjustOptions
from headscore.statistics.adjust import adjust


def adjust_chains(pvalues__uc: Floats, method: str = AdjustOptions.adjust) -> Floats:
    """Adjust the p-values of chains; NaN stay NaN, and a chain that holds one does not count.

    Parameters
    ----------
    pvalues__uc
        (step, cell): the first step first; numbers in 0..1. A chain is NaN as a whole or not at
        all.
    method
        As in `headscore.statistics.adjust.adjust`. Other methods than ``"holm"`` adjust each step
        on its own, over the cells: their guarantee holds for one step that was chosen before.

    Returns
    -------
    numpy.ndarray
        (step, cell), not decreasing along a chain.
    """
    # A step needs all earlier ones: its p-value is the largest so far.
    reached = np.maximum.accumulate(pvalues__uc, axis=0)
    if method != "holm":
        each = np.stack([adjust(step, method) for step in reached])
        return np.asarray(np.maximum.accumulate(each, axis=0))
    last = np.sort(reached[-1][~np.isnan(reached[-1])])
    m = len(last)
    # With r chains at their end, every open step has the level alpha / (m - r), and r of them end
    # at alpha >= end[r], Holm's adjusted p-values with end[0] = 0. A step with p-value p is
    # rejected at alpha where alpha >= max(end[r], (m - r) p) for some r. The first grows with r,
    # the second falls: the smallest maximum lies where they cross.
    end = np.concatenate([[0.0], adjust(last, method)])
    left = m - np.arange(m + 1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(left > 0, end / left, np.inf)
    known = ~np.isnan(reached)
    p = reached[known]
    crossing = np.searchsorted(ratio, p)  # the first r with end[r] >= (m - r) p
    before = left[np.maximum(crossing - 1, 0)] * p
    adjusted = np.full(reached.shape, np.nan)
    adjusted[known] = np.minimum(np.minimum(end[crossing], before), 1.0)
    return adjusted
