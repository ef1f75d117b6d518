"""An interval over two levels: seeds of a training recipe, and the documents that all seeds share.

With T_i the number of seed i over all documents there are, and e_i the error of its estimate from
these documents, the mean of the estimates of n seeds has the variance ::

    Var(T) / n  +  v / n  +  c (n - 1) / n

where v is the variance of an error and c the covariance of the errors of two seeds, which does not
average out: the documents are the same. The variance between the estimates of the seeds estimates
``Var(T) + v - c``, so that c remains to be added once:

    se^2 = between / n  +  c

Seeds and documents are crossed, as in Sellam et al., "The MultiBERTs: BERT reproductions for
robustness analysis", ICLR 2022 (arXiv 2106.16163), whose multi-bootstrap resamples both. Of five to
eight seeds its percentiles are too close together, so here only the documents are resampled, and
the quantile is that of t with n - 1 degrees of freedom. (Those of Satterthwaite, which count the
documents in, make intervals that cover too little: counts are no normal numbers.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from headscore.arrays import Floats

LEAST_SEEDS = 2


@dataclass(frozen=True, kw_only=True)
class TwoLevels:
    """An estimate over seeds and documents, with its interval.

    Attributes
    ----------
    n
        Seeds with a number.
    mean, low, high
        Their mean, and both ends of its interval; NaN for fewer than two seeds.
    sd_seeds
        Standard deviation of the seeds.
    se_documents
        Root of the covariance of the errors of two seeds: what more seeds would not reduce.
    """

    n: int
    mean: float
    low: float
    high: float
    sd_seeds: float
    se_documents: float


def two_levels(
    found: Floats,
    drawn: Floats,
    n_units: float,
    *,
    alpha: float,
    unit: float,
    most: float,
) -> TwoLevels:
    """Return the mean over seeds with an interval of level 1 - alpha.

    Numbers that are counts may be equal in all seeds by chance. Where a share q of all seeds has
    one head more, n of them agree with probability ``(1 - q)^n``, so that q up to
    ``1 - alpha^(1/n)`` is not excluded: the interval reaches at least as far, times `unit`.

    Parameters
    ----------
    found
        (seed,): the number of each seed, NaN for one without.
    drawn
        (draw, seed): the same from resampled documents, each draw the same documents for all.
    n_units
        Effective number of documents, ``(sum n_g)^2 / sum n_g^2`` for n_g sequences in each.
    alpha
        One minus the level of the interval.
    unit
        What one head more or less changes.
    most
        The largest possible number; the least is 0.
    """
    known = ~np.isnan(found)
    n, numbers = int(known.sum()), found[known]
    if n < LEAST_SEEDS:
        mean = float(numbers[0]) if n else np.nan
        return TwoLevels(
            n=n, mean=mean, low=np.nan, high=np.nan, sd_seeds=np.nan, se_documents=np.nan
        )
    between = float(numbers.var(ddof=1)) / n
    # Resamples of G units have the variance of the mean times (G - 1) / G.
    common = _common(drawn[:, known]) * n_units / max(n_units - 1, 1.0)
    se2 = between + common
    reach = max(float(stats.t.isf(alpha / 2, n - 1)) * np.sqrt(se2), unit * (1 - alpha ** (1 / n)))
    mean = float(numbers.mean())
    return TwoLevels(
        n=n,
        mean=mean,
        low=max(mean - reach, 0.0),
        high=min(mean + reach, most),
        sd_seeds=float(np.sqrt(between * n)),
        se_documents=float(np.sqrt(common)),
    )


def _common(drawn: Floats) -> float:
    """Return the mean covariance of two seeds over the draws in which all have a number."""
    whole = drawn[~np.isnan(drawn).any(axis=1)]
    n = drawn.shape[1]
    if len(whole) < 2:
        return 0.0
    # Var(sum) = sum of variances + n (n - 1) mean covariance.
    own = whole.var(axis=0, ddof=1).sum()
    return max(0.0, float((whole.sum(axis=1).var(ddof=1) - own) / (n * (n - 1))))
