"""Estimate how long the arms of an experiment will take, from the first clean pass."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from headscore.stopwatch import duration

Announce: TypeAlias = Callable[[str], Any]


@dataclass(eq=False)
class Estimate:
    """Announces the time of some passes over a corpus, once.

    Attributes
    ----------
    passes
        Number of passes to come.
    sizes
        Tokens of each batch with padding, the first one first.
    announce
        Called with one sentence.
    """

    passes: int
    sizes: Sequence[int]
    announce: Announce
    _done: bool = False

    def note(self, seconds: float) -> None:
        """Announce the estimate from the time of the first batch."""
        if self._done or not self.passes:
            return
        self._done = True
        each = seconds * sum(self.sizes) / self.sizes[0]
        total = duration(self.passes * each)
        self.announce(f"{self.passes} passes of about {each:.2g} s each, {total} in all")
