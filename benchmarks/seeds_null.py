"""Seeds and trajectories on the scores of a real model, moved so that the truth is known.

Interval: a seed of a recipe is the real model with each mean score multiplied by a random factor,
``exp(sd_head z + sd_role w)``, with z of each head and w of each role; heads are permuted within
layers. A head of mean m exceeds tau with probability ``Phi(log(m / tau) / sd)``, so the expected
number of heads is a sum. Documents are drawn with replacement, the same ones for all seeds.

Correspondence: the same seeds, whose heads are exchangeable, or have their roles permuted.

Trajectory: every cell has steps with a mean of exactly tau, and others far above or far below,
which must not help. All steps have the same documents.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from plasmode import Population, documents_of
from scipy import stats

import headscore as hs
from headscore.demo import demo_corpus, demo_model
from headscore.options import AdjustOptions, TestOptions
from headscore.statistics.both_directions import BothDirections
from headscore.statistics.clusters import clusters_of
from headscore.statistics.criterion import criterion_of
from headscore.statistics.profiles import profiles
from headscore.statistics.seed_counts import seed_counts
from headscore.statistics.seed_heads import by_assignment, by_index
from headscore.statistics.seeds import intervals_table
from headscore.statistics.trajectory import labels_alone, trajectory_table

TAU, ALPHA = 3.0, 0.05
SD_HEAD, SD_ROLE = 0.4, 0.15  # of the logarithm of a seed's factors
STEPS = 5  # of a trajectory
FAR = 4.0  # times tau, or one over it


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
    held: dict[str, list[float]] = {name: [] for name in ("heads", "depth", "naive")}
    for run in range(runs):
        drawn = population.drawn(rng, documents)
        clusters = clusters_of(drawn, "document")
        criterion = criterion_of(TestOptions(tau=TAU), drawn.roles, drawn.attainable)
        units = clusters.effective(drawn.n_sequences)
        seeds = [recipe.seed(rng, drawn) for _ in range(n_seeds)]
        counts = [seed_counts(each, criterion, clusters, seed=run) for each in seeds]
        layers, heads = drawn.values.shape[2:]
        table = intervals_table(
            drawn.roles, counts, units, n_heads=layers * heads, n_layers=layers, alpha=ALPHA
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


def levels(recipe: Recipe, n_seeds: int, runs: int, seed: int) -> list[str]:
    """Return shares of p-values up to ALPHA: by index, by assignment, and both where H0 is wrong.

    The heads of a recipe's seeds are exchangeable, which is H0 of the first test. For the second
    one each role is permuted on its own. Both are wrong where heads stay in their places.
    """
    rng = np.random.default_rng([seed, n_seeds])
    mean = np.nanmean(recipe.scores.values, axis=0, dtype=np.float64)
    heads = np.full(mean.shape[1], mean.shape[2])
    found: list[list[float]] = []
    for run in range(runs):
        stay = np.stack([mean * recipe.factors(rng) for _ in range(n_seeds)])
        order = rng.permuted(np.broadcast_to(np.arange(heads[0]), stay[:, :1].shape), axis=3)
        moved = np.take_along_axis(stay, order, axis=3)
        alone = profiles(rng.permuted(stay, axis=3), heads)
        moved, stay = profiles(moved, heads), profiles(stay, heads)
        pvalues = [
            by_index(moved, heads, seed=run).pvalue,
            by_assignment(alone, heads, seed=run).pvalue,
            by_index(stay, heads, seed=run).pvalue,
            by_assignment(moved, heads, seed=run).pvalue,
        ]
        found.append([float(pvalue <= ALPHA) for pvalue in pvalues])
    return [error(list(each)) for each in zip(*found, strict=True)]


def trajectories(population: Population, documents: int, runs: int, seed: int) -> list[str]:
    """Return shares of studies with any false statement over all heads, roles and steps.

    Each cell is at tau at a first and at a last step of its own, drawn at random: far below before
    the first one, far above after the last one, and either between them. False are a `has_from`
    up to the last step at tau, an `absent_until` from the first one on, and any `lost`; then
    `has_from` if sequences were independent, and any label at a step at tau.
    """
    rng = np.random.default_rng([seed, documents])
    shape = population.scores.values.shape[1:]
    found = []
    for _ in range(runs):
        drawn = population.drawn(rng, documents)
        first, last = np.sort(rng.integers(0, STEPS, (2, *shape)), axis=0)
        at = np.arange(STEPS)[:, None, None, None]
        factor = np.where(rng.random((STEPS, *shape)) < 0.5, FAR, 1 / FAR)
        factor = np.select([at < first, at > last], [1 / FAR, FAR], factor)
        factor[(at == first) | (at == last)] = 1.0
        steps = {step: _of_step(drawn, factor[step], rng) for step in range(STEPS)}
        result = hs.trajectory(steps, tau=TAU, alpha=ALPHA)
        ignored = hs.trajectory(steps, tau=TAU, alpha=ALPHA, clusters=None)
        found.append(
            [
                float((result.array("has_from") <= last).any()),
                float((result.array("absent_until") >= first).any()),
                float(result.table["lost"].any()),
                float((ignored.array("has_from") <= last).any()),
                float((result.labels & (factor == 1)).any()),
            ]
        )
    return [error(list(each)) for each in zip(*found, strict=True)]


def uniform(runs: int, seed: int) -> list[str]:
    """Return the same for independent cells with uniform p-values: by chains, by labels alone."""
    rng, shape, found = np.random.default_rng(seed), (1, 1, 720), []
    for _ in range(runs):
        last = rng.integers(0, STEPS, shape)
        at = np.arange(STEPS)[:, None, None, None]
        pvalues = np.where(at > last, 0.0, np.where(at < last, 1.0, rng.random((STEPS, *shape))))
        status = np.full(shape, "ok", object)
        tests = [BothDirections(mean=p, above=p, below=1 - p, status=status) for p in pvalues]
        options = AdjustOptions(alpha=ALPHA)
        table = trajectory_table(np.arange(STEPS, dtype=float), ["made"], tests, options)
        labels = labels_alone(tests, options)
        # From each step on: all later labels too.
        alone = np.logical_and.accumulate(labels[::-1])[::-1]
        chains = table["has_from"].to_numpy() <= last.ravel()
        found.append([float(chains.any()), float((alone & (at <= last)).any())])
    return [error(list(each)) for each in zip(*found, strict=True)]


def _of_step(drawn: hs.HeadScores, factor: np.ndarray, rng: np.random.Generator) -> hs.HeadScores:
    """Return the scores of a step, with noise of its own of mean 1 for each sequence and head."""
    noise = np.exp(0.2 * rng.normal(size=drawn.values.shape) - 0.02)
    values = (drawn.values * noise * factor).astype(np.float32)
    return replace(drawn, values=values, attainable=None)


def error(found: list[float]) -> str:
    """Write a mean with its Monte Carlo error."""
    return f"{np.mean(found):.3f} ± {np.std(found, ddof=1) / math.sqrt(len(found)):.3f}"


def rows(header: str, lines: Iterator[list[str]]) -> None:
    """Print a table, row by row as they are found."""
    print(f"| {header} |")
    print("|" + "---|" * (header.count("|") + 1))
    for line in lines:
        print(f"| {' | '.join(line)} |", flush=True)
    print()


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", nargs="?", help="a .conllu file with documents (default: demo)")
    parser.add_argument(
        "--scores", metavar="RUN.hs", help="saved scores in place of the demo model"
    )
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 50, 100])
    parser.add_argument("--seeds", type=int, nargs="+", default=[5, 8])
    parser.add_argument("--only", choices=("interval", "levels", "trajectory"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    return parser.parse_args()


def main() -> None:
    arguments = read_arguments()
    scores = (
        hs.HeadScores.load(arguments.scores)
        if arguments.scores
        else hs.score(
            demo_model(), arguments.corpus or demo_corpus(), pairs="consecutive", progress=False
        )
    )
    runs, sizes, seeds, seed = arguments.runs, arguments.sizes, arguments.seeds, arguments.seed
    if arguments.tiny:
        runs, sizes, seeds = 2, [20], [3]
    scores = replace(scores, excess=None, position_sums=None)
    population = Population(scores, documents_of(scores))
    if arguments.only in (None, "interval"):
        print(f"{runs} studies: share of intervals of level {1 - ALPHA:g} that hold the truth\n")
        rows(
            "sd of a role | seeds | documents | heads | depth | percentiles of seeds, heads",
            (
                [
                    f"{sd:g}",
                    str(n),
                    str(size),
                    *coverage(Recipe(scores, sd), population, n, size, runs, seed),
                ]
                for sd in (0.0, SD_ROLE, 0.4)
                for n in seeds
                for size in sizes
            ),
        )
    if arguments.only in (None, "levels"):
        print(f"{runs} studies: share with p of at most {ALPHA:g}\n")
        rows(
            "seeds | index, heads moved | assigned, roles alone | index, heads stay | "
            "assigned, heads moved",
            ([str(n), *levels(Recipe(scores), n, runs, seed)] for n in seeds),
        )
    if arguments.only in (None, "trajectory"):
        print(f"{runs} studies of {STEPS} steps: share with any false statement\n")
        at_tau = Population.at_tau(scores)
        rows(
            "documents | has_from | absent_until | lost | has_from, documents ignored | "
            "label of a step alone",
            ([str(n), *trajectories(at_tau, n, runs, seed)] for n in sizes),
        )
        chains, alone = uniform(runs, seed)
        print(f"720 independent cells with uniform p-values: has_from {chains}, labels {alone}")


if __name__ == "__main__":
    main()
