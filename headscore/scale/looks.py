"""Looks at a run in shards that may stop: its rounds, and whether it stops after one."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from headscore.scale.rounds import FIELDS, options_of
from headscore.scale.run_folder import Run, read_parts, roles_of
from headscore.scores.parts import gather
from headscore.statistics.stopping import Stopping


def may_stop(run: Run) -> bool:
    """Return whether a run may stop before its last shard."""
    return FIELDS[0] in run.fingerprint


def rounds(run: Run) -> list[range]:
    """Return the shards of each round: those between two looks; of a plain run all in one."""
    after = _looks_after(run) if may_stop(run) else [len(run.shards)]
    return [range(first, stop) for first, stop in pairwise([0, *after])]


def stops_after(run: Run, n_shards: int) -> bool:
    """Return whether a run stops at the look after so many shards, or stopped before.

    Raises
    ------
    IncompleteError, InputError
        As `headscore.scale.run_folder.read_parts`, of these shards.
    """
    return next(stop for n, stop in _looks(run, _rule(run)) if stop or n == n_shards)


def needed(run: Run) -> tuple[int, dict[str, str]]:
    """Return the number of shards that a run reads, and the facts of where it stopped.

    Raises
    ------
    IncompleteError, InputError
        As `headscore.scale.run_folder.read_parts`, of the shards of a look before which the run
        does not stop.
    """
    if not may_stop(run):
        return len(run.shards), {}
    rule = _rule(run)
    last = len(run.shards)
    n_shards = next(n for n, stop in _looks(run, rule) if stop or n == last)
    return n_shards, rule.facts() if rule.looks else {}


def _looks(run: Run, rule: Stopping) -> Iterator[tuple[int, bool]]:
    """Yield for each look the number of shards, and whether the run stops there."""
    for n_shards in _looks_after(run):
        scores = gather(read_parts(run, n_shards), more=True)
        yield n_shards, scores is not None and rule.stops(scores, run.bounds[n_shards])


def _rule(run: Run) -> Stopping:
    rule, unit, _ = (run.fingerprint[name] for name in FIELDS)
    options = options_of(rule, roles_of(run))
    planned = len(_looks_after(run))
    return Stopping(options, planned=planned, unit=unit, total=run.bounds[-1])


def _looks_after(run: Run) -> list[int]:
    return [int(each) for each in run.fingerprint[FIELDS[2]].split(",")]
