"""Say on what a benchmark runs, and whether something else runs there too."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import torch

import headscore as hs


class Load(NamedTuple):
    """Ticks of all cores since the machine began, and what waits for a core."""

    all_ticks: int
    stolen: int
    idle: int
    own: float
    waiting: float


def processor() -> str:
    """Return the name, family and model of the processor."""
    found = {}
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        found.setdefault(name.strip(), value.strip())
    name = found.get("model name", platform.processor() or platform.machine())
    return f"{name} (family {found.get('cpu family', '?')}, model {found.get('model', '?')})"


@contextmanager
def watched() -> Iterator[None]:
    """Print processor, instruction set and threads before, and how busy the machine was after."""
    print(
        f"{processor()}, {os.cpu_count()} cores, kernel {hs.backends.cpu.instruction_set()}, "
        f"{torch.get_num_threads()} threads, torch {torch.__version__}"
    )
    before = _load()
    print(_waiting(before))
    yield
    print("\n" + _busy(before, _load()))


def _load() -> Load:
    fields = Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]
    ticks = list(map(int, fields))  # user nice system idle iowait irq softirq steal
    times = os.times()
    own = sum(times[:4]) * os.sysconf("SC_CLK_TCK")
    return Load(sum(ticks), ticks[7], ticks[3] + ticks[4], own, os.getloadavg()[0])


def _waiting(load: Load) -> str:
    cores = os.cpu_count() or 1
    busy = (
        " : the machine is BUSY, figures are not to be trusted" if load.waiting > cores / 2 else ""
    )
    return f"load average {load.waiting:.1f} on {cores} cores before{busy}"


def _busy(before: Load, after: Load) -> str:
    """Return the shares of the cores' time that others took, as one line."""
    ticks = max(1, after.all_ticks - before.all_ticks)
    stolen = (after.stolen - before.stolen) / ticks
    idle = (after.idle - before.idle) / ticks
    others = max(0.0, 1 - idle - stolen - (after.own - before.own) / ticks)
    line = (
        f"while it ran: {others:.0%} of the cores' time went to other processes, {stolen:.0%} to "
        f"other machines on this one; load average {after.waiting:.1f} after"
    )
    busy = others + stolen > 0.1
    return f"{line}{' : the machine was BUSY, repeat this' if busy else ''}"
