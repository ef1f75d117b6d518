"""Comparisons without pairs: how often two samples of one population are said to differ.

Made scores: each document has a share of attention of its own that its sentences vary around, and
lengths of its own; a score is ``1 + share (length - 1)``. Each run is one head. Then the scores of
a real model, of which documents are drawn with replacement for both sides, or whose sentences are
dealt out to two conditions within their documents; each run is one comparison of all heads.
Beside the test over documents: plain Welch, as if no document were on both sides, and the same test
with sentences as independent units.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from plasmode import Population, documents_of

import headscore as hs
from headscore.demo import demo_corpus, demo_model
from headscore.options import TestOptions
from headscore.statistics.adjust import adjust
from headscore.statistics.clusters import clusters_of, clusters_of_both
from headscore.statistics.unpaired import unpaired_tests

LEVELS = (0.05, 0.005)
SHARE = 0.25
OF_DOCUMENTS, OF_SENTENCES = 20.0, 10.0  # concentrations: an intraclass correlation of 0.34
AT_ONCE = 20  # runs that share sizes and lengths, as the heads of a model do
UNITS = ("documents", "documents of each side", "sentences")


@dataclass(frozen=True)
class Sample:
    """The scores of a side in all runs, the attainable ones, and the document of each sentence."""

    values: np.ndarray  # (sentence, run)
    attainable: np.ndarray
    documents: np.ndarray


Draw = Callable[[np.random.Generator, int], tuple[Sample, Sample]]


def shares(rng: np.random.Generator, mean: np.ndarray, concentration: float) -> np.ndarray:
    return rng.beta(mean * concentration, (1 - mean) * concentration)


def sample(
    rng: np.random.Generator, of_document: np.ndarray, sizes: np.ndarray, tokens: float
) -> Sample:
    """Draw the sentences of documents with these shares, (document, run), and sizes."""
    documents = np.repeat(np.arange(len(sizes)), sizes)
    lengths = tokens * np.exp(
        rng.normal(0, 0.3, len(sizes))[documents] + rng.normal(0, 0.4, len(documents))
    )
    attainable = np.maximum(lengths, 4.0).round()
    share = shares(rng, of_document[documents], OF_SENTENCES)
    return Sample(1 + share * (attainable[:, None] - 1), attainable, documents)


def sizes_of(rng: np.random.Generator, n: int) -> np.ndarray:
    """Return numbers of sentences, most around 6 and some 40."""
    return np.maximum(1, np.exp(rng.normal(1.8, 0.8, n))).astype(int)


def corpora(n: tuple[int, int], tokens: tuple[float, float] = (20, 20)) -> Draw:
    """Two corpora of n documents."""

    def draw(rng: np.random.Generator, runs: int) -> tuple[Sample, Sample]:
        sides = []
        for documents, mean_length in zip(n, tokens, strict=True):
            of_document = shares(rng, np.full((documents, runs), SHARE), OF_DOCUMENTS)
            sides.append(sample(rng, of_document, sizes_of(rng, documents), mean_length))
        first, other = sides
        return first, replace(other, documents=other.documents + n[0])

    return draw


def conditions(n: int, *, alike: bool) -> Draw:
    """Two conditions of n documents, which rise together or one where the other falls."""

    def draw(rng: np.random.Generator, runs: int) -> tuple[Sample, Sample]:
        of_document = shares(rng, np.full((n, runs), SHARE), OF_DOCUMENTS)
        other = of_document if alike else np.clip(2 * SHARE - of_document, 0.001, 0.999)
        return (
            sample(rng, of_document, sizes_of(rng, n), 20),
            sample(rng, other, np.maximum(1, sizes_of(rng, n) // 3), 20),
        )

    return draw


NULLS: dict[str, Draw] = {
    "two corpora, 60 and 20 documents": corpora((60, 20)),
    "two corpora, 12 and 10 documents": corpora((12, 10)),
    "two corpora of 15 and 30 tokens, 40 and 40 documents": corpora((40, 40), (15, 30)),
    "two conditions of 30 documents, alike": conditions(30, alike=True),
    "two conditions of 30 documents, opposed": conditions(30, alike=False),
}


def codes_of(sides: tuple[Sample, Sample], units: str) -> tuple[np.ndarray, np.ndarray]:
    before, after = (each.documents for each in sides)
    if units == "sentences":
        before, after = np.arange(len(before)), np.arange(len(after))
    if units != "documents":
        after = after + before.max() + 1
    return before, after


def pvalues(sides: tuple[Sample, Sample], units: str, attained: bool) -> np.ndarray:
    """Return the p-value of Welch's test and the one that is adjusted, (2, run)."""
    before, after = (
        hs.HeadScores.from_arrays(
            each.values[:, None, None, :], ["a"], attainable=each.attainable[:, None]
        )
        for each in sides
    )
    tested = tests_of((before, after), codes_of(sides, units), attained)
    return np.stack([tested["pvalue"].ravel(), tested["reported"].ravel()])


