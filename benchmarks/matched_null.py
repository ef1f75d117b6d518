"""Matched control where every odds ratio is at the margin: how often a study finds something.

The rows of a model's scores on a corpus with documents are a population: the odds of the word pairs
of each cell are multiplied so that the mean that is tested is 0 over draws of documents. A study
draws documents with replacement, with the default options of `headscore.test`; dependence,
skewness and sparse strata stay those of the real scores. As `plasmode.py` does for other tests.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from plasmode import documents_of

import headscore as hs
from headscore.arrays import ragged_take
from headscore.demo import demo_corpus, demo_model
from headscore.scores.matched_rows import MATCHED
from headscore.sieves.odds import MARGIN, scaled
from headscore.statistics.adjust import adjust
from headscore.statistics.clusters import clusters_of
from headscore.statistics.matched import Matched
from headscore.statistics.verdict import HAS, HAS_NOT

ALPHA = 0.05
STEPS = 8  # of the search for the odds
SLOPE = 0.05  # of the mean with the logarithm of the odds, at first


@dataclass(frozen=True)
class Population:
    """Scores with a matched control, their documents, and the rows of each sequence."""

    scores: hs.HeadScores
    documents: list[np.ndarray]
    offsets: np.ndarray

    @classmethod
    def of(cls, scores: hs.HeadScores) -> Population:
        """Return the word-pair roles of scores."""
        at = np.unique(scores.matched_role[scores.matched_role >= 0])
        renamed = np.searchsorted(at, scores.matched_role)
        role = np.where(scores.matched_role < 0, -1, renamed).astype(np.int32)
        kept = hs.HeadScores.from_arrays(
            scores.values[:, at],
            [scores.roles[number] for number in at],
            **{name: getattr(scores, name) for name in MATCHED} | {"matched_role": role},
        )
        rows = np.bincount(scores.matched_sequence, minlength=len(scores.values))
        return cls(kept, documents_of(scores), np.concatenate([[0], rows.cumsum()]))

    def at_odds(self, factor: np.ndarray) -> Population:
        """Multiply the odds of the word pairs of each cell, (role, layer, head)."""
        weight = self.scores.matched_weight[:, :, None]
        share = self.scores.matched / np.where(weight > 0, weight, 1)
        cases = self.scores.matched_role >= 0
        moved = scaled(share[cases], factor[self.scores.matched_role[cases]]) * weight[cases]
        matched = self.scores.matched.copy()
        matched[cases] = moved
        return replace(self, scores=replace(self.scores, matched=matched))

    def drawn(self, rng: np.random.Generator, n: int) -> hs.HeadScores:
        """Draw documents with replacement; each draw is a document of its own."""
        chosen = rng.integers(len(self.documents), size=n)
        sequences = np.concatenate([self.documents[each] for each in chosen])
        owner = np.repeat(np.arange(n), [len(self.documents[each]) for each in chosen])
        offsets, rows = ragged_take(self.offsets, sequences)
        arrays = {name: getattr(self.scores, name)[rows] for name in MATCHED}
        arrays["matched_sequence"] = np.repeat(np.arange(len(sequences)), np.diff(offsets))
        return hs.HeadScores.from_arrays(
            self.scores.values[sequences],
            self.scores.roles,
            documents=[str(each) for each in owner],
            **arrays,
        )

    def at_margin(self, n: int, draws: int, seed: int) -> tuple[Population, float]:
        """Return the population whose tested mean is 0 over draws of n documents.

        And the largest |mean| that is left in any cell, in standard errors of one study.
        """
        logs = np.zeros(self.scores.values.shape[1:])
        moves, before = None, None
        for _ in range(STEPS):
            population = self.at_odds(np.exp(logs))
            rng = np.random.default_rng([seed, n])
            means = np.stack([tested(population.drawn(rng, n)).cells.mean for _ in range(draws)])
            mean = np.nan_to_num(np.nanmean(means, axis=0))
            # Newton's method by secants: the mean rises with the odds, the slower the larger it is.
            slope = SLOPE if moves is None else (mean - before) / np.where(moves == 0, 1, moves)
            moves = np.clip(-mean / np.where(slope > 0, slope, SLOPE), -0.5, 0.5)
            logs, before = logs + moves, mean
        left = np.abs(mean) / np.nanstd(means, axis=0)
        return population, float(np.nanmax(left))


def tested(scores: hs.HeadScores) -> Matched:
    found = Matched.of_scores(scores, clusters_of(scores, "document"), ddof=1)
    assert found is not None
    return found


def null(scores: hs.HeadScores, sizes: list[int], runs: int, seed: int) -> Iterator[str]:
    """Write how often a study of n documents finds something where every ratio is 1.5.

    The last column is what `Population.at_margin` returns beside the population.
    """
    yield ("| documents | any above 1.5 | any has | any has not | single p <= 0.05 | mean left |")
    yield "|---|---|---|---|---|---|"
    for n in sizes:
        population, left = Population.of(scores).at_margin(n, max(runs // 5, 3), seed)
        rng = np.random.default_rng([seed, n, 1])
        found = np.array([study(population.drawn(rng, n)) for _ in range(runs)], float)
        error = found.std(axis=0, ddof=1) / math.sqrt(runs)
        cells = [f"{m:.3f} ± {e:.3f}" for m, e in zip(found.mean(axis=0), error, strict=True)]
        yield f"| {n} | {' | '.join(cells)} | {left:.3f} |"


def study(scores: hs.HeadScores) -> list[float]:
    table = hs.test(scores, alpha=ALPHA).table
    pvalue = table["matched_pvalue"].to_numpy()
    return [
        (adjust(pvalue) <= ALPHA).any(),
        (table["matched"] == HAS).any(),
        (table["matched"] == HAS_NOT).any(),
        (pvalue[~np.isnan(pvalue)] <= ALPHA).mean(),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", nargs="?", help="a .conllu file with documents (default: demo)")
    parser.add_argument("--scores", metavar="RUN.hs", help="saved scores with a matched control")
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 100, 318])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    arguments = parser.parse_args()
    corpus = arguments.corpus or demo_corpus()
    scores = (
        hs.HeadScores.load(arguments.scores)
        if arguments.scores
        else hs.score(
            demo_model(), corpus, pairs="consecutive", control="offset,upos", progress=False
        )
    )
    runs, sizes = (3, [20]) if arguments.tiny else (arguments.runs, arguments.sizes)
    print(f"{runs} studies of each size, every ratio {MARGIN:g}, alpha {ALPHA:g}, Holm:\n")
    for line in null(scores, sizes, runs, arguments.seed):
        print(line, flush=True)


if __name__ == "__main__":
    main()
