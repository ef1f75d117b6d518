"""Units of independence: sequences, or clusters of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headscore.arrays import Bools, Floats, Ints
from headscore.options import AdjustOptions
from headscore.statistics import cluster_robust
from headscore.statistics.clusters import Clusters
from headscore.statistics.criterion import Criterion
from headscore.statistics.evalues import log_evalue, log_sums
from headscore.statistics.indicator import indicator
from headscore.statistics.moments import Moments


@dataclass(frozen=True, eq=False, kw_only=True)
class Units:
    """The independent units of each cell; arrays (role, layer, head).

    Attributes
    ----------
    n
        int64, how many units take part.
    effective
        ``n^2 / sum n_g^2``: the number of equally large units that would weigh as these do.
    weight
        Sequences of all units over those of the largest; `n` where all are as large.
    df
        Degrees of freedom of the t-test, NaN where fewer than two units take part.
    se
        Standard error of the mean score less its allowance, NaN likewise.
    se_mean, se_attained
        Standard errors of the mean score, and of `attained`, NaN where unknown.
    deff
        Design effect, the variance of the mean score over its variance if sequences were
        independent; NaN where all scores are equal.
    asymmetry
        ``skew / sqrt(n)`` of the contributions of the units to the mean; NaN where they are equal.
    size_asymmetry
        Share of `asymmetry` that comes from units of different sizes, see
        `headscore.statistics.t_test`; 0 for units of one size.
    log_evalue
        Natural logarithm of the e-value of the units, as in `Moments`.
    clustered
        Whether the units are clusters.
    """

    n: Ints
    effective: Floats
    weight: Floats
    df: Floats
    se: Floats
    se_mean: Floats
    se_attained: Floats
    deff: Floats
    asymmetry: Floats
    size_asymmetry: Floats
    log_evalue: Floats
    clustered: bool


@dataclass(frozen=True)
class _Variances:
    """Variances of the means of scores less allowance, and of attainable; their covariance."""

    score: Floats
    attainable: Floats
    covariance: Floats


def units_of(
    values: npt.NDArray[np.floating[Any]],
    attainable: npt.NDArray[np.floating[Any]] | None,
    clusters: Clusters,
    cells: Moments,
    criterion: Criterion,
    *,
    ddof: int = AdjustOptions.ddof,
    evalues: bool = True,
) -> Units:
    """Return the units of scores.

    Parameters
    ----------
    values, attainable
        As in `headscore.statistics.moments.moments`.
    clusters
        The clusters of the sequences, or that there are none.
    cells, criterion
        The moments of each cell, and the criterion of the test.
    ddof
        As in `headscore.statistics.moments.moments`; 0: the variance without correction.
    evalues
        Whether to compute the e-values of clusters; NaN if not.
    """
    if clusters.codes is None:
        return sequences(cells, criterion)
    codes = clusters.codes
    return clustered(values, attainable, codes, cells, criterion, ddof=ddof, evalues=evalues)


def sequences(cells: Moments, criterion: Criterion) -> Units:
    """Return the units for independent sequences."""
    n = np.where((cells.n >= 2) & ~cells.nonfinite, cells.n, np.nan)
    se_mean, se_attained = _further_errors(_of_sequences(cells), cells, criterion)
    return Units(
        n=cells.n,
        effective=cells.n.astype(np.float64),
        weight=cells.n.astype(np.float64),
        df=n - 1,
        se=cells.sd / np.sqrt(n),
        se_mean=se_mean,
        se_attained=se_attained,
        deff=np.where(cells.sd > 0, 1.0, np.nan),
        asymmetry=cells.skew / np.sqrt(n),
        size_asymmetry=np.zeros(cells.n.shape),
        log_evalue=cells.log_evalue,
        clustered=False,
    )


def clustered(
    values: npt.NDArray[np.floating[Any]],
    attainable: npt.NDArray[np.floating[Any]] | None,
    codes: Ints,
    cells: Moments,
    criterion: Criterion,
    *,
    ddof: int = AdjustOptions.ddof,
    evalues: bool = True,
) -> Units:
    """Return the units for independent clusters, whose sequences may depend in any way.

    Standard errors and degrees of freedom as in `headscore.statistics.cluster_robust`. A bet of
    the e-value is on the sum of a cluster over the largest number of sequences of any, so that its
    H0 is that of the t-test: the mean over sequences is at most tau.

    Parameters
    ----------
    codes
        The number of the cluster of each sequence.
    values, attainable, cells, criterion, ddof, evalues
        As in `units_of`.
    """
    # member @ x sums the sequences of each cluster: (cluster, sequence) @ (sequence, head).
    member = indicator(codes)
    center = cells.mean - criterion.mean_allowance(cells.attainable)
    shape = cells.n.shape
    found = {name: np.empty(shape) for name in _LAYER}
    # One role and layer at a time: the float64 copy of the scores is then (sequence, head) only.
    for role, layer in np.ndindex(shape[:2]):
        own, at = criterion.of_role(role), np.s_[:, role : role + 1, layer : layer + 1]
        possible = None if attainable is None else attainable[at]
        x = values[at].astype(np.float64) - own.allowance(possible)
        x, part = x[:, 0, 0], ~np.isnan(values[at])[:, 0, 0]
        deviation = _deviation(x, part, center[role, layer])
        of_possible = np.full((len(x), 1), np.nan)
        if possible is not None:
            of_possible = _deviation(possible[:, 0], part, cells.attainable[role, layer])
        excess = center[role, layer] - own.tau
        added = (np.asarray(member @ x) for x in (deviation, of_possible, part.astype(np.float64)))
        sums = Sums(*added)
        bets = own.scale if evalues else None
        for name, numbers in _layer(sums, excess, bets, ddof).items():
            found[name][role, layer] = numbers
    return _units(found, cells, criterion)


@dataclass(frozen=True)
class Sums:
    """Sums of each cluster, (cluster, head): deviations of two numbers, and the number of both.

    Attributes
    ----------
    score, attainable
        Sums of the deviations from the mean, 0 where unknown.
    size
        (cluster, head) or (cluster, 1): the number of sequences, or the weight that a cluster has
        in the mean.
    """

    score: Floats
    attainable: Floats
    size: Floats


_LAYER = (
    *("n", "effective", "weight", "df", "score", "attainable", "covariance"),
    *("asymmetry", "size_asymmetry", "log_evalue"),
)


def _deviation(x: npt.NDArray[np.floating[Any]], part: Bools, center: Floats) -> Floats:
    """Return x - center of the entries with `part`, 0 elsewhere and where a number is missing."""
    x = np.nan_to_num(x.astype(np.float64), posinf=0.0, neginf=0.0)
    return np.where(part, x - np.nan_to_num(center), 0.0)


def _layer(sums: Sums, excess: Floats, scale: Floats | None, ddof: int) -> dict[str, Floats]:
    """Return what `_LAYER` names for the heads of a layer; `excess` is the mean less tau."""
    size = sums.size
    n = size.sum(axis=0)
    largest = size.max(axis=0)
    variance = cluster_robust.variance(sums.score, size, ddof=ddof)
    square = sums.score**2
    # Sum of a cluster less tau for each of its sequences, u_g + n_g (mean - tau).
    excess__gh = (sums.score + size * excess) / np.maximum(largest, 1)
    return {
        # A cluster without a sequence that takes part adds sum 0 and is not counted.
        "n": (size > 0).sum(axis=0),
        "effective": n**2 / np.maximum((size**2).sum(axis=0), 1),
        "weight": n / np.maximum(largest, 1),
        "df": cluster_robust.degrees_of_freedom(size),
        "score": variance,
        "attainable": cluster_robust.variance(sums.attainable, size, ddof=ddof),
        "covariance": cluster_robust.covariance(sums.score, sums.attainable, size, ddof=ddof),
        **asymmetries(
            n,
            square.sum(axis=0),
            cube=(square * sums.score).sum(axis=0),
            product=(size * sums.score).sum(axis=0),
        ),
        "log_evalue": np.full(n.shape, np.nan)
        if scale is None
        else log_evalue(log_sums(excess__gh, scale)),
    }


def asymmetries(n: Floats, square: Floats, *, cube: Floats, product: Floats) -> dict[str, Floats]:
    """Return `asymmetry` and `size_asymmetry` of `Units`.

    Parameters
    ----------
    n
        Sequences of all clusters.
    square, cube, product
        Sums over the clusters of u_g^2, u_g^3 and n_g u_g, for sums u_g of deviations from the mean
        over n_g sequences.
    """
    # The sums u_g of all clusters add up to 0, so these are central moments:
    #     (sum u^3 / G) / (sum u^2 / G)^1.5 / sqrt(G) = sum u^3 / (sum u^2)^1.5
    m2 = np.where(square > 0, square, np.nan)
    return {
        "asymmetry": cube / m2**1.5,
        "size_asymmetry": product / (np.maximum(n, 1) * np.sqrt(m2)),
    }


def layer_of_sums(sums: Sums, *, ddof: int = AdjustOptions.ddof) -> dict[str, Floats]:
    """Return what `units_of_layers` needs of the heads of a role and layer, (head,) each."""
    return _layer(sums, np.zeros(1), None, ddof)


def units_of_layers(
    layers: Mapping[tuple[int, int], Mapping[str, Floats]], cells: Moments, criterion: Criterion
) -> Units:
    """Return the units of means that were made elsewhere, of clusters that may depend in any way.

    Parameters
    ----------
    layers
        What `layer_of_sums` returns, by numbers of role and layer; nothing is known of others.
    cells, criterion
        As in `units_of`.
    """
    found = {name: np.full(cells.n.shape, np.nan) for name in _LAYER}
    found["n"][:] = 0
    for at, of_layer in layers.items():
        for name, numbers in of_layer.items():
            found[name][at] = numbers
    return _units(found, cells, criterion)


def _units(found: dict[str, Floats], cells: Moments, criterion: Criterion) -> Units:
    known = ~cells.nonfinite
    of = {name: np.where(known, numbers, np.nan) for name, numbers in found.items()}
    variances = _Variances(of["score"], of["attainable"], of["covariance"])
    se_mean, se_attained = _further_errors(variances, cells, criterion)
    independent, _ = _further_errors(_of_sequences(cells), cells, criterion)
    return Units(
        n=found["n"].astype(np.int64),
        effective=of["effective"],
        weight=of["weight"],
        df=of["df"],
        se=np.sqrt(of["score"]),
        se_mean=se_mean,
        se_attained=se_attained,
        deff=se_mean**2 / np.where(independent > 0, independent**2, np.nan),
        asymmetry=of["asymmetry"],
        size_asymmetry=np.nan_to_num(of["size_asymmetry"]),
        log_evalue=np.where(found["n"] > 0, of["log_evalue"], np.nan),
        clustered=True,
    )


def _of_sequences(cells: Moments) -> _Variances:
    """Return the variances where sequences are independent."""
    n = np.where((cells.n >= 2) & ~cells.nonfinite, cells.n, np.nan)
    return _Variances(cells.sd**2 / n, cells.attainable_variance / n, cells.covariance / n)


def _further_errors(
    variances: _Variances, cells: Moments, criterion: Criterion
) -> tuple[Floats, Floats]:
    """Return the standard errors of the mean score, and of attained by linearisation.

    With y = x - f (A - 1) the score less its allowance, Var(x) = Var(y) + 2 f Cov(y, A) + f^2
    Var(A). The ratio R = mean(x - 1) / mean(A - 1) has the linearised variance
    Var(x - R A) / mean(A - 1)^2: Cochran, "Sampling Techniques" (1977), section 6.4.
    """
    slope, possible = criterion.slope(), np.maximum(variances.attainable, 0)
    square = variances.score
    with_possible = variances.covariance + slope * possible
    if criterion.fraction is not None:
        square = np.maximum(square + slope * (variances.covariance + with_possible), 0)
    ratio = cells.attained
    linear = square - 2 * ratio * with_possible + ratio**2 * possible
    reach = np.where(cells.attainable > 1, cells.attainable - 1, np.nan)
    return np.sqrt(square), np.sqrt(np.maximum(linear, 0)) / reach
