"""Replication: how often a role is said to hold in more studies than it does, and how often found.

The scores of a model on a corpus with documents are multiplied, cell by cell, so that each mean is
exactly tau, or clearly above, or clearly below it (as in `plasmode.py`). Each study draws documents
with replacement: its own, as another corpus would, or the same for all studies, as copies of a
model on one corpus have. Dependence within documents, between cells and between studies, skewness
and missing sequences stay those of the real scores.

A cell of "u = 3" has the role clearly in 2 studies, and a mean of exactly tau in all others: that
is where it is said most easily to have the role in 3. "mixed": each cell has the role clearly in
some studies, lacks it clearly in some, and has a mean of exactly tau in the others.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from plasmode import ALPHA, TAU, Population
from timing import in_turn, peak_memory

import headscore as hs
from headscore.demo import demo_corpus, demo_model
from headscore.options import ReplicateOptions
from headscore.statistics.adjust import adjust
from headscore.statistics.clusters import clusters_of
from headscore.statistics.criterion import Criterion
from headscore.statistics.moments import moments
from headscore.statistics.partial_conjunction import partial_conjunctions
from headscore.statistics.replication import replication_table
from headscore.statistics.status import statuses
from headscore.statistics.study import Study
from headscore.statistics.t_test import t_test
from headscore.statistics.units import units_of
from headscore.statistics.verdict import HAS, HAS_NOT, verdicts

OPTIONS = ReplicateOptions(alpha=ALPHA, tau=TAU)
LOW, AT, CLEAR = 0.1, 1.0, 10.0  # mean of a cell over tau
LARGE = 10_000, 1440  # sequences and cells whose time and memory are measured


@dataclass(frozen=True)
class Tested:
    """The tests of one study, of the same scores with each of several means over tau."""

    at: dict[float, Study]

    @classmethod
    def of_scores(cls, scores: hs.HeadScores, scales: Iterable[float]) -> Tested:
        """Return the tests of scores whose means are tau, multiplied by each of the scales."""
        n_roles = len(scores.roles)
        clusters = clusters_of(scores, "document")
        as_is = Criterion.of_mean(np.full(n_roles, TAU))
        cells = moments(scores.values, tau=as_is, evalues=False)
        units = units_of(scores.values, None, clusters, cells, as_is, evalues=False)
        found = {}
        for scale in scales:
            # A mean that is `scale` times as large against tau: this mean against tau / scale.
            criterion = Criterion.of_mean(np.full(n_roles, TAU / scale))
            status = statuses(cells, units, criterion.thresholds(cells.attainable))
            tested = t_test(cells, units, status, criterion, alpha=ALPHA)
            found[scale] = Study(
                above=tested.pvalue.ravel(),
                below=tested.pvalue_below.ravel(),
                mean=(cells.mean * scale).ravel(),
                ci_low=(tested.ci_low * scale).ravel(),
                df=tested.df.ravel(),
                equal=(status == "zero_variance").ravel(),
                alpha=ALPHA,
                verdict=status.ravel(),
                status=status.ravel(),
            )
        return cls(found)

    def mixed(self, scale__c: np.ndarray) -> Study:
        """Return the study in which each cell has the mean of its scale."""
        scales = list(self.at)
        which = np.array([scales.index(each) for each in scale__c])
        cells = np.arange(len(which))

        def picked(name: str) -> np.ndarray:
            return np.stack([getattr(self.at[scale], name) for scale in scales])[which, cells]

        arrays = {name: picked(name) for name in ("above", "below", "mean", "ci_low", "df")}
        label = adjust(arrays["above"]) <= ALPHA
        return Study(
            **arrays,
            equal=picked("equal"),
            alpha=ALPHA,
            verdict=verdicts(label, arrays["below"], OPTIONS),
            status=picked("status"),
        )


def studies_of(
    population: Population,
    rng: np.random.Generator,
    n_studies: int,
    documents: int,
    scales: Iterable[float],
    *,
    same: bool,
) -> list[Tested]:
    """Draw the documents of each study, or once for all, and test them."""
    if same:
        return [Tested.of_scores(population.drawn(rng, documents), scales)] * n_studies
    return [Tested.of_scores(population.drawn(rng, documents), scales) for _ in range(n_studies)]


def settings(rng: np.random.Generator, n_studies: int, n_cells: int) -> dict[str, np.ndarray]:
    """Return the scale of each study and cell, (study, cell), in each setting."""
    order = rng.permuted(np.tile(np.arange(n_studies), (n_cells, 1)), axis=1).T
    clear = {f"u = {u}": np.where(order < u - 1, CLEAR, AT) for u in range(2, n_studies + 1)}
    high = rng.integers(0, n_studies, n_cells)
    low = rng.integers(0, n_studies - high)
    mixed = np.where(order < high, CLEAR, np.where(order >= n_studies - low, LOW, AT))
    return {**clear, "mixed": mixed}


ERRORS = (
    *("has", "has_not", "replicated", "absent"),
    *("Holm for each u", "labels counted", "bound covers"),
)


def errors(names: pd.DataFrame, studies: list[Study], scale__kc: np.ndarray, u: int) -> list[float]:
    """Return whether a cell is said to have the role in more studies than it has, by `ERRORS`.

    A mean of exactly tau is neither above nor below it: to say either is an error.
    """
    n_clear, n_low = (scale__kc > AT).sum(axis=0), (scale__kc < AT).sum(axis=0)
    table = replication_table(names, studies, u, OPTIONS)
    number = np.arange(1, len(studies) + 1)[:, None]
    above = partial_conjunctions(np.stack([study.above for study in studies]))
    each = np.stack([adjust(row) for row in above]) <= ALPHA
    true = np.sort(scale__kc * TAU, axis=0)[-u]
    verdict = table["verdict"].to_numpy()
    known = table["bound"].notna().to_numpy()
    return [
        ((verdict == HAS) & (n_clear < u)).any(),
        ((verdict == HAS_NOT) & (len(studies) - n_low >= u)).any(),
        (table["replicated"].to_numpy() > n_clear).any(),
        (table["absent"].to_numpy() > n_low).any(),
        (each & (number > n_clear)).any(),
        (table["labels"].to_numpy() > n_clear).any(),
        (table["bound"].to_numpy()[known] <= true[known]).mean(),
    ]


def size(
    population: Population, n_studies: int, documents: int, runs: int, seed: int, *, same: bool
) -> Iterator[str]:
    """Write a row for each setting, with the Monte Carlo error of each share."""
    yield f"| setting | {' | '.join(ERRORS)} |"
    yield "|" + "---|" * (len(ERRORS) + 1)
    rng = np.random.default_rng([seed, documents, same])
    names = names_of(population)
    found: dict[str, list[list[float]]] = {}
    for _ in range(runs):
        tested = studies_of(population, rng, n_studies, documents, (LOW, AT, CLEAR), same=same)
        for name, scale__kc in settings(rng, n_studies, len(names)).items():
            studies = [each.mixed(row) for each, row in zip(tested, scale__kc, strict=True)]
            u = n_studies if name == "mixed" else int(name.removeprefix("u = "))
            found.setdefault(name, []).append(errors(names, studies, scale__kc, u))
    for name, rows in found.items():
        yield f"| {name} | {' | '.join(shares(rows))} |"


FOUND = ("at_least K", "replicated = K", "labels in all", "at_least K - 1", "replicated >= K - 1")


def power(
    population: Population, n_studies: int, documents: int, runs: int, seed: int
) -> Iterator[str]:
    """Write the share of cells that are found where the role holds in all studies, by effect."""
    yield f"| mean over tau | {' | '.join(FOUND)} |"
    yield "|" + "---|" * (len(FOUND) + 1)
    scales = (1.1, 1.25, 1.5, 2.0)
    names, rng = names_of(population), np.random.default_rng([seed, documents])
    found: dict[float, list[list[float]]] = {scale: [] for scale in scales}
    for _ in range(runs):
        tested = studies_of(population, rng, n_studies, documents, scales, same=False)
        for scale in scales:
            studies = [each.mixed(np.full(len(names), scale)) for each in tested]
            every, fewer = (
                replication_table(names, studies, u, OPTIONS) for u in (n_studies, n_studies - 1)
            )
            here = every["studies"].to_numpy() == n_studies
            is_found = [
                every["verdict"] == HAS,
                every["replicated"] == n_studies,
                every["labels"] == n_studies,
                fewer["verdict"] == HAS,
                every["replicated"] >= n_studies - 1,
            ]
            found[scale].append([each.to_numpy()[here].mean() for each in is_found])
    for scale, rows in found.items():
        yield f"| {scale:g} | {' | '.join(shares(rows))} |"


def independent(n_studies: int, runs: int, seed: int, cells: int = 720) -> str:
    """Return how often Holm for each u errs at some u, and the chains, with uniform p-values."""
    rng = np.random.default_rng(seed)
    names = pd.DataFrame({"layer": 0, "head": range(cells), "role": "made"})
    n_clear = np.arange(cells) * n_studies // cells  # 0 .. K - 1, as many cells of each
    rows = []
    for _ in range(runs):
        p = rng.random((n_studies, cells))
        p[np.arange(n_studies)[:, None] < n_clear] = 0.0
        ones = np.ones(cells)
        studies = [
            Study(
                **dict.fromkeys(("mean", "ci_low", "df"), ones),
                above=row,
                below=ones,
                equal=ones == 0,
                alpha=ALPHA,
                verdict=np.full(cells, "", object),
                status=np.full(cells, "ok", object),
            )
            for row in p
        ]
        each = np.stack([adjust(row) for row in partial_conjunctions(p)]) <= ALPHA
        number = np.arange(1, n_studies + 1)[:, None]
        table = replication_table(names, studies, n_studies, OPTIONS)
        rows.append([(each & (number > n_clear)).any(), (table["replicated"] > n_clear).any()])
    alone, chains = shares(rows)
    return f"Holm for each u: {alone}; replicated: {chains}"


def shares(rows: list[list[float]]) -> list[str]:
    """Return the mean of each column, with its Monte Carlo error."""
    found = np.array(rows, float)
    error = found.std(axis=0, ddof=1) / math.sqrt(len(found))
    return [f"{m:.3f} ± {e:.3f}" for m, e in zip(found.mean(axis=0), error, strict=True)]


def names_of(population: Population) -> pd.DataFrame:
    """Return layer, head and role of each cell."""
    role, layer, head = np.indices(population.scores.values.shape[1:]).reshape(3, -1)
    roles = np.array(population.scores.roles, dtype=object)[role]
    return pd.DataFrame({"layer": layer, "head": head, "role": roles})


def cost(sequences: int, cells: int) -> Iterator[str]:
    """Write time and memory: five parts of one corpus, and their reports alone."""
    rng = np.random.default_rng(0)
    shape = (sequences, 10, cells // 120, 12)
    scores = hs.HeadScores.from_arrays(
        rng.gamma(4, 1, shape).astype(np.float32),
        [f"role {n}" for n in range(10)],
        documents=[f"{'abcde'[n % 5]}-{n // 20}" for n in range(sequences)],
    )
    documents = np.array([name[0] for name in scores.documents])
    reports = []
    for genre in "abcde":
        rows = documents == genre
        reports.append(
            hs.test(
                hs.HeadScores.from_arrays(
                    scores.values[rows],
                    scores.roles,
                    documents=np.array(scores.documents)[rows].tolist(),
                )
            )
        )
    ways = {
        "by genre, from scores": lambda: hs.replicate(scores, by="genre"),
        "of 5 reports": lambda: hs.replicate(reports),
        "one test of all": lambda: hs.test(scores),
    }
    yield f"{sequences} sequences x {cells} cells, {scores.values.nbytes / 2**20:.0f} MiB of scores"
    yield "\n| way | seconds, fastest and median | MiB |\n|---|---|---|"
    timed = in_turn(ways, rounds=3, least_seconds=0.0)
    for name, run in ways.items():
        seconds = timed[name]
        yield f"| {name} | {seconds.fastest:.2f} {seconds.median:.2f} | {peak_memory(run):.0f} |"


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", nargs="?", help="a .conllu file with documents (default: demo)")
    parser.add_argument(
        "--scores", metavar="RUN.hs", help="saved scores in place of the demo model"
    )
    parser.add_argument("--studies", type=int, default=5)
    parser.add_argument("--runs", type=int, default=1000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[40, 100])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cost", action="store_true", help="time and memory alone")
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    return parser.parse_args()


def main() -> None:
    arguments = read_arguments()
    if arguments.cost:
        print("\n".join(cost(*LARGE)))
        return
    runs, sizes, n = arguments.runs, arguments.sizes, arguments.studies
    if arguments.tiny:
        runs, sizes = 3, [20]
    scores = (
        hs.HeadScores.load(arguments.scores)
        if arguments.scores
        else hs.score(
            demo_model(), arguments.corpus or demo_corpus(), pairs="consecutive", progress=False
        )
    )
    population = Population.at_tau(scores)
    print(f"{n} studies, {runs} runs, alpha {ALPHA:g}, Holm.\n")
    print("Independent uniform p-values, as many cells with the role in 0 .. K - 1 studies:")
    print(independent(n, runs, arguments.seed), flush=True)
    for documents in sizes:
        for same in (False, True):
            which = "the same" if same else "its own"
            print(f"\nAny error, {documents} documents a study, {which}:\n")
            lines = size(population, n, documents, runs, arguments.seed, same=same)
            for line in lines:
                print(line, flush=True)
        print(f"\nShare of cells found, role in all studies, {documents} documents a study:\n")
        for line in power(population, n, documents, max(3, runs // 10), arguments.seed):
            print(line, flush=True)
    if arguments.tiny:
        print("\n" + "\n".join(cost(200, 240)))


if __name__ == "__main__":
    main()
