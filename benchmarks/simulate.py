"""Calibration: how often each test rejects where the mean is exactly tau.

Each run is one cell whose scores are drawn under H0. A test at level alpha may reject in a share
alpha of the runs; an e-value may be 1 on average and reach 20 in one run of 20.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from headscore.statistics.clusters import Clusters
from headscore.statistics.criterion import Criterion
from headscore.statistics.moments import moments
from headscore.statistics.status import statuses
from headscore.statistics.t_test import t_test
from headscore.statistics.units import units_of

TAU = 3.0
ALPHA = 0.05
TESTS = 1440  # 10 roles of 144 heads
SENTENCES = 10  # of a document
VALUES = 1 << 21  # drawn at a time
Draw = Callable[[np.random.Generator, tuple[int, int]], np.ndarray]


def normal(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return rng.normal(TAU, 0.5, size)


def left_gamma(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    shape = (2 / 1.4) ** 2
    return TAU + 0.2 / math.sqrt(shape) * (shape - rng.gamma(shape, 1, size))


def left_beta(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return TAU * 4.7 / 4 * rng.beta(4, 0.7, size)


def right_gamma(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    shape = (2 / 1.4) ** 2
    return TAU / shape * rng.gamma(shape, 1, size)


def rare_zero(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return np.where(rng.random(size) < 0.01, 0.0, TAU / 0.99)


def documents(rng: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    n, runs = size
    of_document = np.repeat(
        rng.normal(0, math.sqrt(0.1), (n // SENTENCES, runs)), SENTENCES, axis=0
    )
    return TAU + 0.5 * (of_document + rng.normal(0, math.sqrt(0.9), size))


NULLS: dict[str, tuple[Draw, bool]] = {
    "normal": (normal, False),
    "gamma, skew -1.4": (left_gamma, False),
    "beta near its bound, skew -1.4": (left_beta, False),
    "gamma, skew +1.4": (right_gamma, False),
    "0 in 1 of 100, else equal": (rare_zero, False),
    "normal, ICC 0.1, sentences": (documents, False),
    "normal, ICC 0.1, documents": (documents, True),
}


@dataclass(frozen=True)
class Outcome:
    """P-values and log e-values, one of each run."""

    pvalue: np.ndarray
    pvalue_skew: np.ndarray
    log_evalue: np.ndarray


def simulate(draw: Draw, in_clusters: bool, n: int, runs: int, seed: int) -> Outcome:
    rng = np.random.default_rng(seed)
    parts = [_test(draw(rng, (n, size)), in_clusters) for size in _sizes(runs, n)]
    return Outcome(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _sizes(runs: int, n: int) -> Iterator[int]:
    at_a_time = max(1, VALUES // n)
    for start in range(0, runs, at_a_time):
        yield min(at_a_time, runs - start)


def _test(scores__sc: np.ndarray, in_clusters: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    values = scores__sc[:, None, None, :]
    criterion = Criterion.of_mean(np.array([TAU]))
    cells = moments(values, tau=criterion, evalues=not in_clusters)
    codes = np.arange(len(values)) // SENTENCES if in_clusters else None
    clusters = Clusters(codes, "given", "")
    units = units_of(values, None, clusters, cells, criterion)
    # Also two documents, which `headscore.test` does not test, show what the formulas do.
    status = statuses(cells, units, criterion.thresholds(cells.attainable))
    status = np.where(status == "insufficient_n", "ok", status)
    tested = t_test(cells, units, status, criterion)
    return tested.pvalue.ravel(), tested.pvalue_skew.ravel(), units.log_evalue.ravel()


def row(name: str, n: int, outcome: Outcome) -> str:
    """Write the rates as a row of a table."""
    strict = ALPHA / TESTS
    evalue = np.exp(outcome.log_evalue)
    error = evalue.std(ddof=1) / math.sqrt(len(evalue))
    uniform = stats.kstest(outcome.pvalue, "uniform").statistic
    rates = [
        (outcome.pvalue <= ALPHA).mean() * 100,
        (outcome.pvalue <= strict).mean() / strict,
        (outcome.pvalue_skew <= ALPHA).mean() * 100,
        (outcome.pvalue_skew <= strict).mean() / strict,
        (evalue >= 1 / ALPHA).mean() * 100,
        (outcome.log_evalue >= -math.log(strict)).mean() / strict,
    ]
    numbers = " | ".join(f"{rate:.3g}" for rate in rates)
    return f"| {name} | {n} | {numbers} | {evalue.mean():.3f} ± {error:.3f} | {uniform:.4f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--sizes", type=int, nargs="+", default=[20, 100, 1000])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    arguments = parser.parse_args()
    runs, sizes = (500, [20]) if arguments.tiny else (arguments.runs, arguments.sizes)
    print(f"{runs} runs under H0, tau {TAU:g}. Per cent of runs at level {ALPHA}; at level")
    print(f"{ALPHA}/{TESTS} how many times the level. KS: distance of p from uniform.\n")
    print("| null | n | t, % | t, x | Hall, % | Hall, x | E >= 20, % | E, x | mean E | KS |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, (draw, in_clusters) in NULLS.items():
        for n in sizes:
            outcome = simulate(draw, in_clusters, n, runs, arguments.seed)
            print(row(name, n, outcome), flush=True)


if __name__ == "__main__":
    main()
