"""What the test of a matched control costs without scoring: seconds of the cores, and memory.

    python benchmarks/bench_matched_test.py [--sequences N] [--layers N] [--heads N] [--tiny]

Rows are random, as many as `bench_matched.py` finds for each sequence.
"""

from __future__ import annotations

import argparse
import time
import tracemalloc

import numpy as np

import headscore as hs
from headscore.statistics.clusters import clusters_of
from headscore.statistics.matched import Matched


def cost(n_sequences: int, n_layers: int, n_heads: int, each: int = 18) -> str:
    """Return seconds of the cores and MiB above the rows of the test of five roles."""
    rng = np.random.default_rng(0)
    n_rows = n_sequences * each
    # Four rows of controls to five of cases.
    role = np.sort(rng.integers(-4, 5, (n_sequences, each)).clip(-1), axis=1).astype(np.int32)
    # As many strata as a corpus of this size has, and none twice in a sequence.
    n_strata = n_rows // 10
    first = rng.integers(n_strata, size=(n_sequences, 1))
    stratum = (first + np.arange(each) * (n_strata // each)) % n_strata + 1
    order = np.lexsort((stratum.ravel(), role.ravel(), np.repeat(np.arange(n_sequences), each)))
    scores = hs.HeadScores.from_arrays(
        np.zeros((n_sequences, 5, n_layers, n_heads), np.float32),
        [f"role{number}" for number in range(5)],
        matched=rng.random((n_rows, n_layers, n_heads), np.float32),
        matched_weight=np.ones((n_rows, n_layers), np.float32),
        matched_sequence=np.repeat(np.arange(n_sequences), each),
        matched_role=role.ravel()[order],
        matched_stratum=stratum.ravel()[order].astype(np.uint64),
    )
    tracemalloc.start()  # numpy tells it of its arrays
    start = time.process_time()
    Matched.of_scores(scores, clusters_of(scores, None), ddof=1)
    seconds, most = time.process_time() - start, tracemalloc.get_traced_memory()[1] / 2**20
    return (
        f"{n_sequences} sequences, {n_rows} rows, {n_layers} x {n_heads} heads, 5 roles: "
        f"{seconds:.1f} s of the cores, {most:.0f} MiB above the "
        f"{scores.matched.nbytes / 2**20:.0f} MiB of the rows"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=10_000)
    parser.add_argument("--layers", type=int, default=36)
    parser.add_argument("--heads", type=int, default=40)
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    arguments = parser.parse_args()
    sizes = (
        (50, 2, 3) if arguments.tiny else (arguments.sequences, arguments.layers, arguments.heads)
    )
    print(cost(*sizes))


if __name__ == "__main__":
    main()
