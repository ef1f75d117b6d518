"""E-values: evidence that a mean exceeds tau, valid at any n, any skew and under early stopping.

Each bet ``lambda`` on scores of at least 0 earns a factor ``1 + lambda (x - tau)`` a score; if the
mean is at most tau no bet is expected to gain, and neither is their average. Waudby-Smith and
Ramdas, "Estimating means of bounded random variables by betting", J. R. Statist. Soc. B 86 (2024).
"""

from __future__ import annotations

import numpy as np
from scipy.special import logsumexp

from headscore.arrays import Bools, Floats

BETS = np.linspace(0.02, 0.95, 24)  # times 1/tau: the factor of a score of 0 stays above 0
_TOGETHER = 32  # factors multiplied before a logarithm is taken
_LARGEST = 1e9  # to the power of _TOGETHER still a float64
_IN_CACHE = 1 << 16  # numbers worked on at a time


def log_sums(excess__uc: Floats, scale: Floats) -> Floats:
    """Return the log of what each bet on each cell has become; (bet, cell).

    Parameters
    ----------
    excess__uc
        (unit, cell): score less threshold of each unit, a sequence or the mean of a cluster; 0
        where it takes no part.
    scale
        Threshold, (cell,); a bet is ``BETS / scale``.

    Returns
    -------
    numpy.ndarray
        NaN where a score below 0 has undone a bet, which none may be: there is no e-value then.
    """
    n_units, n_cells = excess__uc.shape
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
    sums[:, excess__uc.min(axis=0) * BETS[-1] <= -1] = np.nan
    return sums


def log_evalue(log_sums__bx: Floats) -> Floats:
    """Return the log of the e-value, the average of the bets along the first axis."""
    average: Floats = logsumexp(log_sums__bx, axis=0) - np.log(len(BETS))
    return average


def e_bh(log_evalues: Floats, alpha: float) -> Bools:
    """Choose cells such that at most a share alpha of them is expected to be false.

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
    enough = ranked >= np.log(m / alpha) - np.log(np.arange(1, m + 1)) if m else ranked > 0
    if not enough.any():
        return np.zeros(log_evalues.shape, dtype=np.bool_)
    chosen: Bools = log_evalues >= ranked[enough][-1]
    return chosen
