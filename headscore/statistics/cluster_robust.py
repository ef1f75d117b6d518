"""Cluster-robust variance of a mean: CR2, with the degrees of freedom of Bell and McCaffrey.

For clusters g of n_g of n scores, and u_g the sum of ``x - mean`` in cluster g,

    variance = sum_g w_g u_g^2 / n^2,    w_g = 1 / (1 - n_g / n)

is unbiased where scores are independent of each other, and consistent in the number of clusters
however those of a cluster depend. Bell and McCaffrey, "Bias reduction in standard errors for linear
regression with multi-stage samples", Survey Methodology 28 (2002); Pustejovsky and Tipton,
"Small-sample methods for cluster-robust variance estimation and hypothesis testing in fixed effects
models", J. Business & Economic Statistics 36 (2018). For clusters of one size it is the variance of
their means over their number, with one degree of freedom less than clusters.
"""

from __future__ import annotations

import numpy as np

from headscore.arrays import Floats


def variance(sums: Floats, size: Floats, *, ddof: int = 1) -> Floats:
    """Return the variance of the mean of each column.

    Parameters
    ----------
    sums
        (cluster, column): the sum of ``x - mean`` over each cluster.
    size
        (cluster, column) or (cluster, 1): scores of each cluster, 0 for one without any.
    ddof
        0: without the weights w_g (CR0).

    Returns
    -------
    numpy.ndarray
        (column,), NaN where there are fewer than two clusters.
    """
    return covariance(sums, sums, size, ddof=ddof)


def covariance(first: Floats, second: Floats, size: Floats, *, ddof: int = 1) -> Floats:
    """Return the covariance of the means of two columns; arguments as in `variance`."""
    n = size.sum(axis=0)
    weight = weights(size, n) if ddof else 1.0
    several = (size > 0).sum(axis=0) >= 2
    whole = (weight * first * second).sum(axis=0) / np.maximum(n, 1) ** 2
    return np.where(several, whole, np.nan)


def degrees_of_freedom(size: Floats, count: Floats | float = 1.0) -> Floats:
    """Return the degrees of freedom of a t-test with `variance`, NaN for fewer than two clusters.

    Each cluster is there `count` times, (cluster, column), as clusters of their own.

    Satterthwaite's, ``(trace P)^2 / trace(P P)`` for the variance as a quadratic form ``y' P y`` of
    independent scores y of equal variance. For a mean P has the entries ::

        P_gg = n_g / n^2        P_gh = - sqrt(w_g w_h) n_g n_h / n^3

    in the basis of the clusters, which makes

        df = n^2 / ( sum n_g^2  +  ((sum a_g)^2 - sum a_g^2) / n^2 ),    a_g = w_g n_g^2
    """
    n = np.maximum((count * size).sum(axis=0), 1)
    square = size**2
    a = weights(size, n) * square
    across = ((count * a).sum(axis=0) ** 2 - (count * a**2).sum(axis=0)) / n**2
    several = (count * (size > 0)).sum(axis=0) >= 2
    squares = (count * square).sum(axis=0)
    return np.where(several, n**2 / np.maximum(squares + across, 1), np.nan)


def weights(size: Floats, n: Floats) -> Floats:
    """Return w_g of clusters of n scores, 1 for one that holds all: nothing can be computed there.

    Both broadcast against each other.
    """
    rest = 1 - size / np.maximum(n, 1)
    return 1 / np.where(rest > 0, rest, 1.0)
