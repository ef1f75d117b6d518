"""Where the time of a run goes: seconds per stage, also where stages feed each other."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

Item = TypeVar("Item")


class Stages:
    """Seconds spent in named stages; a stage inside another counts only for itself.

    Attributes
    ----------
    seconds
        Stage -> seconds, in the order in which stages began.
    """

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._running: list[str] = []
        self._since = 0.0

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Count the block's time for a stage."""
        self._switch(name)
        try:
            yield
        finally:
            self._switch(None)

    def each(self, name: str, items: Iterable[Item]) -> Iterator[Item]:
        """Pass items on, counting for a stage the time it takes to make each."""
        source = iter(items)
        while True:
            with self.stage(name):
                try:
                    item = next(source)
                except StopIteration:
                    return
            yield item

    def _switch(self, name: str | None) -> None:
        now = time.perf_counter()
        if self._running:
            self.seconds[self._running[-1]] += now - self._since
        if name is None:
            self._running.pop()
        else:
            self._running.append(name)
            self.seconds.setdefault(name, 0.0)
        self._since = now
