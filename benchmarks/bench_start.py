"""What a command costs before it computes: its first line, its whole time, and its stages.

Each command runs in a process of its own, this version and the others in turn. CPU seconds say
more than wall seconds where the machine is busy.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from machine import watched

import headscore

HERE = Path(headscore.__file__).resolve().parents[1]  # where the version at hand is installed
MISTAKES = (
    "analyze no-such-model corpus.conllu",
    "demo --roles local:x",
    "demo --tau 0",
    "demo --taw 3",
    "report no.hs",
)


def ran(tree: Path, *arguments: str) -> tuple[float, float, float, str]:
    """Seconds to the first line, of all, of the CPU; and what was printed to standard output."""
    environment = {**os.environ, "PYTHONPATH": str(tree), "HF_HUB_OFFLINE": "1"}
    cpu = _cpu()
    begun = time.perf_counter()
    with subprocess.Popen(
        [sys.executable, "-m", "headscore.cli", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        cwd=tree,  # `python -m` looks here first
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        first = time.perf_counter() - begun
        printed = line + process.stdout.read()
    return first, time.perf_counter() - begun, _cpu() - cpu, printed


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def print_demo(trees: list[Path], rounds: int) -> None:
    """The demo: first line, all, and CPU, fastest and median of the rounds."""
    found: dict[Path, list[tuple[float, float, float]]] = {tree: [] for tree in trees}
    for _ in range(rounds):
        for tree in trees:
            found[tree].append(ran(tree, "demo")[:3])
    print("\nheadscore demo: seconds, fastest and median")
    print(f"{'first line':>32} {'all':>13} {'CPU':>13}")
    for tree, rows in found.items():
        cells = [sorted(column) for column in zip(*rows, strict=True)]
        print(
            f"{tree.name:>18}"
            + "".join(f" {each[0]:6.2f} {each[len(each) // 2]:6.2f}" for each in cells)
        )


def print_stages() -> None:
    """The stages of one demo of this version."""
    printed = ran(HERE, "demo", "--json")[3]
    seconds = json.loads(printed[printed.index("{") :])["seconds"]
    print("\nstages: " + ", ".join(f"{name} {value:.2f} s" for name, value in seconds.items()))


def print_mistakes(trees: list[Path], rounds: int) -> None:
    """Seconds until a mistake is reported, the fastest of the rounds."""
    print("\nseconds until a mistake is reported")
    for command in MISTAKES:
        times = [min(ran(tree, *command.split())[1] for _ in range(rounds)) for tree in trees]
        print(f"{command:>38}" + "".join(f" {each:6.2f}" for each in times))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("others", nargs="*", type=Path, help="other checkouts, compiled")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tiny", action="store_true", help="once, to see that it runs")
    options = parser.parse_args()
    rounds = 1 if options.tiny else options.rounds
    trees = [HERE, *(each.resolve() for each in options.others)]
    with watched():
        print_mistakes(trees, rounds)
        print_demo(trees, rounds)
        print_stages()


if __name__ == "__main__":
    main()
