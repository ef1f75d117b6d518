"""Tests of sieve bias scores: one per cell, that is per (role, layer, head)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches

import numpy as np
import numpy.typing as npt
from scipy import stats

from headscore.errors import UsageError
from headscore.moments import Floats, Moments

ADJUSTMENTS = ("holm", "bh", "by", "none")
STATUSES = ("nonfinite", "no_sieve", "insufficient_n", "unattainable", "zero_variance", "ok")
TESTABLE = ("zero_variance", "ok")
ROUNDING = 1e-6
SMALL_N = 30
SKEWED = 0.09

Thresholds = float | Mapping[str, float]


@dataclass(frozen=True, eq=False)
class TTest:
    """A one-sided one-sample t-test of each cell; arrays (role, layer, head).

    Attributes
    ----------
    statistic, df, ci_low
        t, its degrees of freedom and the lower confidence bound of the mean; NaN where fewer than
        two sequences take part or one of them is not finite.
    pvalue
        NaN where the status is not one of `TESTABLE`.
    """

    statistic: Floats
    df: Floats
    pvalue: Floats
    ci_low: Floats


def thresholds(tau: Thresholds, roles: Sequence[str]) -> Floats:
    """Return tau for each role, (role,), from one number or one number for each name.

    Raises
    ------
    UsageError
        If a tau is not a finite number above 0, or the names are not those of the roles.
    """
    by_role = tau if isinstance(tau, Mapping) else dict.fromkeys(roles, tau)
    for role in by_role:
        if role not in roles:
            raise UsageError(unknown("tau must name roles of the scores", role, roles))
    for role in roles:
        if role not in by_role:
            raise UsageError(f"tau must give a threshold for each role, got none for {role!r}")
    return np.array([_threshold(by_role[role]) for role in roles])


def check_options(*, alpha: float, adjust: str, ddof: int) -> None:
    """Raise UsageError where an option of the test has a value that is not allowed."""
    if not _is_number(alpha) or not 0 < alpha < 1:
        raise UsageError(f"alpha must lie between 0 and 1, got {alpha!r}")
    if adjust not in ADJUSTMENTS:
        raise UsageError(f"adjust must be one of {', '.join(ADJUSTMENTS)}, got {adjust!r}")
    if ddof not in (0, 1):
        raise UsageError(f"ddof must be 0 or 1, got {ddof!r}")


def unknown(rule: str, name: str, names: Sequence[str]) -> str:
    """Say that a name is not among others, and which of them are nearest to it."""
    nearest = get_close_matches(str(name), names, n=3) or list(names)
    return f"{rule}, got {name!r}; nearest: {', '.join(map(repr, nearest))}"


def statuses(cells: Moments, tau: Floats) -> npt.NDArray[np.object_]:
    """Say of each cell whether it can be tested; texts (role, layer, head).

    The first that fits: ``nonfinite``, a score is infinite or is missing where it should not be;
    ``no_sieve``, no sequence takes part; ``insufficient_n``, fewer than two do;
    ``unattainable``, even the largest possible score does not exceed tau; ``zero_variance``, all
    scores are equal; ``ok``.
    """
    conditions = [
        cells.nonfinite,
        cells.n == 0,
        cells.n < 2,
        cells.attainable <= tau[:, None, None],
        cells.minimum == cells.maximum,
    ]
    return np.select(conditions, [*STATUSES[:-1]], STATUSES[-1]).astype(object)


def t_test(
    cells: Moments, status: npt.NDArray[np.object_], tau: Floats, *, alpha: float = 0.05
) -> TTest:
    """Test that the mean of each cell exceeds tau.

    The standard error has a floor for the rounding of float32 scores,
    ``se^2 = sd^2 / n + (1e-6 max(|mean|, tau))^2``: without it exactly uniform attention would be
    significant at tau 1. Where all scores are equal the p-value is 0 if they exceed tau by more
    than the floor, else 1.

    Parameters
    ----------
    cells
        What `moments` returned.
    status
        What `statuses` returned.
    tau
        The threshold of each role, (role,).
    alpha
        One minus the level of the confidence bound.
    """
    tau = tau[:, None, None]
    n = np.where(cells.n >= 2, cells.n, np.nan)
    floor = ROUNDING * np.maximum(np.abs(cells.mean), tau)
    se = np.sqrt(cells.sd**2 / n + floor**2)
    excess = cells.mean - tau
    statistic = excess / se
    pvalue = np.where(
        status == "zero_variance", np.where(excess > floor, 0.0, 1.0), stats.t.sf(statistic, n - 1)
    )
    return TTest(
        statistic,
        np.where(cells.nonfinite, np.nan, n - 1),
        np.where(np.isin(status, TESTABLE), pvalue, np.nan),
        cells.mean - stats.t.isf(alpha, n - 1) * se,
    )


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
    if method not in ADJUSTMENTS:
        raise UsageError(f"adjust must be one of {', '.join(ADJUSTMENTS)}, got {method!r}")
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


def flags(
    cells: Moments,
    tested: TTest,
    status: npt.NDArray[np.object_],
    tau: Floats,
    *,
    tolerance: float = 1e-5,
) -> npt.NDArray[np.object_]:
    """Name what to keep in mind about each tested cell; texts (role, layer, head).

    Words separated by blanks: ``small_n``, fewer than 30 sequences; ``skewed``,
    ``|skew| / sqrt(n) > 0.09``; ``borderline``, the confidence bound differs from tau by no more
    than `tolerance`, the relative error of a score, of the larger of mean and tau. Empty for
    cells that are not tested.
    """
    tau = tau[:, None, None]
    n = np.maximum(cells.n, 1)
    near = np.abs(tested.ci_low - tau) <= tolerance * np.maximum(np.abs(cells.mean), tau)
    testable = np.isin(status, TESTABLE)
    named = {
        "small_n": testable & (cells.n < SMALL_N),
        "skewed": testable & (np.abs(cells.skew) / np.sqrt(n) > SKEWED),
        "borderline": testable & near,
    }
    words = np.full(status.shape, "", dtype=object)
    for word, holds in named.items():
        words[holds] += f"{word} "
    return np.array([text.rstrip() for text in words.flat], dtype=object).reshape(words.shape)


def _threshold(tau: float) -> float:
    if not _is_number(tau) or not (math.isfinite(tau) and tau > 0):
        raise UsageError(f"tau must be a finite number above 0, got {tau!r}")
    return float(tau)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


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
