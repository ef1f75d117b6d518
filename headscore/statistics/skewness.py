"""Skewness: transformations that take it out of a t-statistic, and one that is safe below tau."""

from __future__ import annotations

import numpy as np

from headscore.arrays import Bools, Floats

# What a cell borrows: a quantile over the heads of its role, and over the roles of its head. Set by
# simulation on the scores of two real models (benchmarks/plasmode.py).
HIGH, MIDDLE = 0.9, 0.5
# Of a difference between two samples, whose skewness comes from either side: benchmarks/unpaired.py
OF_TWO_SAMPLES = 0.75
# A mean below this share of tau counts as this share: a sample without the few large scores of a
# head may have a mean of next to nothing.
LEAST_SHARE = 0.1


def hall(t: Floats, asymmetry: Floats, size_asymmetry: Floats | float = 0.0) -> Floats:
    """Return t corrected for the skewness of the units.

    Hall, "On the removal of skewness by transformation", J. R. Statist. Soc. B 54 (1992):
    ``sqrt(n) (S + g S^2 / 3 + g^2 S^3 / 27 + g / (6n))`` for ``S = t / sqrt(n)`` and skewness g.
    With a = g / sqrt(n) and b = a / 3 this is ``t + b t^2 + b^2 t^3 / 3 + a / 6``, which increases
    with t for any b.

    The mean over clusters of different sizes is a ratio of two means. To the same order,
    ``t = t_0 + c t_0^2`` with t_0 the t of a plain mean and ``c = cov(n_g, u_g) / (mean n_g sd u_g
    sqrt(G))``, as the residuals of the variance contain the error of the ratio; so b is
    ``a / 3 - c``.

    Parameters
    ----------
    t
        The statistic.
    asymmetry, size_asymmetry
        a and c, see `headscore.statistics.units.Units`.
    """
    # No skewness known (equal scores): a = 0 and t stays as it is.
    a = np.where(np.isnan(asymmetry), 0.0, asymmetry)
    b = a / 3 - size_asymmetry
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(t + b * t**2 + b**2 * t**3 / 3 + a / 6)


def hall_inverse(y: Floats, asymmetry: Floats, size_asymmetry: Floats | float = 0.0) -> Floats:
    """Return the statistic that `hall` makes `y`, for confidence bounds; arguments as there.

    ``hall(t) = ((1 + b t)^3 - 1) / (3 b) + a / 6``, hence
    ``t = ((1 + 3 b (y - a / 6))^(1/3) - 1) / b``.
    """
    a = np.where(np.isnan(asymmetry), 0.0, asymmetry)
    b = a / 3 - size_asymmetry
    straight = y - a / 6
    near = np.abs(b) < 1e-9
    some = np.where(near, 1.0, b)
    return np.where(near, straight, (np.cbrt(1 + 3 * some * straight) - 1) / some)


def cautious(t__rlh: Floats, b__rlh: Floats, testable: Bools, share: float = HIGH) -> Floats:
    """Return t of a test whether a mean lies below 0, cautious where units are skewed to the right.

    A sample that misses the few large numbers of a head has a mean that is too small, a standard
    error that is too small, *and* too little skewness to correct for it. Two things help. To the
    order of Hall's, ``(exp(2 b t) - 1) / (2 b)`` removes skewness too, but never falls below
    ``-1 / (2 b)``: Zhou and Gao, "One-sided confidence intervals for means of positively skewed
    distributions", The American Statistician 54 (2000), have both forms. And b is the largest of
    three: the cell's own, and high quantiles over the heads of its role, which have their large
    numbers in the same sequences, and over the roles of its head.

    Parameters
    ----------
    t__rlh
        The statistic, (role, layer, head).
    b__rlh
        ``a / 3 - c`` of `hall`.
    testable
        bool, (role, layer, head): which cells others borrow from.
    share
        The quantile that is borrowed.
    """
    return _saturating(t__rlh, _borrowed(b__rlh, testable, share))


def cautious_ratio(
    ratio__rlh: Floats, relative_error__rlh: Floats, b__rlh: Floats, testable: Bools
) -> Floats:
    """Return t of a test whether a mean of scores of at least 0 lies below tau; as `cautious`.

    Scores of heads are alike but for their scale: where the mean is small, so is its error. So the
    logarithm of mean / tau is divided by the *relative* error, se / mean, the largest of the cell's
    own and of high quantiles over the heads of its role and the roles of its head. Its skewness is
    removed as in `cautious`, with b at least the middle one of those.

    Parameters
    ----------
    ratio__rlh
        Mean over tau, (role, layer, head).
    relative_error__rlh
        Standard error of the mean over the mean.
    b__rlh, testable
        As in `cautious`.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        error = _borrowed(relative_error__rlh, testable, HIGH)
        t = np.log(np.maximum(ratio__rlh, LEAST_SHARE)) / error
    return _saturating(t, _borrowed(b__rlh, testable, MIDDLE))


def _saturating(t: Floats, b: Floats) -> Floats:
    b = np.fmax(b, 1e-9)
    with np.errstate(invalid="ignore", over="ignore"):
        return np.asarray(np.maximum(t, np.expm1(2 * b * t) / (2 * b)))


def _borrowed(x__rlh: Floats, testable: Bools, share: float) -> Floats:
    """Return the largest of each number and the quantiles over its role and over its head."""
    lent = np.where(testable, x__rlh, np.nan)
    of_role = _quantile(lent.reshape(len(lent), -1), share)[:, None, None]
    of_head = _quantile(lent.reshape(len(lent), -1).T, share).reshape(lent.shape[1:])
    return np.fmax(np.fmax(lent, of_role), of_head)


def _quantile(x: Floats, share: float) -> Floats:
    """Return the quantile of the numbers of each row that are not NaN; NaN where there is none."""
    ranked, n = np.sort(x, axis=1), (~np.isnan(x)).sum(axis=1)  # NaN come last
    rank = share * np.maximum(n - 1, 0)
    below = np.floor(rank).astype(np.intp)
    low, high = (
        np.take_along_axis(ranked, np.minimum(at, np.maximum(n - 1, 0))[:, None], axis=1)[:, 0]
        for at in (below, below + 1)
    )
    return np.asarray(low + (rank - below) * (high - low))
