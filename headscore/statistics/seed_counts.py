"""Heads of each role whose mean exceeds tau, by seed, also where documents are resampled."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headscore.arrays import Bools, Floats
from headscore.options import IntervalOptions
from headscore.scores.head_scores import HeadScores
from headscore.statistics.bootstrap import sums_of_units, weights
from headscore.statistics.clusters import Clusters
from headscore.statistics.criterion import Criterion
from headscore.statistics.depth import relative_depths

DRAWS = 500  # the error of a variance is then 6 per cent


@dataclass(frozen=True, eq=False)
class SeedCounts:
    """Numbers of heads above tau, and their mean depth.

    Attributes
    ----------
    heads, depth
        (role,): from all documents, NaN for a role in which no sequence takes part. Depth runs from
        0, the first layer, to 1, the last; NaN also where there is no head.
    drawn_heads, drawn_depth
        (draw, role): from resampled documents.
    """

    heads: Floats
    depth: Floats
    drawn_heads: Floats
    drawn_depth: Floats


def seed_counts(
    scores: HeadScores, criterion: Criterion, clusters: Clusters, *, seed: int
) -> SeedCounts:
    """Count the heads of each role whose mean exceeds tau; the draws hang on `seed` alone.

    Parameters
    ----------
    scores
        The scores of one model.
    criterion
        The threshold of the means.
    clusters
        What is resampled: clusters, or else sequences.
    seed
        Of the draws: with the same clusters, models get the same draws.
    """
    n_sequences, n_roles, n_layers, n_heads = scores.values.shape
    codes = clusters.units(n_sequences)
    n_units = int(codes.max()) + 1
    draws = IntervalOptions(resamples=DRAWS, seed=seed)
    chosen = np.concatenate([np.ones((1, n_units)), *weights(n_units, draws)])
    counts = np.empty((1 + DRAWS, n_roles))
    depths = np.empty_like(counts)
    for role in range(n_roles):
        own = criterion.of_role(role)
        at = np.s_[:, role : role + 1]
        possible = None if scores.attainable is None else scores.attainable[at]
        excess = scores.values[at] - own.allowance(possible) - own.tau[0]
        total, _ = sums_of_units(excess.reshape(n_sequences, -1), codes, n_units)
        if np.isnan(excess).all():
            counts[:, role] = depths[:, role] = np.nan
            continue
        # A mean is above 0 where the sum is; without any sequence that takes part it is 0.
        above = (chosen @ total > 0).reshape(-1, n_layers, n_heads)
        counts[:, role], depths[:, role] = _described(above)
    return SeedCounts(counts[0], depths[0], counts[1:], depths[1:])


def _described(above__dlh: Bools) -> tuple[Floats, Floats]:
    """Return the number of heads of each draw, and their mean depth."""
    per_layer = above__dlh.sum(axis=2)
    heads = per_layer.sum(axis=1).astype(np.float64)
    depth = relative_depths(above__dlh.shape[1])
    return heads, per_layer @ depth / np.where(heads > 0, heads, np.nan)
