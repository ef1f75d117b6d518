"""Power of the t-test, and the number of sequences needed to reach a power."""

from __future__ import annotations

import math

import numpy as np
from scipy import stats

from headscore.errors import UsageError
from headscore.options import AdjustOptions

SMALLEST_EFFECT = 1e-3


def power(
    n: int, *, effect: float, heads: int = 1, roles: int = 1, alpha: float = AdjustOptions.alpha
) -> float:
    """Return the probability that the test labels a head whose mean exceeds tau by an effect.

    Parameters
    ----------
    n
        Sequences that take part, at least 2.
    effect
        ``(mean - tau) / sd`` over sequences, at least 0.001.
    heads, roles
        Size of the run: the level is ``alpha / (heads * roles)``, that of Holm's first step, so
        the power under Holm's whole procedure is at least this.
    alpha
        Level of the run.

    Returns
    -------
    float
        ``P(T > t)`` with t the ``1 - level`` quantile of Student's t with n - 1 degrees of freedom
        and T noncentral t with ``effect * sqrt(n)``. Source: Cohen, Statistical Power Analysis for
        the Behavioral Sciences (1988), chapter 2. Exact for normal scores.

    Raises
    ------
    UsageError
        If an argument has a value that is not allowed.
    """
    _check_whole("n", n, 2)
    return _power(n, effect, _level(effect, heads, roles, alpha))


def required_n(
    effect: float,
    *,
    heads: int = 1,
    roles: int = 1,
    alpha: float = AdjustOptions.alpha,
    power: float = 0.8,
) -> int:
    """Return the smallest number of sequences at which the test reaches a power.

    Parameters
    ----------
    effect, heads, roles, alpha
        As in `power`.
    power
        The probability to label such a head, between 0 and 1.

    Raises
    ------
    UsageError
        If an argument has a value that is not allowed.

    Examples
    --------
    >>> from headscore import power
    >>> power.required_n(0.2), power.required_n(0.2, heads=144, roles=10)
    (156, 589)
    """
    level = _level(effect, heads, roles, alpha)
    _check_probability("power", power)
    # Double until the power is reached, then bisect; the power always lies below at `low` and is
    # reached at `high`.
    low, high = 1, 2  # low is too small, as one sequence has no variance
    while _power(high, effect, level) < power:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        if _power(middle, effect, level) < power:
            low = middle
        else:
            high = middle
    return high


def _power(n: int, effect: float, level: float) -> float:
    critical = stats.t.isf(level, n - 1)
    return float(stats.nct.sf(critical, n - 1, effect * math.sqrt(n)))


def _level(effect: float, heads: int, roles: int, alpha: float) -> float:
    """Validate the arguments of both functions; return the level of one test."""
    if not _is_number(effect) or not SMALLEST_EFFECT <= effect < math.inf:
        raise UsageError(
            f"effect must be a finite number of at least {SMALLEST_EFFECT}, got {effect!r}"
        )
    _check_whole("heads", heads, 1)
    _check_whole("roles", roles, 1)
    _check_probability("alpha", alpha)
    return alpha / (heads * roles)


def _check_whole(name: str, number: int, least: int) -> None:
    whole = isinstance(number, int | np.integer) and not isinstance(number, bool)
    if not whole or number < least:
        raise UsageError(f"{name} must be a whole number of at least {least}, got {number!r}")


def _check_probability(name: str, number: float) -> None:
    if not _is_number(number) or not 0 < number < 1:
        raise UsageError(f"{name} must lie between 0 and 1, got {number!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
