"""Tests of sieve bias scores: one per cell, that is per (role, layer, head)."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from headscore.arrays import Bools, Floats, Ints, Texts
from headscore.errors import UsageError
from headscore.statistics.criterion import Criterion
from headscore.statistics.evalues import e_bh
from headscore.statistics.moments import Moments
from headscore.statistics.units import Units, sequences

CRITERIA = ("mean", "attained")
ADJUSTMENTS = ("holm", "bh", "by", "none")
ABSENT = ("no_attention", "no_head")  # there is no such head in the model
STATUSES = (
    *ABSENT,
    "nonfinite",
    "no_sieve",
    "insufficient_n",
    "unattainable",
    "zero_variance",
    "ok",
)
TESTABLE = ("zero_variance", "ok")
ROUNDING = 1e-6
REST = "*"  # all roles that have no threshold of their own

Thresholds = float | Mapping[str, float]


@dataclass(frozen=True, eq=False)
class TTest:
    """A one-sided one-sample t-test of each cell; arrays (role, layer, head).

    Attributes
    ----------
    statistic, df, ci_low
        t, its degrees of freedom and the lower confidence bound of the mean; NaN where fewer than
        two units take part or a score is not finite.
    pvalue
        NaN where the status is not one of `TESTABLE`.
    pvalue_skew
        The p-value after Hall's transformation, which takes the skewness out; NaN likewise.
    """

    statistic: Floats
    df: Floats
    pvalue: Floats
    ci_low: Floats
    pvalue_skew: Floats


def thresholds(tau: Thresholds, roles: Sequence[str]) -> Floats:
    """Return tau for each role, (role,), from one number or one number for each name.

    The name ``"*"`` stands for all roles that are not named.

    Raises
    ------
    UsageError
        If a tau is not a finite number above 0, or the names are not those of the roles.
    """
    by_role = dict(tau) if isinstance(tau, Mapping) else dict.fromkeys(roles, tau)
    if REST in by_role and REST not in roles:
        rest = by_role.pop(REST)
        by_role = {**dict.fromkeys(roles, rest), **by_role}
    for role in by_role:
        if role not in roles:
            raise UsageError(unknown("tau must name roles of the scores", role, roles))
    for role in roles:
        if role not in by_role:
            raise UsageError(f"tau must give a threshold for each role, got none for {role!r}")
    return np.array([_threshold(by_role[role]) for role in roles])


def criterion_of(
    name: str,
    tau: Thresholds,
    roles: Sequence[str],
    attainable: npt.NDArray[np.floating[Any]] | None,
) -> Criterion:
    """Make a criterion of its name, one of `CRITERIA`, and what `thresholds` takes.

    Raises
    ------
    UsageError
        If an argument has a value that is not allowed.
    InputError
        If attainable is needed and unknown.
    """
    tau__r = thresholds(tau, roles)
    if name == "mean":
        return Criterion.of_mean(tau__r)
    if name == "attained":
        return Criterion.of_attained(tau__r, attainable)
    raise UsageError(f"criterion must be one of {', '.join(CRITERIA)}, got {name!r}")


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


def of_cells(tau: Floats) -> Floats:
    """Make thresholds (role,) fit arrays (role, layer, head)."""
    return tau[:, None, None] if tau.ndim == 1 else tau


def statuses(
    cells: Moments,
    tau: Floats,
    *,
    units: Units | None = None,
    heads__l: Ints | None = None,
    hidden__rl: Ints | None = None,
) -> Texts:
    """Say of each cell whether it can be tested; texts (role, layer, head).

    The first that fits: ``no_attention``, the layer has none; ``no_head``, the layer has fewer
    heads; ``nonfinite``, a score is infinite or is missing where it should not be;
    ``unattainable``, where no sequence takes part, but some would if the model saw the tokens that
    the role points to; ``no_sieve``, no sequence takes part; ``insufficient_n``, fewer than two
    units do; ``unattainable``, even the largest possible score does not exceed tau;
    ``zero_variance``, all scores are equal; ``ok``.

    Parameters
    ----------
    cells, tau, units
        As in `t_test`.
    heads__l
        Heads of each layer; None: there are all.
    hidden__rl
        Sequences with a sieve of which nothing is visible; None: there are none.
    """
    _, n_layers, n_heads = cells.n.shape
    heads = np.full(n_layers, n_heads) if heads__l is None else heads__l
    hidden = np.zeros(cells.n.shape[:2]) if hidden__rl is None else hidden__rl
    n_units = cells.n if units is None else units.n
    conditions = {
        "no_attention": np.broadcast_to(heads[:, None] == 0, cells.n.shape),
        "no_head": np.broadcast_to(np.arange(n_heads) >= heads[:, None], cells.n.shape),
        "nonfinite": cells.nonfinite,
        "no_sieve": cells.n == 0,
        "insufficient_n": n_units < 2,
        "unattainable": cells.attainable <= of_cells(tau),
        "zero_variance": cells.minimum == cells.maximum,
    }
    status = np.select([*conditions.values()], [*conditions], "ok").astype(object)
    status[(status == "no_sieve") & (hidden > 0)[:, :, None]] = "unattainable"
    return status


def t_test(
    cells: Moments,
    status: Texts,
    tau: Floats,
    *,
    alpha: float = 0.05,
    units: Units | None = None,
) -> TTest:
    """Test that the mean of each cell exceeds tau.

    The standard error has a floor for the rounding of float32 scores,
    ``se^2 = sd^2 / n + (1e-6 max(|mean|, tau))^2``: without it exactly uniform attention would be
    significant at tau 1. Where all scores are equal the p-values are 0 if they exceed tau by more
    than the floor, else 1.

    Parameters
    ----------
    cells
        What `moments` returned.
    status
        What `statuses` returned.
    tau
        The threshold of each role, (role,), or of each cell, (role, layer, head).
    alpha
        One minus the level of the confidence bound.
    units
        What is independent of each other; None: the sequences.
    """
    tau = of_cells(tau)
    units = sequences(cells) if units is None else units
    n = np.where((units.n >= 2) & ~cells.nonfinite, units.n, np.nan)
    floor = ROUNDING * np.maximum(np.abs(cells.mean), tau)
    se = np.sqrt(units.se**2 + floor**2)
    excess = cells.mean - tau
    statistic = excess / se
    decided = status == "zero_variance"
    by_mean = np.where(excess > floor, 0.0, 1.0)
    transformed = _hall(statistic, units.skew / np.sqrt(n))
    pvalue, pvalue_skew = (
        np.where(
            np.isin(status, TESTABLE), np.where(decided, by_mean, stats.t.sf(t, n - 1)), np.nan
        )
        for t in (statistic, transformed)
    )
    ci_low = cells.mean - stats.t.isf(alpha, n - 1) * se
    return TTest(statistic, n - 1, pvalue, ci_low, pvalue_skew)


def robust(tested: TTest, log_evalue: Floats, *, alpha: float, method: str) -> Bools:
    """Say which cells have a mean above tau whatever the skewness of their scores.

    Both must say so: the p-value without skewness, adjusted by `method`, is at most alpha; and the
    e-value is among those chosen by e-BH at level alpha. A cell without an e-value is not robust.
    """
    testable = ~np.isnan(tested.pvalue)
    log_evalue = np.where(testable, np.where(np.isnan(log_evalue), -np.inf, log_evalue), np.nan)
    return (adjust(tested.pvalue_skew, method) <= alpha) & e_bh(log_evalue, alpha)


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


def _hall(t: Floats, a: Floats) -> Floats:
    """Take out of t the skewness of the units, given as ``a = skew / sqrt(n)``.

    Hall, "On the removal of skewness by transformation", J. R. Statist. Soc. B 54 (1992):
    ``sqrt(n) (S + g S^2 / 3 + g^2 S^3 / 27 + g / (6n))`` for ``S = t / sqrt(n)`` and skewness g.
    """
    a = np.where(np.isnan(a), 0.0, a)
    with np.errstate(over="ignore"):
        return t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6


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
