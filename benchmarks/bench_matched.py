"""What the matched control costs: seconds, memory and rows, beside the same run without it.

    python benchmarks/bench_matched.py [CORPUS.conllu] [--model MODEL] [--sequences N] [--tiny]

The sentences of the corpus are repeated up to N, each time under other names. Each row is a process
of its own; the peak is what the system says of it (ru_maxrss).
"""

from __future__ import annotations

import argparse
import itertools
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator

from machine import watched

import headscore as hs
from headscore.corpus import read
from headscore.corpus.sequence import Sequence
from headscore.demo import demo_corpus, demo_model
from headscore.scores.matched_rows import MATCHED

CONTROLS = ("offset", "offset,upos")


def repeated(path: str, n: int) -> Iterator[Sequence]:
    """Yield n sequences: the corpus, over and over, under other names."""
    for number, each in zip(range(n), itertools.cycle(list(read(path))), strict=False):
        yield each.renamed(f"{number} {each.id}")


def measure(arguments: argparse.Namespace, control: str) -> list[float]:
    """Return s, CPU s, peak MiB, sequences, and of each rows, their bytes and those of scores."""
    start, used = time.perf_counter(), time.process_time()
    scores = hs.score(
        arguments.model,
        repeated(arguments.corpus, arguments.sequences),
        control=control,
        progress=False,
    )
    seconds, used = time.perf_counter() - start, time.process_time() - used
    n, rows = scores.n_sequences, [getattr(scores, name) for name in MATCHED]
    each = 0 if rows[0] is None else len(rows[0]) / n
    kept = 0 if rows[0] is None else sum(array.nbytes for array in rows) / n
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return [seconds, used, peak, n, each, kept, scores.values.nbytes / n]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("corpus", nargs="?", default=str(demo_corpus()))
    options.add_argument("--model", default=str(demo_model()))
    options.add_argument("--sequences", type=int, default=10_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--tiny", action="store_true")
    options.add_argument("--way", choices=CONTROLS)
    arguments = options.parse_args()
    if arguments.tiny:
        arguments.sequences, arguments.rounds = 40, 1
    if arguments.way:
        print(json.dumps(measure(arguments, arguments.way)))
        return
    own = [f"--model={arguments.model}", f"--sequences={arguments.sequences}"]
    with watched():
        print("\n| control | s | CPU s | MiB | sequences | rows each | bytes each | of scores |")
        print("|---|---|---|---|---|---|---|---|")
        for _, control in itertools.product(range(arguments.rounds), CONTROLS):
            command = [sys.executable, __file__, arguments.corpus, *own, f"--way={control}"]
            result = subprocess.run(command, capture_output=True, text=True, check=True)
            seconds, used, peak, n, rows, kept, values = json.loads(result.stdout.splitlines()[-1])
            print(
                f"| {control} | {seconds:.1f} | {used:.1f} | {peak:.0f} | {n} | {rows:.1f} "
                f"| {kept:.0f} | {values:.0f} |"
            )  # fmt: skip


if __name__ == "__main__":
    main()
