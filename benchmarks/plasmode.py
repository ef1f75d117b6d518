"""Plasmode: guarantees on the scores of a real model, moved so that every H0 is true.

The scores of a model on a corpus with documents are multiplied, cell by cell, so that each mean is
exactly tau; documents are then drawn with replacement. Dependence within documents and between
cells, skewness and missing sequences stay those of the real scores. Each run is one study with the
default options of `headscore.test`.

For the control of position the scores stay as they are, so that many cells have a label, and the
excess over 1.5 times the odds of position is shifted to a mean of exactly 0.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

import numpy as np

import headscore as hs
from headscore.demo import demo_corpus, demo_model
from headscore.statistics.adjust import adjust
from headscore.statistics.evalues import BETS

TAU = 3.0
ALPHA = 0.05


@dataclass(frozen=True)
class Population:
    """Scores with the mean tau in every cell, and the sequences of each document."""

    scores: hs.HeadScores
    documents: list[np.ndarray]

    @classmethod
    def at_tau(cls, scores: hs.HeadScores) -> Population:
        mean = np.nanmean(scores.values, axis=0, dtype=np.float64)
        values = (scores.values * (TAU / mean)).astype(np.float32)
        return cls(
            replace(scores, values=values, excess=None, position_sums=None), documents_of(scores)
        )

    @classmethod
    def at_margin(cls, scores: hs.HeadScores) -> Population:
        of_pairs = ~np.isnan(scores.excess).all(axis=(0, 2, 3))
        shifted = scores.excess[:, of_pairs]
        shifted = shifted - np.nanmean(shifted, axis=0, dtype=np.float64)
        roles = tuple(np.array(scores.roles)[of_pairs].tolist())
        kept = hs.HeadScores.from_arrays(
            scores.values[:, of_pairs],
            roles,
            attainable=scores.attainable[:, of_pairs],
            excess=shifted.astype(np.float32),
            position_sums=scores.position_sums[:, of_pairs],
        )
        return cls(kept, documents_of(scores))

    def drawn(self, rng: np.random.Generator, n: int) -> hs.HeadScores:
        """Draw documents with replacement; each draw is a document of its own."""
        chosen = rng.integers(len(self.documents), size=n)
        rows = np.concatenate([self.documents[each] for each in chosen])
        owner = np.repeat(np.arange(n), [len(self.documents[each]) for each in chosen])
        share, sums = len(rows) / len(self.scores.values), self.scores.position_sums
        return hs.HeadScores.from_arrays(
            self.scores.values[rows],
            self.scores.roles,
            documents=[str(each) for each in owner],
            attainable=self.scores.attainable[rows],
            excess=None if self.scores.excess is None else self.scores.excess[rows],
            position_sums=None if sums is None else np.rint(sums * share).astype(np.int64),
        )


def documents_of(scores: hs.HeadScores) -> list[np.ndarray]:
    """Return the sequences of each document."""
    names = np.array(scores.documents)
    return [np.flatnonzero(names == name) for name in dict.fromkeys(scores.documents)]


ON_TAU = (
    *("any label", "any label, documents ignored", "any robust", "any has_not"),
    *("ci_low covers", "attained_low covers", "attained_high covers"),
)
ON_MARGIN = ("any beyond 1.5", "any label and beyond", "any has_not")


def on_tau(population: Population, scores: hs.HeadScores) -> list[float]:
    """Return what one study finds of means that are all tau, as `ON_TAU` names it."""
    attainable = np.nanmean(population.scores.attainable, axis=0, dtype=np.float64)
    true = np.repeat(((TAU - 1) / (attainable - 1)).ravel(), scores.values.shape[-1])
    table = hs.test(scores, tau=TAU, alpha=ALPHA).table
    tested = (table["pvalue"].notna() & (true > 0)).to_numpy()
    rows, true = table[tested], true[tested]
    return [
        table["label"].any(),
        hs.test(scores, tau=TAU, alpha=ALPHA, clusters=None).table["label"].any(),
        table["robust"].any(),
        (table["verdict"] == "has_not").any(),
        (rows["ci_low"] <= TAU).mean(),
        (rows["attained_low"] <= true).mean(),
        (rows["attained_high"] >= true).mean(),
    ]


def on_margin(_: Population, scores: hs.HeadScores) -> list[float]:
    """Return what one study finds of an excess of 0 everywhere, as `ON_MARGIN` names it."""
    table = hs.test(scores, tau=TAU, alpha=ALPHA).table
    return [
        (adjust(table["beyond_pvalue"].to_numpy()) <= ALPHA).any(),
        (table["beyond_position"] == "has").any(),
        (table["beyond_position"] == "has_not").any(),
    ]


def stopping(population: Population, shuffles: int, seed: int) -> Iterator[str]:
    """Yield how many true nulls reach an e-value of 20 at some time, by the order of sequences."""
    values = population.scores.values.reshape(len(population.scores.values), -1).astype(float)
    excess = np.nan_to_num(values - TAU)
    rng = np.random.default_rng(seed)
    shuffled = [_reach(excess[rng.permutation(len(excess))]) for _ in range(shuffles)]
    yield f"sequences in the order of the corpus: {_reach(excess):.1%} of the cells"
    yield f"in random order, mean of {shuffles}: {np.mean(shuffled):.1%} of the cells"


def _reach(excess__sc: np.ndarray) -> float:
    """Return the share of cells whose e-value is 1 / ALPHA or more after some sequence."""
    wealth = sum(np.exp(np.log1p(bet / TAU * excess__sc).cumsum(axis=0)) for bet in BETS)
    return float((wealth / len(BETS) >= 1 / ALPHA).any(axis=0).mean())


Study: TypeAlias = Callable[[Population, hs.HeadScores], list[float]]


def table(
    population: Population,
    study: Study,
    names: tuple[str, ...],
    sizes: list[int],
    runs: int,
    seed: int,
) -> Iterator[str]:
    """Write a row for each number of documents, with the Monte Carlo error of each share."""
    yield f"| documents | {' | '.join(names)} |"
    yield "|" + "---|" * (len(names) + 1)
    for n in sizes:
        rng = np.random.default_rng([seed, n])
        found = np.array([study(population, population.drawn(rng, n)) for _ in range(runs)], float)
        error = found.std(axis=0, ddof=1) / math.sqrt(runs)
        cells = [f"{m:.3f} ± {e:.3f}" for m, e in zip(found.mean(axis=0), error, strict=True)]
        yield f"| {n} | {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", nargs="?", help="a .conllu file with documents (default: demo)")
    parser.add_argument(
        "--scores", metavar="RUN.hs", help="saved scores in place of the demo model"
    )
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 50, 100, 318])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    arguments = parser.parse_args()
    scores = (
        hs.HeadScores.load(arguments.scores)
        if arguments.scores
        else hs.score(
            demo_model(), arguments.corpus or demo_corpus(), pairs="consecutive", progress=False
        )
    )
    runs, sizes = (3, [20]) if arguments.tiny else (arguments.runs, arguments.sizes)
    print(f"{runs} studies of each size, alpha {ALPHA:g}, Holm. Every mean exactly tau {TAU:g}:\n")
    population = Population.at_tau(scores)
    for line in table(population, on_tau, ON_TAU, sizes, runs, arguments.seed):
        print(line, flush=True)
    print("\nAn e-value of 20 or more at some time, where every mean is tau:\n")
    print("\n".join(stopping(population, 2 if arguments.tiny else 20, arguments.seed)))
    print("\nEvery pair role exactly at 1.5 times the odds of position, scores as they are:\n")
    population = Population.at_margin(scores)
    for line in table(population, on_margin, ON_MARGIN, sizes, runs, arguments.seed):
        print(line, flush=True)


if __name__ == "__main__":
    main()
