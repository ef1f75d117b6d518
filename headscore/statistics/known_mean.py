"""The mean of the numbers that are known."""

from __future__ import annotations

import numpy as np

from headscore.arrays import Bools, Floats


def known_mean(values: Floats, known: Bools | None = None) -> Floats:
    """Return the mean over the first axis of what is known, NaN if nothing is.

    Parameters
    ----------
    values
        Any shape.
    known
        Bool of the same shape; None: all that is not NaN.
    """
    if known is None:
        known = ~np.isnan(values)
    n = known.sum(axis=0)
    return np.asarray(np.where(known, values, 0.0).sum(axis=0) / np.where(n > 0, n, np.nan))
