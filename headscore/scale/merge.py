"""Merge the shards of a run to scores, or add them up to a report."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

from headscore.errors import UsageError
from headscore.options import OFFSET, ScoreOptions, TestOptions
from headscore.report.report import Report
from headscore.roles.presence import Presence
from headscore.scale.looks import may_stop, needed
from headscore.scale.run_folder import Run, read_parts, read_run, roles_of
from headscore.scores.head_scores import HeadScores
from headscore.scores.parts import Part, gather
from headscore.scores.stream import Join, Result, checked_whole
from headscore.statistics.online import online_criterion, summarise_parts


def merge_shards(
    folder: str | os.PathLike[str] | Run, *, keep: str = ScoreOptions.keep_scores
) -> HeadScores:
    """Merge the shards of a run.

    Parameters
    ----------
    folder
        The folder of the run; or a run that was started, of which all files must be, even if
        another folder was put in the place of its own meanwhile.
    keep
        As `keep_scores` in `headscore.score`.

    Returns
    -------
    HeadScores
        Bit-identical to those of `headscore.score` on the corpus, for any number of shards,
        workers and machines. Of a run that stopped, those of the shards up to the look where it
        did.

    Raises
    ------
    IncompleteError
        Shards are missing, or too many sequences were skipped.
    InputError
        A file is damaged, or of another run; or the corpus holds nothing usable.
    """
    run = _run_of(folder)
    n_shards, facts = needed(run)
    scores = _merged(run, read_parts(run, n_shards), partial(gather, keep=keep))
    return replace(scores, facts={**scores.facts, **facts})


def merge_to_report(
    folder: str | os.PathLike[str] | Run, options: TestOptions = TestOptions()
) -> Report:
    """Return the report of a run, adding up its shards; no more than one is held.

    Parameters
    ----------
    folder
        As in `merge_shards`.
    options
        Options of the test.

    Returns
    -------
    Report
        Bit-identical to that of the merged scores.

    Raises
    ------
    UsageError
        As `headscore.statistics.online.online_criterion`; or the run may stop before its end, or
        has a control by labels.
    IncompleteError, InputError
        As `merge_shards`.
    """
    run = _run_of(folder)
    if may_stop(run):
        raise UsageError("keep_scores must not be 'none' for a run with until, got 'none'")
    if (control := run.fingerprint.get("control", OFFSET)) != OFFSET:
        raise UsageError(f"keep_scores 'none' needs control 'offset', got {control!r}")
    criterion = online_criterion(options, [role.name for role in roles_of(run)])
    add_up = partial(summarise_parts, criterion=criterion, ddof=options.ddof)
    return Report.from_summary(_merged(run, read_parts(run), add_up), criterion, options)


def _run_of(folder: str | os.PathLike[str] | Run) -> Run:
    return folder if isinstance(folder, Run) else read_run(Path(folder))


def _merged(run: Run, parts: Iterable[Part], join: Join[Result]) -> Result:
    counts: Counter[str] = Counter()
    presence = Presence()
    scores = join(parts, counts, presence)
    return checked_whole(scores, roles_of(run), counts, presence)
