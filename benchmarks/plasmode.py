"""Plasmode: guarantees on the scores of a real model, moved so that every H0 is true.

The scores of a model on a corpus with documents are multiplied, cell by cell, so that each mean is
exactly tau; documents are then drawn with replacement. Dependence within documents and between
cells, skewness and missing sequences stay those of the real scores. Each run is one study with the
default options of `headscore.test`.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

import headscore as hs
from headscore.demo import demo_corpus, demo_model

TAU = 3.0
ALPHA = 0.05


@dataclass(frozen=True)
class Population:
    """Scores with the mean tau in every cell, and the sequences of each document."""

    scores: hs.HeadScores
    documents: list[np.ndarray]

    @classmethod
    def of(cls, scores: hs.HeadScores) -> Population:
        mean = np.nanmean(scores.values, axis=0, dtype=np.float64)
        values = (scores.values * (TAU / mean)).astype(np.float32)
        names = np.array(scores.documents)
        documents = [np.flatnonzero(names == name) for name in dict.fromkeys(scores.documents)]
        return cls(replace(scores, values=values, excess=None, position_sums=None), documents)

    def drawn(self, rng: np.random.Generator, n: int) -> hs.HeadScores:
        """Draw documents with replacement; each draw is a document of its own."""
        chosen = rng.integers(len(self.documents), size=n)
        rows = np.concatenate([self.documents[each] for each in chosen])
        owner = np.repeat(np.arange(n), [len(self.documents[each]) for each in chosen])
        return hs.HeadScores.from_arrays(
            self.scores.values[rows],
            self.scores.roles,
            documents=[str(each) for each in owner],
            attainable=self.scores.attainable[rows],
        )


def studies(population: Population, n: int, runs: int, seed: int, **options: object) -> np.ndarray:
    """Return what each run finds, (run, finding), as `FINDINGS` names it."""
    attainable = np.nanmean(population.scores.attainable, axis=0, dtype=np.float64)
    heads = population.scores.values.shape[-1]
    attained = np.repeat(((TAU - 1) / (attainable - 1)).ravel(), heads)
    rng = np.random.default_rng(seed)
    return np.array([_findings(population.drawn(rng, n), attained, options) for _ in range(runs)])


FINDINGS = (
    "any label",
    "any robust",
    "any has_not",
    "labels / tested (FDR: any)",
    "ci_low covers",
    "attained_low covers",
    "attained_high covers",
)


def _findings(scores: hs.HeadScores, attained: np.ndarray, options: dict) -> list[float]:
    table = hs.test(scores, tau=TAU, alpha=ALPHA, **options).table
    tested = table["pvalue"].notna()
    rows = table[tested]
    true = attained[tested]
    some = true > 0
    return [
        rows["label"].any(),
        rows["robust"].any(),
        (rows["verdict"] == "has_not").any(),
        rows["label"].mean(),
        (rows["ci_low"] <= TAU).mean(),
        (rows["attained_low"].to_numpy()[some] <= true[some]).mean(),
        (rows["attained_high"].to_numpy()[some] >= true[some]).mean(),
    ]


def table(population: Population, sizes: list[int], runs: int, seed: int) -> Iterator[str]:
    yield f"| documents | {' | '.join(FINDINGS)} |"
    yield "|" + "---|" * (len(FINDINGS) + 1)
    for n in sizes:
        found = studies(population, n, runs, seed)
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
    print(f"{runs} studies of each size, every mean exactly tau {TAU:g}, alpha {ALPHA:g}, Holm\n")
    for line in table(Population.of(scores), sizes, runs, arguments.seed):
        print(line, flush=True)


if __name__ == "__main__":
    main()
