"""Families of tests: how often a whole study finds what is not there.

Each run is one study of 720 heads and roles through `headscore.test` or `headscore.compare`, with
scores made to break what a referee would try to break.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable

import numpy as np

import headscore as hs

TAU = 3.0
ALPHA = 0.05
LAYERS, HEADS = 12, 60
RARE = 0.01  # probability of a score of 0
Rng = np.random.Generator


def scores(x__sc: np.ndarray, documents: list[str] | None = None) -> hs.HeadScores:
    """Return scores of one role, non-negative, at most 40."""
    values = x__sc.reshape(len(x__sc), 1, LAYERS, -1).astype(np.float32)
    attainable = np.full((len(values), 1), 40, np.float32)
    return hs.HeadScores.from_arrays(values, ["made"], documents=documents, attainable=attainable)


def rare_zero(rng: Rng, size: tuple[int, int], noise: float) -> np.ndarray:
    """Draw scores that are 0 in 1 of 100 sequences and nearly equal in all others, mean tau."""
    usual = TAU / (1 - RARE) + noise * rng.normal(size=size)
    return np.where(rng.random(size) < RARE, 0.0, usual)


def adversarial(rng: Rng, n: int, adjust: str) -> tuple[float, float]:
    """Return whether any robust label is false, and the share of robust labels that are."""
    half = LAYERS * HEADS // 2
    null = rare_zero(rng, (n, half), 0.01)
    clear = rng.gamma(20, 2 * TAU / 20, (n, half))
    robust = hs.test(scores(np.hstack([null, clear])), tau=TAU, adjust=adjust).array("robust")
    # Columns are cut into layers in order, so the first half of the cells are the nulls.
    false = robust.ravel()[:half].sum()
    return float(false > 0), false / max(1, robust.sum())


def equal(rng: Rng, n: int) -> int:
    """Return the number of false labels of 1440 heads whose scores mostly are all equal."""
    made = scores(rare_zero(rng, (n, 2 * LAYERS * HEADS), 0.0))
    return int(hs.test(made, tau=TAU, alpha=ALPHA).table["label"].sum())


def no_change(rng: Rng, documents: int, icc: float, clusters: str | None) -> float:
    """Return whether any change is found where there is none but that of documents."""
    size = np.minimum(rng.geometric(1 / 6, documents), 30)
    owner = np.repeat(np.arange(documents), size)
    cells = LAYERS * HEADS
    before = rng.gamma(9, TAU / 9, (len(owner), cells))
    shared = rng.normal(size=(documents, cells))[owner]
    own = rng.gamma(2, 1, (len(owner), cells)) / math.sqrt(2) - math.sqrt(2)  # skewed, sd 1
    change = 0.3 * (math.sqrt(icc) * shared + math.sqrt(1 - icc) * own)
    names = [str(each) for each in owner]
    sides = scores(before, names), scores(np.maximum(before + change, 0), names)
    table = hs.compare(*sides, tau=TAU, alpha=ALPHA, clusters=clusters).table
    return float((table["pvalue_adj"] <= ALPHA).any())


def rate(run: Callable[[], float], runs: int) -> str:
    found = [run() for _ in range(runs)]
    return f"{np.mean(found):.3f} ± {np.std(found, ddof=1) / math.sqrt(runs):.3f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    arguments = parser.parse_args()
    runs = 2 if arguments.tiny else arguments.runs
    sizes, few, correlations = (50, 100), (2, 5, 10, 20), (0.05, 0.1, 0.2)
    if arguments.tiny:
        sizes, few, correlations = (50,), (20,), (0.2,)
    rng = np.random.default_rng(arguments.seed)
    print(f"{runs} runs. 360 cells 0 in 1 of 100 sequences and else 3.03 ± 0.01, 360 clear ones\n")
    print("| n | P(any false robust), Holm | FDR of robust, BH | FDR of robust, BY |")
    print("|---|---|---|---|")
    for n in sizes:
        cells = [rate(lambda: adversarial(rng, n, "holm")[0], runs)]  # noqa: B023 - runs at once
        cells += [
            rate(lambda: adversarial(rng, n, method)[1], runs)  # noqa: B023
            for method in ("bh", "by")
        ]
        print(f"| {n} | {' | '.join(cells)} |", flush=True)
    print("\n| n | false labels of 1440, all scores equal or 0 |\n|---|---|")
    for n in few:
        print(f"| {n} | {equal(rng, n)} |", flush=True)
    print("\nNo change but that of documents: P(any of 720 changes found)\n")
    print("| documents | ICC | by documents | documents ignored |\n|---|---|---|---|")
    for documents in (50, 200)[: len(sizes)]:
        for icc in correlations:
            cells = [
                rate(lambda: no_change(rng, documents, icc, clusters), runs)  # noqa: B023
                for clusters in ("auto", None)
            ]
            print(f"| {documents} | {icc:g} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
