"""TrajectoryTable: from which step of training on every head has every role."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from numbers import Real
from typing import Any, ClassVar, TypeVar

import numpy as np
import pandas as pd

from headscore import files
from headscore.arrays import Bools, Floats
from headscore.errors import InputError, UsageError
from headscore.options import TrajectoryOptions
from headscore.report.cell_table import CellTable
from headscore.report.facts import facts_of_test, joined
from headscore.report.stored_facts import LABEL, TESTED
from headscore.scores.cells import Cells
from headscore.scores.head_scores import HeadScores
from headscore.statistics.both_directions import BothDirections, both_directions
from headscore.statistics.clusters import clusters_of
from headscore.statistics.criterion import criterion_of
from headscore.statistics.trajectory import COLUMNS, labels_alone, trajectory_table
from headscore.statistics.verdict import HAS, HAS_NOT, UNDECIDED

Table = TypeVar("Table", bound="TrajectoryTable")
Scores = HeadScores | str | os.PathLike[str]


@dataclass(frozen=True, eq=False, repr=False)
class TrajectoryTable(CellTable):
    """From which step of training on every head is shown to have every role.

    Attributes
    ----------
    table
        One row per (layer, head, role), in the order of the roles, then layers, then heads. n_steps
        is at how many steps the cell was tested; has_from the earliest step such that it is shown
        to have the role there and at every later step, absent_until the latest step such that it is
        shown to lack the role there and at every earlier one, missing where there is none;
        pvalue_adj belongs to the last step; lost is whether it is shown to have had the role at
        some step and to lack it at the last one. status is that of the last step.
    roles
        Name of each role.
    facts
        Entries of the signature: those of the first and of the last step where they differ.
    counts
        Numbers of steps, and of sequences at the first and at the last step.
    steps
        float64 (step,), increasing.
    means
        float64 (step, role, layer, head), the mean scores.
    labels
        bool (step, role, layer, head): the labels of each step on its own.

    Notes
    -----
    With the default adjustment the chance that any cell has a ``has_from`` although it lacks the
    role at that step or a later one is at most alpha, whatever the steps share; that any has a
    false ``absent_until``, and that any is falsely ``lost``, likewise, each on its own. Inference
    is over documents, for these checkpoints, and says nothing of the steps between them.

    Raises
    ------
    InputError
        If the rows of the table are not all heads of the first role, then of the second, ...
    """

    COLUMNS = COLUMNS
    KIND = "trajectory"
    FACTS: ClassVar = {**TESTED, "label": LABEL}
    COUNTS = ("steps", "sequences_first", "sequences_last")
    OLDER: ClassVar = {}
    EXTRA: ClassVar = {
        "steps": files.Field("float64", "t"),
        "means": files.Field("float64", "trlh"),
        "labels": files.Field("bool", "trlh"),
    }

    steps: Floats
    means: Floats
    labels: Bools

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.means.shape[1:] != self.array("layer").shape or not (np.diff(self.steps) > 0).all():
            raise InputError(
                f"steps must increase and means fit the table, got {self.steps.tolist()} and "
                f"{self.means.shape}"
            )

    @classmethod
    def from_scores(
        cls: type[Table], scores: Mapping[float, Scores], options: TrajectoryOptions
    ) -> Table:
        """Test the checkpoints of a training run; raise as `headscore.trajectory`.

        Files are read one after the other: the scores of one step are in memory at a time.
        """
        steps = _ordered(scores)
        found: list[_Step] = []
        for step in steps:
            found.append(_step(scores[step], step, options, *found[:1]))
        first, last = found[0], found[-1]
        tests = [each.tests for each in found]
        return cls(
            table=trajectory_table(np.array(steps, np.float64), first.cells.roles, tests, options),
            roles=first.cells.roles,
            facts={**joined({"first": first.facts, "last": last.facts}), "label": options.label},
            counts={
                "steps": len(steps),
                "sequences_first": first.n_sequences,
                "sequences_last": last.n_sequences,
            },
            steps=np.array(steps, np.float64),
            means=np.stack([each.mean for each in tests]),
            labels=labels_alone(tests, options),
        )

    def by_step(self) -> pd.DataFrame:
        """Count the heads of each role at each step: a row per role and step.

        Returns
        -------
        pandas.DataFrame
            Columns role, step; has: heads shown to have the role from the step on; has_not: heads
            shown to lack it up to the step; undecided: all others that were tested at some step;
            label: heads with the label of the step on its own, without a guarantee over steps.
            ``has`` is a lower bound of the number of heads that have the role at the step, and
            ``has + undecided`` an upper one, each for all roles and steps at once with probability
            1 - alpha under the default adjustment.
        """
        shape = (len(self.steps), *self.array("layer").shape)
        at = self.steps[:, None, None, None]
        tested = np.broadcast_to(self.array("n_steps") > 0, shape)
        has = self.array("has_from") <= at
        has_not = (self.array("absent_until") >= at) & ~has
        counts = {HAS: has, HAS_NOT: has_not, UNDECIDED: tested & ~has & ~has_not}
        counts["label"] = self.labels
        # (step, role) -> rows of the first role, then of the second, ...
        columns = {name: cells.sum(axis=(2, 3)).T.ravel() for name, cells in counts.items()}
        names = {
            "role": np.repeat(np.array(self.roles, dtype=object), len(self.steps)),
            "step": np.tile(self.steps, len(self.roles)),
        }
        return pd.DataFrame({**names, **columns})

    def heads(self, role: str) -> pd.DataFrame:
        """Return the rows of the heads shown to have a role at the end, the earliest first.

        Raises
        ------
        UsageError
            If there is no such role.
        """
        self.check_role(role)
        rows = self.table[(self.table["role"] == role) & self.table["has_from"].notna()]
        return earliest_first(rows)

    def lost(self) -> pd.DataFrame:
        """Return the rows of the cells shown to have had a role and to lack it at the last step."""
        return self.table[self.table["lost"]].reset_index(drop=True)


def earliest_first(rows: pd.DataFrame) -> pd.DataFrame:
    """Return rows by the step from which on heads have a role; of one step by the last mean."""
    order = ["has_from", "mean_last"]
    return rows.sort_values(order, ascending=[True, False], kind="stable", ignore_index=True)


@dataclass(frozen=True, eq=False, kw_only=True)
class _Step:
    """The tests of one step, with the cells, the facts and the number of sequences."""

    step: float
    cells: Cells
    tests: BothDirections
    facts: Mapping[str, str]
    n_sequences: int


def _step(given: Any, step: float, options: TrajectoryOptions, first: _Step | None = None) -> _Step:
    """Test the scores of a step, or those of a file, with the roles in the order of the first."""
    scores = HeadScores.load(given) if isinstance(given, str | os.PathLike) else given
    if not isinstance(scores, HeadScores):
        raise UsageError(
            "scores must map steps to HeadScores or the files of such, got "
            f"{type(scores).__name__} for step {step:.12g}"
        )
    cells = Cells.of(scores)
    order = np.arange(len(scores.roles))
    if first is not None:
        order = first.cells.places(cells, (f"step {first.step:.12g}", f"step {step:.12g}"))
    criterion = criterion_of(options, scores.roles, scores.attainable)
    clusters = clusters_of(scores, options.clusters)
    return _Step(
        step=step,
        cells=cells,
        tests=both_directions(scores, criterion, clusters, options, options.label).at(order),
        facts={**scores.facts, **facts_of_test(criterion, scores.roles, clusters, options)},
        n_sequences=scores.n_sequences,
    )


def _ordered(scores: Any) -> list[float]:
    """Return the steps in order; raise UsageError unless they are at least two numbers."""
    if not isinstance(scores, Mapping):
        raise UsageError(f"scores must map steps to HeadScores, got {type(scores).__name__}")
    for step in scores:
        if isinstance(step, bool) or not isinstance(step, Real) or not _is_finite(step):
            raise UsageError(f"steps must be finite numbers, got {step!r:.60}")
    if len(scores) < 2:
        raise UsageError(f"scores must hold at least 2 steps, got {len(scores)}")
    steps = sorted(scores)
    for step, later in pairwise(steps):
        if float(step) == float(later):
            raise UsageError(f"steps must differ as numbers of 64 bits, got {step} and {later}")
    return steps


def _is_finite(step: Real) -> bool:
    try:
        return math.isfinite(step)
    except OverflowError:  # an integer of more than 308 digits
        return False
