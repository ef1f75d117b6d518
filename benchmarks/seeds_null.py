"""Seeds and trajectories on the scores of a real model, moved so that the truth is known.

Interval: a seed of a recipe is the real model with each mean score multiplied by a random factor,
``exp(sd_head z + sd_role w)``, with z of each head and w of each role; heads are permuted within
layers. A head of mean m exceeds tau with probability ``Phi(log(m / tau) / sd)``, so the expected
number of heads is a sum. Documents are drawn with replacement, the same ones for all seeds.

Correspondence: the same seeds, whose heads are exchangeable, or have their roles permuted.

Trajectory: every mean of every step exactly tau; all steps have the same documents, and scores that
differ between steps by a factor of each sequence. Steps before the last are above or below tau by
turns, which must not help.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from plasmode import Population
from scipy import stats

import headscore as hs
from headscore.options import TestOptions
from headscore.statistics.clusters import clusters_of
from headscore.statistics.criterion import criterion_of
from headscore.statistics.seed_counts import seed_counts
from headscore.statistics.seeds import intervals_table

TAU, ALPHA = 3.0, 0.05
SD_HEAD, SD_ROLE = 0.4, 0.15  # of the logarithm of a seed's factors
STEPS = 5  # of a trajectory


@dataclass(frozen=True)
class Recipe:
    """A real model whose seeds have known means."""

    scores: hs.HeadScores
    sd_role: float = SD_ROLE

    def factors(self, rng: np.random.Generator) -> np.ndarray:
        """Draw the factors of a seed, (role, layer, head)."""
        shape = self.scores.values.shape[1:]
        of_role = self.sd_role * rng.normal(size=(shape[0], 1, 1))
        return np.exp(SD_HEAD * rng.normal(size=shape) + of_role)

    def truth(self, seeds: int = 4000) -> dict[str, np.ndarray]:
        """Return the expected number of heads above tau, and their mean depth over seeds."""
        mean = np.nanmean(self.scores.values, axis=0, dtype=np.float64)
        spread = math.hypot(SD_HEAD, self.sd_role)
        heads = stats.norm.cdf(np.log(mean / TAU) / spread).sum(axis=(1, 2))
        rng, depth = np.random.default_rng(1), np.linspace(0, 1, mean.shape[1])
        found = []
        for _ in range(seeds):
            above = (mean * self.factors(rng) > TAU).sum(axis=2)
            total = above.sum(axis=1)
            found.append(above @ depth / np.where(total > 0, total, np.nan))
        return {"heads": heads, "depth": np.nanmean(found, axis=0)}

    def seed(self, rng: np.random.Generator, drawn: hs.HeadScores) -> hs.HeadScores:
        """Make the scores of a seed on documents that were drawn; heads permuted in layers."""
        values = drawn.values * self.factors(rng).astype(np.float32)
        order = rng.permuted(np.tile(np.arange(values.shape[3]), (values.shape[2], 1)), axis=1)
        values = np.take_along_axis(values, order[None, None], axis=3)
        return replace(drawn, values=values)


def naive(found: np.ndarray) -> tuple[float, float]:
    """Return the interval that takes seeds alone into account, by percentiles of resamples."""
    rng = np.random.default_rng(0)
    means = rng.choice(found, (500, len(found))).mean(axis=1)
    return tuple(np.quantile(means, [ALPHA / 2, 1 - ALPHA / 2]))


def coverage(
    recipe: Recipe, population: Population, n_seeds: int, documents: int, runs: int, seed: int
) -> list[str]:
    """Return shares of intervals that hold the truth: heads, depth, and of percentiles."""
    rng, truth = np.random.default_rng([seed, n_seeds, documents]), recipe.truth()
    held: dict[str, list[float]] = {name: [] for name in ("heads", "depth", "naive", "width")}
    for run in range(runs):
        drawn = population.drawn(rng, documents)
        clusters = clusters_of(drawn, "document")
        criterion = criterion_of(TestOptions(tau=TAU), drawn.roles, drawn.attainable)
        seeds = [recipe.seed(rng, drawn) for _ in range(n_seeds)]
        counts = [seed_counts(each, criterion, clusters, seed=run) for each in seeds]
        layers, heads = drawn.values.shape[2:]
        table = intervals_table(
            drawn.roles, counts, documents, n_heads=layers * heads, n_layers=layers, alpha=ALPHA
        )
        for what in ("heads", "depth"):
            rows = table[table["what"] == what]
            known = rows["low"].notna().to_numpy()
            inside = (rows["low"] <= truth[what]) & (truth[what] <= rows["high"])
            held[what].append(inside[known].mean())
        bounds = np.array([naive(each) for each in np.array([c.heads for c in counts]).T])
        held["naive"].append(
            ((bounds[:, 0] <= truth["heads"]) & (truth["heads"] <= bounds[:, 1])).mean()
        )
    return [error(held[name]) for name in ("heads", "depth", "naive")]


def error(found: list[float]) -> str:
    """Write a mean with its Monte Carlo error."""
    return f"{np.mean(found):.3f} ± {np.std(found, ddof=1) / math.sqrt(len(found)):.3f}"
