"""Adjustment of p-values for how many they are, and the labels that withstand skewness."""

from __future__ import annotations

import numpy as np

from headscore.arrays import Bools, Floats
from headscore.declarations import named
from headscore.errors import UsageError
from headscore.options import AdjustOptions
from headscore.statistics.evalues import e_bh
from headscore.statistics.t_test import TTest


def adjust(pvalues: Floats, method: str = "holm") -> Floats:
    """Adjust p-values of any shape for how many they are; NaN stay NaN and do not count.

    Parameters
    ----------
    pvalues
        Numbers in 0..1, or NaN.
    method
        ``"holm"`` (Holm 1979), ``"bh"`` (Benjamini and Hochberg 1995), ``"by"`` (Benjamini and
        Yekutieli 2001) or ``"none"``.

    Raises
    ------
    UsageError
        If the method is unknown, or a p-value lies outside 0..1.
    """
    allowed = named(AdjustOptions, "adjust")[1]
    if not allowed.accepts(method):
        raise UsageError(f"adjust must {allowed.rule}, got {method!r}")
    testable = ~np.isnan(pvalues)
    p = pvalues[testable]
    if ((p < 0) | (p > 1)).any():
        raise UsageError(f"pvalues must lie in 0..1, got {p[(p < 0) | (p > 1)][0]}")
    adjusted = np.full(pvalues.shape, np.nan)
    order = np.argsort(p)
    ranked = np.empty_like(p)
    ranked[order] = _adjust_sorted(p[order], method)
    adjusted[testable] = ranked
    return adjusted


def robust(tested: TTest, log_evalue: Floats, *, alpha: float, method: str) -> Bools:
    """Return which cells have a mean above tau whatever the skewness of their scores.

    Both must hold: the p-value without skewness, adjusted by `method`, is at most alpha; and the
    e-value is among those chosen by e-BH at level alpha. A cell without an e-value is not robust.
    """
    testable = ~np.isnan(tested.pvalue)
    log_evalue = np.where(testable, np.where(np.isnan(log_evalue), -np.inf, log_evalue), np.nan)
    return (adjust(tested.pvalue_skew, method) <= alpha) & e_bh(log_evalue, alpha)


def _adjust_sorted(p: Floats, method: str) -> Floats:
    """Adjust p-values that are sorted from the smallest."""
    m = len(p)
    rank = np.arange(1, m + 1)
    if method == "none" or m == 0:
        return p
    if method == "holm":
        return np.minimum(np.maximum.accumulate((m - rank + 1) * p), 1.0)
    factor = np.sum(1.0 / rank) if method == "by" else 1.0
    step_up = np.minimum.accumulate((p * (factor * m / rank))[::-1])[::-1]
    return np.minimum(step_up, 1.0)
