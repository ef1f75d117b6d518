"""Adjust p-values for multiple testing; find the labels that are robust to skewness."""

from __future__ import annotations

import numpy as np

from headscore.arrays import Bools, Floats
from headscore.declarations import named
from headscore.errors import UsageError
from headscore.options import MAXT, AdjustOptions
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
        If the method is unknown or ``"maxt"``, which needs more than p-values, see
        `headscore.statistics.max_t`; or a p-value lies outside 0..1.
    """
    allowed = named(AdjustOptions, "adjust")[1]
    if not allowed.accepts(method):
        raise UsageError(f"adjust must {allowed.rule}, got {method!r}")
    if method == MAXT:
        raise UsageError(
            f"adjust {MAXT} needs the scores of each unit, which are not known here: use holm"
        )
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


def of_pvalues(method: str) -> str:
    """Return a method with the same guarantee that needs p-values alone: Holm's for ``"maxt"``."""
    return "holm" if method == MAXT else method


def level_in_use(adjusted: Floats, alpha: float, method: str) -> float:
    """Return the level of a single test that separates what is rejected from what is not.

    With k of m p-values rejected: alpha / (m - k) by Holm's steps, alpha k / m by Benjamini and
    Hochberg (at least one taken as rejected), and that over ``1 + 1/2 + ... + 1/m`` by Benjamini
    and Yekutieli.

    Parameters
    ----------
    adjusted
        What `adjust` returned.
    alpha, method
        As in `adjust`.
    """
    m = int((~np.isnan(adjusted)).sum())
    rejected = int((adjusted <= alpha).sum())
    if method == "none" or m == 0:
        return alpha
    if method == "holm":
        return alpha / max(m - rejected, 1)
    level = alpha * max(rejected, 1) / m
    return level / _harmonic(m) if method == "by" else level


def robust(tested: TTest, log_evalue: Floats, options: AdjustOptions) -> Bools:
    """Return which cells have a mean above tau also by tests that allow for skewness.

    The guarantee is that of the adjustment. Where that is of the family-wise error, or none is
    made, the largest of three p-values is adjusted: that of the t-test, that without skewness, and
    1 / E. Where it is of the false discovery rate, e-BH is applied to the e-values, with that
    of a cell set to 0 where one of the other two is not significant: smaller e-values are e-values.
    A cell without an e-value is not robust. For maxT the three p-values are adjusted by Holm: flips
    of signs would ask for symmetry, which an e-value does without.
    """
    testable = ~np.isnan(tested.pvalue)
    log_evalue = np.where(testable & ~np.isnan(log_evalue), log_evalue, -np.inf)
    method, alpha = of_pvalues(options.adjust), options.alpha
    if method in ("bh", "by"):
        agreed = [adjust(p, method) <= alpha for p in (tested.pvalue, tested.pvalue_skew)]
        evidence = np.where(np.logical_and.reduce(agreed), log_evalue, -np.inf)
        return e_bh(np.where(testable, evidence, np.nan), alpha)
    of_evalue = np.exp(-np.maximum(log_evalue, 0.0))
    largest = np.maximum.reduce([tested.pvalue, tested.pvalue_skew, of_evalue])
    return adjust(largest, method) <= alpha


def _harmonic(m: int) -> float:
    """Return 1 + 1/2 + ... + 1/m."""
    return float(np.sum(1.0 / np.arange(1, m + 1)))


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
    factor = _harmonic(m) if method == "by" else 1.0
    step_up = np.minimum.accumulate((p * (factor * m / rank))[::-1])[::-1]
    return np.minimum(step_up, 1.0)
