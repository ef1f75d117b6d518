"""Units of independence: sequences, or clusters of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from headscore.arrays import Floats, Ints
from headscore.options import AdjustOptions
from headscore.scores.head_scores import HeadScores
from headscore.statistics.clusters import Clusters
from headscore.statistics.criterion import Criterion
from headscore.statistics.evalues import log_evalue, log_sums
from headscore.statistics.moments import Moments


@dataclass(frozen=True, eq=False)
class Units:
    """The independent units of each cell; arrays (role, layer, head).

    Attributes
    ----------
    n
        int64, how many units take part.
    se
        Standard error of the mean, NaN where fewer than two do.
    skew
        Skewness of the contributions of the units to the mean, NaN where these are equal.
    log_evalue
        Natural logarithm of the e-value of the units, as in `Moments`.
    clustered
        Whether the units are clusters.
    """

    n: Ints
    se: Floats
    skew: Floats
    log_evalue: Floats
    clustered: bool


def sequences(cells: Moments) -> Units:
    """Return the units for independent sequences."""
    n = np.where(cells.n >= 2, cells.n, np.nan)
    return Units(cells.n, cells.sd / np.sqrt(n), cells.skew, cells.log_evalue, clustered=False)


def units_of(
    scores: HeadScores,
    clusters: Clusters | None,
    cells: Moments,
    criterion: Criterion,
    *,
    ddof: int = AdjustOptions.ddof,
) -> Units:
    """Return the units of scores; arguments as in `clustered`, without clusters: sequences."""
    if clusters is None:
        return sequences(cells)
    return clustered(scores.values, scores.attainable, clusters, cells, criterion, ddof=ddof)


def clustered(
    values: npt.NDArray[np.floating[Any]],
    attainable: npt.NDArray[np.floating[Any]] | None,
    clusters: Clusters,
    cells: Moments,
    criterion: Criterion,
    *,
    ddof: int = AdjustOptions.ddof,
) -> Units:
    """Return the units for independent clusters, whose sequences may depend in any way.

    With ``u_g`` the sum over cluster g of ``x - mean``, ``se^2 = G/(G-1) sum_g u_g^2 / n^2``: Liang
    and Zeger, Biometrika 73 (1986); Cameron and Miller, J. Human Resources 50 (2015). A bet of the
    e-value is on the mean of a cluster, so H0 is there that this is expected to be at most tau in
    clusters of any size.

    Parameters
    ----------
    values, attainable
        As in `headscore.statistics.moments.moments`.
    clusters
        The cluster of each sequence.
    cells, criterion
        The moments of each cell, and the criterion of the test.
    ddof
        1 for ``G/(G-1)``; 0 for no such factor.
    """
    n_clusters = int(clusters.codes.max()) + 1
    n_sequences, n_roles, n_layers, n_heads = values.shape
    # member[g, s] = 1 where sequence s is in cluster g, so member @ x sums x over each cluster:
    #
    #     codes   0 0 1 0 2          member   1 1 0 1 0
    #                                         0 0 1 0 0
    #                                         0 0 0 0 1
    member = sparse.csr_array(
        (np.ones(n_sequences), (clusters.codes, np.arange(n_sequences))),
        shape=(n_clusters, n_sequences),
    )
    # Mean of the scores minus allowance, which is what the deviations below are from.
    center = cells.mean - criterion.mean_allowance(cells.attainable)
    parts = []
    # One layer at a time: the float64 copy of the scores is then (sequence, head) only.
    for role, layer in np.ndindex(n_roles, n_layers):
        own, at = criterion.of_role(role), np.s_[:, role : role + 1, layer : layer + 1]
        allowance = own.allowance(None if attainable is None else attainable[at])
        mean = np.nan_to_num(center[role, layer])
        x = np.nan_to_num(values[at].astype(np.float64) - allowance, posinf=0.0, neginf=0.0)
        part = ~np.isnan(values[at])
        deviation = np.where(part, x - mean, 0.0).reshape(n_sequences, n_heads)
        size = member @ part.reshape(n_sequences, n_heads).astype(np.float64)
        parts.append(_layer(member @ deviation, size, mean - own.tau, own.scale, ddof))
    shape = n_roles, n_layers, n_heads
    n, se, skew, evidence = (np.stack(part).reshape(shape) for part in zip(*parts, strict=True))
    known = ~cells.nonfinite
    return Units(
        n=n.astype(np.int64),
        se=np.where(known, se, np.nan),
        skew=np.where(known, skew, np.nan),
        log_evalue=np.where(known & (n > 0), evidence, np.nan),
        clustered=True,
    )


def _layer(
    total__gh: Floats, size__gh: Floats, excess: Floats, scale: Floats, ddof: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return n, se, skew and log e-value of the heads of a layer.

    `total__gh` and `size__gh` are the sum of ``x - mean`` and the number of sequences of each
    cluster, `excess` is the mean less tau.
    """
    # A cluster without a sequence that takes part adds total 0 and is not counted.
    n_clusters = (size__gh > 0).sum(axis=0)
    n = np.where(n_clusters >= 2, n_clusters, np.nan)
    square = total__gh * total__gh
    # The totals u_g of all clusters add up to 0, so these are already central moments.
    m2, m3 = square.sum(axis=0), (square * total__gh).sum(axis=0)
    # ddof 1: the factor G / (G - 1) of the cluster-robust variance (CR1). With one sequence per
    # cluster this is sd / sqrt(n).
    se = np.sqrt(n / (n - ddof) * m2) / size__gh.sum(axis=0).clip(1)
    skew = np.sqrt(n) * m3 / np.where(m2 > 0, m2, np.nan) ** 1.5
    # Cluster mean minus tau = (mean - tau) + u_g / n_g; 0, a factor of 1, for an empty cluster.
    excess__gh = np.where(size__gh > 0, excess + total__gh / size__gh.clip(1), 0.0)
    return n_clusters, se, skew, log_evalue(log_sums(excess__gh, scale))
