"""Measure the seconds that each stage of a run takes, also where stages feed each other."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import TypeVar

Item = TypeVar("Item")


class Stopwatch:
    """Seconds spent in named stages; the time of an inner stage does not count for the outer one.

    Attributes
    ----------
    seconds
        Stage -> seconds, in the order in which stages began.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._running: list[str] = []
        self._since = 0.0

    def stage(self, name: str) -> _Stage:
        """Return a context manager that adds the time of its block to a stage."""
        return _Stage(self, name)

    def each(self, name: str, items: Iterable[Item]) -> Iterator[Item]:
        """Yield the items, adding the time it takes to produce each one to a stage."""
        # Only `next` is timed: while the consumer works on an item, the stage is not running.
        source = iter(items)
        while True:
            self._switch(name)  # as `stage`, which is slow for items that take a microsecond
            try:
                item = next(source)
            except StopIteration:
                return
            finally:
                self._switch(None)
            yield item

    def _switch(self, name: str | None) -> None:
        # The time since the last switch belongs to the innermost running stage:
        #
        #     read      |--|     |--|      the generator of parse pulls items of read, so that read
        #     parse   --    -----    --    runs inside parse; each gets its own part of the time
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        if name is None:
            self._running.pop()
        else:
            self._running.append(name)
            self.seconds.setdefault(name, 0.0)
        self._since = now


class _Stage:
    """A block whose time is counted; no generator, for every layer of every batch enters one."""

    __slots__ = ("_name", "_watch")

    def __init__(self, watch: Stopwatch, name: str) -> None:
        self._watch = watch
        self._name = name

    def __enter__(self) -> None:
        self._watch._switch(self._name)

    def __exit__(self, *_: object) -> None:
        self._watch._switch(None)


def duration(seconds: float) -> str:
    """Return a time in seconds, minutes or hours."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = seconds / 60
    return f"{minutes:.0f} min" if minutes < 120 else f"{minutes / 60:.1f} h"
