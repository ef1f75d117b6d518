"""Rounds: passes of several arms over a corpus that share the clean pass of each batch."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headscore.arrays import Ints
from headscore.causal.arms import Arm, Finished
from headscore.causal.change import Change
from headscore.causal.edges import RoleEdges
from headscore.causal.estimate import Estimate
from headscore.causal.passes import Batch, Passes
from headscore.causal.pilot import Pilot
from headscore.causal.replay import Replay
from headscore.causal.values import KEEP, KNOCKOUT, PLACEBO, ArmValues


@dataclass(eq=False)
class _Collected:
    """What an arm has found in the batches so far; arrays (sequence,)."""

    change: Change
    edges: Ints
    same_offset: int = 0
    drawn: int = 0
    left_alone: int = 0

    @classmethod
    def empty(cls, n_sequences: int) -> _Collected:
        unknown = [np.full(n_sequences, np.nan) for _ in Change._fields]
        return cls(Change(*unknown), np.zeros(n_sequences, np.int64))

    def add(self, batch: Batch, change: Change, left_alone: int) -> None:
        for into, values in zip(self.change, change, strict=True):
            into[batch.rows] = values
        self.left_alone += left_alone

    def add_edges(self, arm: Arm, batch: Batch, edges: RoleEdges) -> None:
        if arm.name in (KNOCKOUT, KEEP):
            self.edges[batch.rows] = edges.edges
        elif arm.name == PLACEBO:
            self.edges[batch.rows] = edges.placebo.edges
            self.same_offset += edges.placebo.same_offset
            self.drawn += edges.placebo.total

    def finish(self, arm: Arm) -> Finished:
        values = ArmValues(
            role=arm.role.name,
            arm=arm.name,
            number=arm.number,
            heads=arm.heads,
            **self.change._asdict(),
            edges=self.edges,
            same_offset=self.same_offset / self.drawn if self.drawn else float("nan"),
            norm_ratio=arm.norm_ratio,
        )
        return Finished(values, self.left_alone)


@dataclass(frozen=True, eq=False)
class Rounds:
    """Runs arms over the corpus.

    Attributes
    ----------
    passes
        Of an attached model.
    pilot
        What is known of the clean model.
    replay
        The layers that are not computed again in each arm.
    estimate
        Gets the time of the first clean pass.
    advance
        Called with the number of sequences of each pass over a batch.
    """

    passes: Passes
    pilot: Pilot
    replay: Replay
    estimate: Estimate
    advance: Callable[[int], Any]

    def run(self, arms: Sequence[Arm]) -> list[Finished]:
        """Run some arms over the corpus, batch by batch."""
        setting = self.passes.setting
        collected = [_Collected.empty(len(setting.encoded)) for _ in arms]
        for rows in setting.batches():
            self._run_batch(self.passes.batch(rows), arms, collected)
        return [each.finish(arm) for each, arm in zip(collected, arms, strict=True)]

    def _run_batch(self, batch: Batch, arms: Sequence[Arm], collected: list[_Collected]) -> None:
        begun = time.perf_counter()
        with self.replay.keeping(arm.first for arm in arms):
            clean = self.passes.clean(batch)
        self.estimate.note(time.perf_counter() - begun)
        self.advance(len(batch.rows))
        edges = self._edges(arms, batch)
        for arm, into in zip(arms, collected, strict=True):
            own = edges[arm.role.name]
            first, means = self.replay.first_computed(arm.first), self.pilot.means
            with self.replay.replaying(arm.first):
                found = self.passes.arm(arm, batch, clean, own, means, first)
            into.add(batch, *found)
            into.add_edges(arm, batch, own)
            self.advance(len(batch.rows))
        self.replay.forget()

    def _edges(self, arms: Sequence[Arm], batch: Batch) -> dict[str, RoleEdges]:
        """Return the edges of each role of some arms; they are of the heads that have the role."""
        heads = self.passes.setting.labelled.items()
        tried = {arm.role.name for arm in arms}
        return {
            role.name: self.passes.edges(role, each, batch, self.pilot.visibilities)
            for role, each in heads
            if role.name in tried
        }
