"""Step-down maxT: its level on real scores, and what it finds more than Holm.

Level: the scores of a real model on a corpus with documents are moved, cell by cell, so that every
H0 is true, and documents are drawn with replacement; see `plasmode.py`. For `headscore.compare` the
model is compared with a copy whose weights have 4 bits, and each mean difference is moved to 0.
`has_not` is shown both as it is, by Holm, and as flips of signs would have it.

Gain: labels on the scores as they are, all documents and as many as a pilot has, and the power of
one-sided tests of normal heads that share a part of their noise.
"""

from __future__ import annotations

import argparse
import math
import resource
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from plasmode import TAU, Population, documents_of, table
from scipy import stats

import headscore as hs
from headscore.demo import demo_corpus, demo_model
from headscore.statistics.adjust import adjust
from headscore.statistics.clusters import clusters_of
from headscore.statistics.criterion import Criterion
from headscore.statistics.max_t import max_t
from headscore.statistics.status import statuses
from headscore.statistics.summary import Summary
from headscore.statistics.t_test import t_test

ALPHA = 0.05
ON_TAU = ("any label, Holm", "any label, maxT", "any has_not, Holm", "any has_not by flips")
ON_CHANGE = ("any change, Holm", "any change, maxT", "any outcome, Holm", "any outcome, maxT")
BITS = 4


def on_tau(_: Population, scores: hs.HeadScores) -> list[float]:
    """Return what one study finds of means that are all tau, as `ON_TAU` names it."""
    criterion = Criterion.of_mean(np.full(len(scores.roles), TAU))
    summary = Summary.of_scores(
        scores, criterion, clusters_of(scores, "document"), ddof=1, with_sums=True
    )
    cells, units = summary.cells, summary.units
    tested = t_test(
        cells, units, statuses(cells, units, criterion.thresholds(cells.attainable)), criterion
    )
    above, below = tested.pvalue, tested.pvalue_below
    found = (adjust(above), max_t(above, summary.sums), adjust(below), max_t(below, -summary.sums))
    return [(p <= ALPHA).any() for p in found]


def on_change(_: Population, difference: hs.HeadScores) -> list[float]:
    """Return what one study finds of differences of mean 0, as `ON_CHANGE` names it."""
    before = replace(difference, values=difference.excess, excess=None)
    after = replace(before, values=before.values + difference.values)
    tables = [hs.compare(before, after, tau=TAU, adjust=how).table for how in ("holm", "maxt")]
    return [
        *((each["pvalue_adj"] <= ALPHA).any() for each in tables),
        *(
            each["outcome"].isin(("gained", "appeared", "lost", "vanished")).any()
            for each in tables
        ),
    ]


def moved(before: hs.HeadScores, after: hs.HeadScores) -> Population:
    """Return the differences, each of mean 0; the scores before ride along as its excess."""
    difference = after.values.astype(np.float64) - before.values
    difference -= np.nanmean(difference, axis=0)
    scores = replace(
        before,
        values=difference.astype(np.float32),
        excess=before.values,
        position_sums=None,
    )
    return Population(scores, documents_of(before))


