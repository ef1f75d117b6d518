"""Time and memory of trajectories and seeds: scores of 10 000 sequences x 1440 cells each.

Each way runs in a process of its own, whose largest memory is that of its scores and of the test.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path

import numpy as np
from timing import peak_memory

import headscore as hs
from headscore.options import TestOptions
from headscore.report.seeds import Seeds

ROLES = tuple(f"role{n}" for n in range(10))


def made(number: int, sequences: int, layers: int, heads: int) -> hs.HeadScores:
    """Make skewed scores of a model, ten sequences in each document."""
    rng = np.random.default_rng(number)
    shape = (sequences, len(ROLES), layers, heads)
    means = np.random.default_rng([9, number]).gamma(1, 2, shape[1:])
    values = (rng.standard_gamma(2, shape, dtype=np.float32) * means / 2).astype(np.float32)
    documents = [f"d{at // 10}" for at in range(sequences)]
    return hs.HeadScores.from_arrays(values, ROLES, documents=documents)


def run(what: str, files: list[Path]) -> None:
    """Print seconds and the largest memory of one way; reading the files counts."""
    way = _trajectory if what == "trajectory" else _seeds
    begun, cpu = time.perf_counter(), time.process_time()
    grown = peak_memory(lambda: way(files))
    seconds, cpu = time.perf_counter() - begun, time.process_time() - cpu
    print(f"| {what} | {len(files)} | {seconds:.1f} | {cpu:.1f} | {grown:.0f} |", flush=True)


def _trajectory(files: list[Path]) -> None:
    hs.trajectory(dict(enumerate(files)))


def _seeds(files: list[Path]) -> None:
    Seeds.from_scores({path.stem: hs.HeadScores.load(path) for path in files}, TestOptions())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=10_000)
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    arguments = parser.parse_args()
    sequences, layers, heads = arguments.sequences, 12, 12
    if arguments.tiny:
        sequences, layers, heads = 100, 2, 3
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / f"run-{n}.hs" for n in range(max(arguments.steps, arguments.seeds))]
        for number, path in enumerate(files):
            made(number, sequences, layers, heads).save(path)
        cells = len(ROLES) * layers * heads
        size = sequences * cells * 4 / 2**20
        print(f"{sequences} sequences x {cells} cells, {size:.0f} MiB of scores a run\n")
        print("| way | runs | seconds | CPU seconds | MiB |\n|---|---|---|---|---|", flush=True)
        context = multiprocessing.get_context("spawn")
        for what, n in (("trajectory", arguments.steps), ("seeds", arguments.seeds)):
            process = context.Process(target=run, args=(what, files[:n]))
            process.start()
            process.join()
            if process.exitcode:
                raise SystemExit(process.exitcode)


if __name__ == "__main__":
    main()
