"""E-values: evidence that a mean exceeds tau, valid at any n and any skewness.

Each bet ``lambda`` on scores of at least 0 earns a factor ``1 + lambda (x - tau)`` a score; if the
mean is at most tau no bet is expected to gain, and neither is their average. Waudby-Smith and
Ramdas, "Estimating means of bounded random variables by betting", J. R. Statist. Soc. B 86 (2024).
An e-value stays valid if one stops early, as soon as it is large enough, but only where the units
come in random order: in a corpus that is read in order neighbours resemble each other, and the
first documents may all lie above the mean.
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from headscore.arrays import Bools, Floats

# The factor of a score x is 1 + BETS / tau (x - tau): at least 1 - 0.95 = 0.05 for x = 0, so no
# score of at least 0 can make a product zero or negative. Small bets win where the mean is just
# above tau, large ones where it is far above; their average needs no choice between them.
BETS = np.linspace(0.02, 0.95, 24)  # times 1/tau: the factor of a score of 0 stays above 0
# One logarithm costs as much as several multiplications, so 32 factors are multiplied first. A
# product lies between 0.05**32 = 2e-42 and (0.95 * 1e9 + 1)**32 = 2e287, inside float64.
_TOGETHER = 32  # factors multiplied before a logarithm is taken
_LARGEST = 1e9  # to the power of _TOGETHER still a float64
_IN_CACHE = 1 << 16  # numbers worked on at a time


def log_sums(excess__uc: Floats, scale: Floats) -> Floats:
    """Return the log of the wealth of each bet on each cell, starting from 1; (bet, cell).

    Parameters
    ----------
    excess__uc
        (unit, cell): score less threshold of each unit, a sequence, or the sum over a cluster
        divided by the largest number of sequences of any; 0 where it takes no part.
    scale
        Threshold, (cell,); a bet is ``BETS / scale``.

    Returns
    -------
    numpy.ndarray
        NaN where a score is so far below 0 that a factor is not positive: no e-value then.
    """
    n_units, n_cells = excess__uc.shape
    # A block (rows, cell) of about 65536 float64 (512 KiB) stays in the cache for all bets.
    rows = _TOGETHER * max(1, _IN_CACHE // (_TOGETHER * n_cells))
    sums = np.zeros((len(BETS), n_cells))
    with np.errstate(invalid="ignore", divide="ignore"):
        for start in range(0, n_units, rows):
            sums += _log_sums(excess__uc[start : start + rows] / scale)
    return sums


def _log_sums(excess__uc: Floats) -> Floats:
    """Return the sums over units of log(1 + bet excess), as logs of products of 32."""
    n_units, n_cells = excess__uc.shape
    if excess__uc.max() > _LARGEST:
        return np.stack([np.log1p(bet * excess__uc).sum(axis=0) for bet in BETS])
    # Units in 32 rows, here 3 instead of 32 and seven units; 0 fills up, its factor is 1:
    #
    #     whole   u0 u1 u2
    #             u3 u4 u5        product down each column, then the sum of the logs of a row
    #             u6  0  0
    columns = -(-n_units // _TOGETHER)
    whole = np.zeros((_TOGETHER, columns, n_cells))
    whole.reshape(-1, n_cells)[:n_units] = excess__uc
    factors = np.empty_like(whole)
    products = np.empty((len(BETS), columns, n_cells))
    for bet, product in zip(BETS, products, strict=True):
        np.multiply(whole, bet, out=factors)
        factors += 1
        np.multiply.reduce(factors, axis=0, out=product)
    sums: Floats = np.log(products).sum(axis=1)
    # The largest bet is the first to reach a factor of 0 or less; two negative factors would make a
    # positive product, so the whole cell is marked.
    sums[:, excess__uc.min(axis=0) * BETS[-1] <= -1] = np.nan
    return sums


def log_evalue(log_sums__bx: Floats) -> Floats:
    """Return the log of the e-value, the average of the bets along the first axis."""
    # log(mean_k exp(s_k)) = logsumexp(s) - log(K), without overflow of exp.
    average: Floats = logsumexp(log_sums__bx, axis=0) - np.log(len(BETS))
    return average


def e_bh(log_evalues: Floats, alpha: float) -> Bools:
    """Return which cells e-BH rejects: false discovery rate of at most alpha; bool, same shape.

    The k largest e-values, for the largest k such that the k-th is at least ``m / (k alpha)``;
    valid however the m cells depend on each other. Wang and Ramdas, "False discovery rate control
    with e-values", J. R. Statist. Soc. B 84 (2022).

    Parameters
    ----------
    log_evalues
        Any shape; NaN are never chosen and do not count.
    alpha
        Level.
    """
    ranked = np.sort(log_evalues[~np.isnan(log_evalues)])[::-1]
    m = len(ranked)
    # e_(k) >= m / (k alpha) in logs, for the k-th largest e-value.
    enough = ranked >= np.log(m / alpha) - np.log(np.arange(1, m + 1)) if m else ranked > 0
    if not enough.any():
        return np.zeros(log_evalues.shape, dtype=np.bool_)
    # The last rank that is large enough sets the bound; earlier ranks that fail alone still pass.
    chosen: Bools = log_evalues >= ranked[enough][-1]
    return chosen
