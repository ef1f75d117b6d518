"""Power from a pilot against fresh studies, and what it costs.

The documents of a real corpus are the population. Fresh studies draw documents from it, with
replacement, and `headscore.test` says what each shows: the truth. Pilots draw fewer documents from
it, and `headscore.power_curve` says what studies of these sizes would show. Printed are the
expected numbers of cells in each state, how often the labels of a fresh study lie in the range of
90 %, and which share of the cells with a power near p gets its label.

``--cost`` instead prints time and memory of a curve on 10 000 sequences x 1440 cells.
"""

from __future__ import annotations

import argparse
import math
import resource
import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
from machine import watched
from plasmode import Population, documents_of

import headscore as hs
from headscore.demo import demo_corpus, demo_model

STATES = ("labels", "robust", "has_not")
BINS = (0.0, 0.02, 0.2, 0.5, 0.8, 0.98, 1.0 + 1e-9)


def studies(population: Population, n: int, runs: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the cells in each state of fresh studies, (study, state), and each cell's labels."""
    rng = np.random.default_rng([seed, n])
    counts, labels = [], []
    for _ in range(runs):
        table = hs.test(population.drawn(rng, n), clusters="document").table
        states = table["label"], table["robust"], table["verdict"] == "has_not"
        counts.append([state.sum() for state in states])
        labels.append(states[0])
    return np.array(counts), np.mean(labels, axis=0)


def curves(
    population: Population, n: int, sizes: list[int], runs: int, resamples: int, seed: int
) -> list[hs.PowerCurve]:
    """Return the curves of pilots of n documents."""
    rng = np.random.default_rng([seed, n, 1])
    return [
        hs.power_curve(
            population.drawn(rng, n),
            documents=sizes,
            resamples=resamples,
            seed=run,
            clusters="document",
        )
        for run in range(runs)
    ]


def numbers(found: list[hs.PowerCurve], fresh: dict[int, np.ndarray], pilot: int) -> Iterator[str]:
    """Yield a row per size and state: true and expected numbers, with Monte Carlo errors."""
    for at, (n, counts) in enumerate(fresh.items()):
        totals = [curve.totals.iloc[at] for curve in found]
        for number, state in enumerate(STATES):
            first = np.array(
                [curve.draws.once[at].sum(axis=1)[:, number].mean() for curve in found]
            )
            expected = np.array([row[state] for row in totals])
            cells = [
                _mean(counts[:, number]),
                _mean(expected),
                f"{expected.std(ddof=1):.1f}",
                _mean(first),
            ]
            inside = [
                ((row["labels_low"] <= counts[:, 0]) & (counts[:, 0] <= row["labels_high"])).mean()
                for row in totals
            ]
            within = f"{np.mean(inside):.0%}" if state == "labels" else ""
            yield f"| {pilot} | {n} | {state} | {' | '.join(cells)} | {within} |"


def _mean(values: np.ndarray) -> str:
    return f"{values.mean():.1f} ± {values.std(ddof=1) / math.sqrt(len(values)):.1f}"


def calibration(
    found: list[hs.PowerCurve], true: dict[int, np.ndarray], pilot: int
) -> Iterator[str]:
    """Yield a row per size: in each bin of power its mean and the share that gets a label."""
    for at, (n, share) in enumerate(true.items()):
        power = np.array([curve.draws.power[at].ravel() for curve in found])
        truth = np.broadcast_to(share, power.shape)
        cells = []
        for low, high in pairwise(BINS):
            inside = (power >= low) & (power < high)
            means = [
                numbers[inside].mean() if inside.any() else math.nan for numbers in (power, truth)
            ]
            cells.append(f"{means[0]:.2f} → {means[1]:.2f}")
        yield f"| {pilot} | {n} | {' | '.join(cells)} |"


def cost(sequences: int, layers: int, heads: int, **options: int) -> None:
    """Print time and memory of the default curve, with documents and without."""
    rng = np.random.default_rng(0)
    shape = sequences, 10, layers, heads
    values = rng.gamma(4, 0.75, shape).astype(np.float32)
    values *= rng.gamma(1.5, 0.4, shape[1:]).astype(np.float32)  # a third above tau
    values[rng.random(shape[:2]) < 0.2] = np.nan
    # Documents of unequal sizes, ten sequences on average.
    document = rng.choice(
        sequences // 10, sequences, p=rng.dirichlet(np.full(sequences // 10, 3.0))
    )
    base = _peak()
    for documents in ([str(each) for each in document], None):  # the larger peak comes second
        scores = hs.HeadScores.from_arrays(
            values, [f"role {n}" for n in range(10)], documents=documents
        )
        begun = time.perf_counter(), time.process_time()
        curve = hs.power_curve(scores, **options)
        seconds, cpu = time.perf_counter() - begun[0], time.process_time() - begun[1]
        above, own = _peak() - base, values.nbytes / 2**20
        print(
            f"{sequences} sequences x {values[0].size} cells, {curve.facts['pilot_units']} "
            f"{curve.units}: {seconds:.1f} s, {cpu:.1f} s of CPU, {above:.0f} MiB above the "
            f"scores' {own:.0f} MiB",
            flush=True,
        )


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def read_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", nargs="?", help="a .conllu file with documents (default: demo)")
    parser.add_argument(
        "--scores", metavar="RUN.hs", help="saved scores in place of the demo model"
    )
    parser.add_argument("--pilots", type=int, nargs="+", default=[60, 120])
    parser.add_argument("--sizes", type=int, nargs="+", default=[30, 100, 318])
    parser.add_argument("--runs", type=int, default=40, help="pilots of each size")
    parser.add_argument("--fresh", type=int, default=400, help="fresh studies of each size")
    parser.add_argument("--resamples", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--cost", action="store_true", help="time and memory instead")
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    return parser.parse_args()


def main() -> None:
    arguments = read_arguments()
    if arguments.cost or arguments.tiny:
        with watched():
            if arguments.tiny:
                cost(200, 2, 3, resamples=20)
            else:
                cost(10_000, 12, 12)
        if not arguments.tiny:
            return
    scores = (
        hs.HeadScores.load(arguments.scores)
        if arguments.scores
        else hs.score(
            demo_model(), arguments.corpus or demo_corpus(), pairs="consecutive", progress=False
        )
    )
    population = Population(
        replace(scores, excess=None, position_sums=None, lengths=None), documents_of(scores)
    )
    runs, fresh, resamples = arguments.runs, arguments.fresh, arguments.resamples
    pilots, sizes = arguments.pilots, sorted(arguments.sizes)
    if arguments.tiny:
        runs, fresh, resamples, pilots, sizes = 2, 3, 20, [12], [8, 20]
    truth = {n: studies(population, n, fresh, arguments.seed) for n in sizes}
    found = {n: curves(population, n, sizes, runs, resamples, arguments.seed) for n in pilots}
    print(f"{runs} pilots of each size, {fresh} fresh studies of each size. Numbers of cells:\n")
    print("| pilot | n | state | true | expected | sd over pilots | first draws alone | in range |")
    print("|---|---|---|---|---|---|---|---|")
    for pilot, each in found.items():
        for line in numbers(each, {n: counts for n, (counts, _) in truth.items()}, pilot):
            print(line)
    print("\nPower of a cell → share of fresh studies in which it gets its label:\n")
    print("| pilot | n | below 0.02 | to 0.2 | to 0.5 | to 0.8 | to 0.98 | above |")
    print("|---|---|---|---|---|---|---|---|")
    for pilot, each in found.items():
        for line in calibration(each, {n: labels for n, (_, labels) in truth.items()}, pilot):
            print(line)


if __name__ == "__main__":
    main()