def rounded_copy(corpus: str | Path) -> hs.HeadScores:
    """Score the demo model with the weights of each row rounded to 4 bits."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    model = AutoModel.from_pretrained(demo_model())
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if weight.ndim == 2 and "embeddings" not in name:
                step = weight.abs().amax(1, keepdim=True) / (2 ** (BITS - 1) - 1)
                weight.copy_((weight / step).round() * step)
    tokenizer = AutoTokenizer.from_pretrained(demo_model())
    return hs.score(model, corpus, tokenizer=tokenizer, pairs="consecutive", progress=False)


def labels(scores: hs.HeadScores, sizes: list[int], runs: int, seed: int) -> Iterator[str]:
    """Yield the labels by Holm and by maxT, of all documents and of some drawn at random."""
    yield "| documents | labels, Holm | labels, maxT | more |\n|---|---|---|---|"
    population = Population(scores, documents_of(scores))
    documents = len(population.documents)
    for n in [documents, *(size for size in sizes if size < documents)]:
        rng = np.random.default_rng([seed, n])
        whole = n == documents
        found = []
        for _ in range(1 if whole else runs):
            part = scores if whole else population.drawn(rng, n)
            found.append([hs.test(part, tau=TAU, adjust=how).table["label"].sum() for how in _HOW])
        holm, flips = np.mean(found, axis=0)
        more = np.subtract(*np.transpose(found)[::-1])
        error = f" ± {more.std(ddof=1) / math.sqrt(runs):.1f}" if len(more) > 1 else ""
        yield f"| {n} | {holm:.1f} | {flips:.1f} | {more.mean():+.1f}{error} |"


_HOW = ("holm", "maxt")


def power(runs: int, seed: int, *, units: int = 40, cells: int = 200) -> Iterator[str]:
    """Yield level and power where heads share a part of their noise; an effect in 1 of 10."""
    yield "| correlation of heads | any false, Holm | maxT | power, Holm | maxT |"
    yield "|---|---|---|---|---|"
    effect = np.where(np.arange(cells) % 10 == 0, 0.65, 0.0)
    for shared in (0.0, 0.5, 0.9):
        rng = np.random.default_rng([seed, int(10 * shared)])
        found = []
        for _ in range(runs):
            noise = rng.normal(0, 1, (units, cells)) * math.sqrt(1 - shared)
            u = noise + rng.normal(0, 1, (units, 1)) * math.sqrt(shared) + effect
            p = stats.ttest_1samp(u, 0, alternative="greater").pvalue
            rejected = [adjust(p) <= ALPHA, max_t(p, u) <= ALPHA]
            found.append(
                [each[effect == 0].any() for each in rejected]
                + [each[effect > 0].mean() for each in rejected]
            )
        error = np.std(found, axis=0, ddof=1) / math.sqrt(runs)
        row = [f"{m:.3f} ± {e:.3f}" for m, e in zip(np.mean(found, axis=0), error, strict=True)]
        yield f"| {shared:g} | {' | '.join(row)} |"


def cost(sequences: int, cells: int) -> str:
    """Return time and memory of maxT where every sequence is a unit."""
    rng = np.random.default_rng(0)
    sums = rng.normal(0, 1, (sequences, cells))
    p = stats.norm.sf(sums.sum(axis=0) / math.sqrt(sequences))
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    max_t(p, sums)
    taken = time.perf_counter() - start
    more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    size = sums.nbytes / 2**20
    return (
        f"{sequences} units x {cells} cells: {taken:.1f} s, {more / 2**10:.0f} MiB beside the "
        f"{size:.0f} MiB of sums"
    )


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", nargs="?", help="a .conllu file with documents (default: demo)")
    parser.add_argument(
        "--scores", metavar="RUN.hs", help="saved scores in place of the demo model"
    )
    parser.add_argument(
        "--after", metavar="RUN.hs", help="to compare them with, in place of the copy with 4 bits"
    )
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--pilots", type=int, default=20, help="draws of each size, for the gain")
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 50, 100, 318])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=["level", "change", "labels", "power", "cost"])
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    return parser.parse_args()


def main() -> None:
    arguments = read_arguments()
    corpus = arguments.corpus or demo_corpus()
    runs, pilots, sizes = arguments.runs, arguments.pilots, arguments.sizes
    if arguments.tiny:
        runs, pilots, sizes = 2, 2, [20]

    def wanted(part: str) -> bool:
        return arguments.only in (None, part)

    def show(title: str, lines: Iterator[str]) -> None:
        print(f"\n{title}\n")
        for line in lines:
            print(line, flush=True)

    scores = None
    if any(wanted(part) for part in ("level", "change", "labels")):
        scores = (
            hs.HeadScores.load(arguments.scores)
            if arguments.scores
            else hs.score(demo_model(), corpus, pairs="consecutive", progress=False)
        )
    if wanted("level"):
        lines = table(Population.at_tau(scores), on_tau, ON_TAU, sizes, runs, arguments.seed)
        show(f"{runs} studies of each size, alpha {ALPHA:g}; every mean exactly tau {TAU:g}", lines)
    if wanted("change") and not (arguments.scores and not arguments.after):
        after = hs.HeadScores.load(arguments.after) if arguments.after else rounded_copy(corpus)
        population = moved(scores, after)
        lines = table(population, on_change, ON_CHANGE, sizes, runs, arguments.seed)
        show("Compared with a copy, every mean difference exactly 0", lines)
    if wanted("labels"):
        show("Labels of the scores as they are", labels(scores, sizes, pilots, arguments.seed))
    if wanted("power"):
        show("200 normal heads, 40 units, 20 effects of 0.65 sd", power(runs, arguments.seed))
    if wanted("cost"):
        print(f"\n{cost(*((300, 100) if arguments.tiny else (10_000, 1440)))}")


if __name__ == "__main__":
    main()
