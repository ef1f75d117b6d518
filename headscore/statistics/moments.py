"""Moments of the sieve bias scores of each cell, that is each (role, layer, head)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headscore.arrays import Bools, Floats, Ints
from headscore.options import AdjustOptions
from headscore.statistics.criterion import Criterion
from headscore.statistics.evalues import log_evalue
from headscore.statistics.merge_tree import tally_blocks, total
from headscore.statistics.tally import Tally


@dataclass(frozen=True, eq=False)
class Moments:
    """Moments over the sequences that take part in each cell; arrays (role, layer, head).

    Where the criterion has an allowance, all but `mean`, `attainable` and `attained` are of the
    scores less it.

    Attributes
    ----------
    n
        int64, how many sequences take part.
    mean, sd, skew
        Their mean, standard deviation and skewness ``sqrt(n) M3 / M2^1.5``; NaN where undefined.
    minimum, maximum
        Their range.
    share_above
        The share of them above tau.
    attainable
        Mean of their largest possible scores, NaN where unknown.
    attainable_variance, covariance
        Variance of these, and covariance with the scores less their allowance; NaN where unknown.
    most
        The largest of them, less its allowance, NaN where unknown.
    attained
        ``(mean - 1) / (attainable - 1)``: 0 is uniform attention, 1 the largest possible; NaN
        where attainable is unknown or not above 1.
    nonfinite
        bool, whether a score is infinite, or NaN though its largest possible score is known. All
        else but `n` is then NaN.
    log_evalue
        Natural logarithm of the e-value; NaN where a negative score leaves none, or
        where it was not computed.
    """

    n: Ints
    mean: Floats
    sd: Floats
    skew: Floats
    minimum: Floats
    maximum: Floats
    share_above: Floats
    attainable: Floats
    attainable_variance: Floats
    covariance: Floats
    most: Floats
    attained: Floats
    nonfinite: Bools
    log_evalue: Floats


def moments(
    values: npt.NDArray[np.floating[Any]],
    attainable: npt.NDArray[np.floating[Any]] | None = None,
    *,
    tau: Floats | Criterion,
    ddof: int = AdjustOptions.ddof,
    evalues: bool = False,
) -> Moments:
    """Return the moments of each cell over the sequences that take part.

    Parameters
    ----------
    values
        (sequence, role, layer, head), NaN where a sequence takes no part.
    attainable
        The largest possible scores, (sequence, role, layer), or None if unknown.
    tau
        The threshold of each role, (role,), or a criterion.
    ddof
        1 for the unbiased variance; 0 divides by n.
    evalues
        Whether to compute the e-values.

    Notes
    -----
    Block by block in float64, see `headscore.statistics.merge_tree`: the same bits as if the
    blocks had been tallied elsewhere and merged.
    """
    criterion = tau if isinstance(tau, Criterion) else Criterion.of_mean(tau)
    whole = total(tally_blocks(values, attainable, criterion, evalues=evalues))
    return summarise(whole, criterion, ddof=ddof)


def summarise(whole: Tally, criterion: Criterion, *, ddof: int = AdjustOptions.ddof) -> Moments:
    """Return the moments of a tally of all sequences; arguments as in `moments`."""
    # NaN instead of a count makes every quotient below NaN where there are no usable scores.
    n = np.where(whole.nonfinite | (whole.n == 0), np.nan, whole.n)
    freedom = np.where(n > ddof, n - ddof, np.nan)
    equal = whole.minimum == whole.maximum  # exactly, whatever the rounding of the mean
    mean = np.where(equal, whole.minimum, np.where(np.isnan(n), np.nan, whole.mean))
    sd = np.sqrt(whole.m2 / freedom)
    # g1 = m_3 / m_2^1.5 with m_k = M_k / n: the biased skewness, as scipy.stats.skew.
    skew = np.sqrt(n) * whole.m3 / np.where(whole.m2 > 0, whole.m2, np.nan) ** 1.5
    unknown = np.full(n.shape, np.nan)
    possible = unknown if whole.attainable is None else whole.attainable / n
    # The tally has scores minus allowance; both means are over the same sequences and the allowance
    # is linear in attainable, so adding its mean gives back the mean score.
    mean = mean + criterion.mean_allowance(possible)
    most = unknown if whole.most is None else whole.most
    known = ~np.isnan(n)
    evidence = np.nan if whole.log_sums is None else log_evalue(whole.log_sums)
    return Moments(
        n=whole.n,
        mean=np.where(known, mean, np.nan),
        sd=np.where(equal & (n > ddof), 0.0, sd),
        skew=np.where(equal, np.nan, skew),
        minimum=np.where(known, whole.minimum, np.nan),
        maximum=np.where(known, whole.maximum, np.nan),
        share_above=whole.above / n,
        attainable=possible,
        attainable_variance=unknown
        if whole.attainable_m2 is None
        else whole.attainable_m2 / freedom,
        covariance=unknown if whole.cross is None else whole.cross / freedom,
        most=np.where(known, most - criterion.mean_allowance(most), np.nan),
        attained=(mean - 1) / np.where(possible > 1, possible - 1, np.nan),
        nonfinite=whole.nonfinite,
        log_evalue=np.where(known, evidence, np.nan),
    )
