"""Partial conjunction: the evidence that at least u of K null hypotheses are false."""

from __future__ import annotations

import numpy as np

from headscore.arrays import Floats


def partial_conjunctions(pvalues__kc: Floats) -> Floats:
    """Return for u = 1 .. K the p-value of H0: fewer than u of K null hypotheses are false.

    ``(K - u + 1) p_(u)`` with p_(u) the u-th smallest: Benjamini and Heller, "Screening for partial
    conjunction hypotheses", Biometrics 64 (2008), by Bonferroni's inequality. Where H0 holds at
    least K - u + 1 nulls are true. At most u - 1 p-values are not theirs, so their smallest is at
    most p_(u), and it is at most x with a probability of at most (K - u + 1) x, under any
    dependence.

    Parameters
    ----------
    pvalues__kc
        (study, cell), NaN where a study says nothing of a cell: it counts as 1.

    Returns
    -------
    numpy.ndarray
        (u, cell), the first row for u = 1. At most 1; NaN for a cell of which no study says
        anything. Each row is a test of its own, so p-values may fall with u.
    """
    n_studies = len(pvalues__kc)
    ordered = np.sort(np.where(np.isnan(pvalues__kc), 1.0, pvalues__kc), axis=0)
    left = np.arange(n_studies, 0, -1)[:, None]  # K - u + 1
    found = np.minimum(left * ordered, 1.0)
    return np.where(np.isnan(pvalues__kc).all(axis=0), np.nan, found)
