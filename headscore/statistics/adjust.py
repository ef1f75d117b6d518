"""Adjust p-values for multiple testing; find the labels that are robust to skewness."""

from __future__ import annotations

import numpy as np

from headscore.arrays import Bools, Floats
from headscore.declarations import named
from headscore.errors import UsageError
from headscore.options import AdjustOptions
from headscore.statistics.evalues import e_bh
from headscore.statistics.t_test import TTest


def adjust(pvalues: Floats, method: str = AdjustOptions.adjust) -> Floats:
    """Adjust p-values of any shape for multiple testing; NaN stay NaN and do not count.

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
    # Adjust in sorted order, then put each adjusted value back where its p-value was.
    order = np.argsort(p)
    ranked = np.empty_like(p)
    ranked[order] = _adjust_sorted(p[order], method)
    adjusted[testable] = ranked
    return adjusted


def robust(tested: TTest, log_evalue: Floats, *, alpha: float, method: str) -> Bools:
    """Return which cells have a mean above tau also by two tests that allow for skewness.

    Both must hold: the p-value without skewness, adjusted by `method`, is at most alpha; and the
    e-value is among those chosen by e-BH at level alpha. A cell without an e-value is not robust.
    """
    testable = ~np.isnan(tested.pvalue)
    # A testable cell without an e-value counts among the m of e-BH but is never chosen: E = 0.
    log_evalue = np.where(testable, np.where(np.isnan(log_evalue), -np.inf, log_evalue), np.nan)
    return (adjust(tested.pvalue_skew, method) <= alpha) & e_bh(log_evalue, alpha)


def _adjust_sorted(p: Floats, method: str) -> Floats:
    """Adjust p-values in ascending order."""
    m = len(p)
    rank = np.arange(1, m + 1)
    if method == "none" or m == 0:
        return p
    # Step down: p_(i) (m - i + 1), made monotone from the smallest p-value upwards.
    if method == "holm":
        return np.minimum(np.maximum.accumulate((m - rank + 1) * p), 1.0)
    # Step up: p_(i) c m / i, made monotone from the largest p-value downwards; c = 1 for BH and
    # 1 + 1/2 + ... + 1/m for BY, valid under any dependence.
    factor = np.sum(1.0 / rank) if method == "by" else 1.0
    step_up = np.minimum.accumulate((p * (factor * m / rank))[::-1])[::-1]
    return np.minimum(step_up, 1.0)
