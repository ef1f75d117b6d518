"""Timing: the ways in turn, several rounds, so that a drift of the machine hits all alike."""

from __future__ import annotations

import ctypes
import gc
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Timing:
    """Seconds of one way: fastest round, median, and how far its slowest round is above it."""

    fastest: float
    median: float
    spread: float

    def ratio(self, other: Timing) -> str:
        """Return how many times slower this is than another, of the medians and the fastest."""
        return f"{self.median / other.median:.1f}, {self.fastest / other.fastest:.1f}"

    def __str__(self) -> str:
        return f"{self.fastest * 1e3:9.2f} {self.median * 1e3:9.2f}"


def in_turn(
    ways: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    least_seconds: float = 0.02,
    clock: Callable[[], float] = time.perf_counter,
) -> dict[str, Timing]:
    """Time several ways to do the same thing, A B C A B C ...

    Parameters
    ----------
    ways
        Name -> what to run.
    rounds
        Counted rounds, after one that warms up.
    least_seconds
        A round repeats each way until this much time has passed; 0: runs it once.
    clock
        What is read; `time.process_time`: seconds of the CPU, with one thread on a busy machine.
    """
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    repeats = {name: _repeats(run, least_seconds) for name, run in ways.items()}
    for _ in range(rounds):
        for name, run in ways.items():
            start = clock()
            for _ in range(repeats[name]):
                run()
            seconds[name].append((clock() - start) / repeats[name])
    return {name: _timing(each) for name, each in seconds.items()}


def _timing(seconds: list[float]) -> Timing:
    median = statistics.median(seconds)
    return Timing(min(seconds), median, max(seconds) / median - 1)


def _repeats(run: Callable[[], object], least_seconds: float) -> int:
    run()
    if least_seconds == 0.0:
        return 1
    start = time.perf_counter()
    run()
    return max(1, round(least_seconds / max(time.perf_counter() - start, 1e-9)))


def peak_memory(run: Callable[[], object]) -> float:
    """Return the MiB that the process grew above its size before, at the most, while running."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)  # what earlier work freed goes back to the system
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # the peak starts anew
    before = status("VmRSS")
    run()
    return (status("VmHWM") - before) / 1024


def status(name: str) -> int:
    """Return a number of /proc/self/status, in KiB."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1])
    raise KeyError(name)
