"""Clusters of unequal size: how often the t-test over documents rejects a true null.

Sentence scores are normal with mean exactly tau; those of a document share a normal effect of the
intraclass correlation given. CR2 with Bell and McCaffrey's degrees of freedom, which headscore
uses, beside what is common: CR1 with the number of documents less one.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator

import numpy as np
from scipy import stats

from headscore.statistics import cluster_robust

ALPHA = 0.05
TESTS = 720  # 10 roles of 72 heads
VALUES = 1 << 22  # drawn at a time
CORRELATIONS = (0.0, 0.1, 0.3)


def zipf(documents: int, largest: int) -> np.ndarray:
    return np.maximum(1, largest // np.arange(1, documents + 1))


SIZES: dict[str, np.ndarray] = {
    "one of 41 documents has half": np.array([200, *[5] * 40]),
    "one of 41 documents has a quarter": np.array([67, *[5] * 40]),
    "one of 21 documents has half": np.array([100, *[5] * 20]),
    "42 documents, Zipf": zipf(42, 60),
    "200 documents, Zipf": zipf(200, 60),
    **{f"{n} documents, equal": np.full(n, 10) for n in (5, 8, 10, 20, 42)},
}


def rates(sizes: np.ndarray, icc: float, runs: int, seed: int) -> Iterator[float]:
    """Yield rate / level of CR2 and CR1, each at `ALPHA` and at ALPHA / TESTS."""
    rng = np.random.default_rng(seed)
    size = sizes[:, None].astype(float)
    n = size.sum()
    # The sum of a document: n_g times its effect, and the sum of the deviations of its sentences.
    spread = np.sqrt(icc * size**2 + (1 - icc) * size)
    rejected, done = np.zeros(4), 0
    while done < runs:
        drawn = min(runs - done, max(1, VALUES // len(sizes)))
        sums = spread * rng.normal(size=(len(sizes), drawn))
        mean = sums.sum(axis=0) / n
        deviation = sums - size * mean
        t = mean / np.sqrt(cluster_robust.variance(deviation, size))
        usual = mean / np.sqrt(
            cluster_robust.variance(deviation, size, ddof=0) * len(sizes) / (len(sizes) - 1)
        )
        df = cluster_robust.degrees_of_freedom(size)[0]
        p = stats.t.sf(t, df), stats.t.sf(usual, len(sizes) - 1)
        rejected += [(each <= level).sum() for each in p for level in (ALPHA, ALPHA / TESTS)]
        done += drawn
    yield from rejected / runs / np.array([ALPHA, ALPHA / TESTS] * 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=2_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    arguments = parser.parse_args()
    runs = 2000 if arguments.tiny else arguments.runs
    error = 1 / math.sqrt(runs * ALPHA / TESTS)
    print(f"Rate / level in {runs} runs; the standard error at {ALPHA}/{TESTS} is {error:.2f}\n")
    print("| documents | ICC | df | CR2, 0.05 | CR2, 0.05/720 | CR1, 0.05 | CR1, 0.05/720 |")
    print("|---|---|---|---|---|---|---|")
    for name, sizes in SIZES.items():
        df = cluster_robust.degrees_of_freedom(sizes[:, None].astype(float))[0]
        for icc in CORRELATIONS:
            cells = [f"{rate:.2f}" for rate in rates(sizes, icc, runs, arguments.seed)]
            print(f"| {name} | {icc:g} | {df:.1f} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