def tests_of(
    sides: tuple[hs.HeadScores, hs.HeadScores], codes: tuple[np.ndarray, np.ndarray], attained: bool
) -> dict[str, np.ndarray]:
    """Return the tests of the difference in each cell, with the p-value that is adjusted."""
    nonfinite = np.zeros(sides[0].values.shape[1:], bool)
    tested = unpaired_tests(sides, codes, nonfinite, attained=attained, options=TestOptions())
    largest = np.maximum(tested["pvalue"], tested["pvalue_skew"])
    return tested | {"reported": np.fmax(largest, tested["pvalue_cautious"])}


def made(runs: int, seed: int) -> Iterator[str]:
    """Yield a row for each design, scale and unit: shares of the runs below each level."""
    names = [f"{kind}, p <= {level:g}" for kind in ("Welch", "reported") for level in LEVELS]
    yield f"| design | compared | units | {' | '.join(names)} |"
    yield "|" + "---|" * (len(names) + 3)
    for design, draw in NULLS.items():
        rng = np.random.default_rng(seed)
        found: dict[tuple[str, str], np.ndarray] = {}
        for _ in range(0, runs, AT_ONCE):
            sides = draw(rng, min(AT_ONCE, runs))
            for scale in ("attained", "mean"):
                for units in UNITS:
                    p = pvalues(sides, units, scale == "attained")
                    below = np.stack([(p <= level).sum(axis=1) for level in LEVELS], axis=1)
                    found[scale, units] = found.get((scale, units), 0) + below
        done = -(-runs // AT_ONCE) * min(AT_ONCE, runs)
        for (scale, units), below in found.items():
            rates = " | ".join(f"{each / done:.4f}" for each in below.ravel())
            yield f"| {design} | {scale} | {units} | {rates} |"


def two_corpora(
    population: Population, rng: np.random.Generator, n: int
) -> tuple[hs.HeadScores, hs.HeadScores]:
    """Draw n documents for one side, and half as many for the other."""
    before, after = population.drawn(rng, n), population.drawn(rng, n // 2)
    return before, hs.concat({"other": after})


def two_conditions(
    population: Population, rng: np.random.Generator, n: int
) -> tuple[hs.HeadScores, hs.HeadScores]:
    """Draw n documents; their sentences are of either condition, some documents' more often."""
    whole = population.drawn(rng, n)
    rates = rng.beta(1, 2, n)[clusters_of(whole, "document").codes]
    first = rng.random(len(whole)) < rates
    return whole.select(where=~first), whole.select(where=first)


def real(scores: hs.HeadScores, sizes: list[int], runs: int, seed: int) -> Iterator[str]:
    """Yield a row for each design and size: studies in which any head is said to differ."""
    names = ("reported", "Welch and Hall", "Welch", "sentences as units", "intervals cover 0")
    yield f"| design | documents | compared | {' | '.join(names)} |"
    yield "|" + "---|" * (len(names) + 3)
    kept = replace(scores, excess=None, position_sums=None, lengths=None)
    population = Population(kept, documents_of(scores))
    for design in (two_corpora, two_conditions):
        for n in sizes:
            rng = np.random.default_rng([seed, n])
            drawn = [design(population, rng, n) for _ in range(runs)]
            for criterion in ("attained", "mean"):
                found = np.array([study(sides, criterion) for sides in drawn], float)
                error = found.std(axis=0, ddof=1) / math.sqrt(runs)
                pairs = zip(found.mean(axis=0), error, strict=True)
                cells = " | ".join(f"{mean:.3f} ± {e:.3f}" for mean, e in pairs)
                yield f"| {design.__name__.replace('_', ' ')} | {n} | {criterion} | {cells} |"


def study(sides: tuple[hs.HeadScores, hs.HeadScores], criterion: str) -> list[float]:
    """Return whether any head is said to differ, by each way, and the share of true intervals."""
    by_documents, by_sentences = (
        tests_of(sides, clusters_of_both(*sides, clusters)[1], criterion == "attained")
        for clusters in ("document", None)
    )
    welch, skew = by_documents["pvalue"], by_documents["pvalue_skew"]
    ways = (
        *(by_documents["reported"], np.maximum(welch, skew), welch),
        by_sentences["reported"],
    )
    low, high = by_documents["ci_low"], by_documents["ci_high"]
    covered = ((low <= 0) & (high >= 0))[~np.isnan(low)]
    return [*((adjust(p) <= 0.05).any() for p in ways), covered.mean()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", nargs="?", help="a .conllu file with documents (default: demo)")
    parser.add_argument("--scores", metavar="RUN.hs", help="saved scores in place of the model")
    parser.add_argument("--runs", type=int, default=20_000, help="of made scores")
    parser.add_argument("--studies", type=int, default=200, help="of real scores, of each size")
    parser.add_argument("--sizes", type=int, nargs="+", default=[24, 60, 200])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    arguments = parser.parse_args()
    runs, studies, sizes = arguments.runs, arguments.studies, arguments.sizes
    if arguments.tiny:
        runs, studies, sizes = 200, 2, [24]
    for line in made(runs, arguments.seed):
        print(line, flush=True)
    scores = (
        hs.HeadScores.load(arguments.scores)
        if arguments.scores
        else hs.score(demo_model(), arguments.corpus or demo_corpus(), progress=False)
    )
    print()
    for line in real(scores, sizes, studies, arguments.seed):
        print(line, flush=True)


if __name__ == "__main__":
    main()
