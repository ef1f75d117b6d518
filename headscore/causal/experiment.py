"""Experiment: run the arms of every role over a corpus, in rounds that share a clean pass."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch

from headscore.causal.arm_folder import ArmFolder
from headscore.causal.arms import Arm, Finished, plan_arms
from headscore.causal.estimate import Announce, Estimate
from headscore.causal.labelled import Labelled
from headscore.causal.passes import Passes
from headscore.causal.pilot import Pilot, run_pilot
from headscore.causal.replay import Replay, find_replay
from headscore.causal.rounds import Rounds
from headscore.causal.selection import Heads
from headscore.causal.setting import Setting, make_setting
from headscore.causal.values import EffectValues
from headscore.errors import InputError
from headscore.log import log
from headscore.model import forward
from headscore.options import ValidateOptions
from headscore.roles.role import Role
from headscore.scores.stream import progress_bar

Check: TypeAlias = Callable[[EffectValues], Any]
_ROUND = 8  # arms that share one clean pass; a finished round is kept in the folder of the run


def run_experiment(
    model: Any,
    corpus: Any,
    labelled: Labelled,
    options: ValidateOptions,
    announce: Announce = log.info,
    check: Check = lambda _: None,
) -> EffectValues:
    """Run all arms of some roles over a corpus.

    Parameters
    ----------
    model, corpus, options
        As in `headscore.validate`.
    labelled
        The roles and the heads that have them.
    announce
        Called with one sentence on the time that the arms will take.
    check
        Called with the results before there is any arm; may raise what these cannot be tested for.

    Raises
    ------
    UsageError, InputError, IncompleteError
        As `headscore.validate`.
    """
    setting = make_setting(model, corpus, labelled, options)
    folder = _folder(setting)
    shown = sys.stderr.isatty() if options.progress is None else options.progress
    passes = Passes(setting)
    with forward.attached(setting.model.network, setting.model.route):
        pilot = _pilot(passes, folder, shown=shown)
        tried = setting.labelled.without(_invisible(passes, pilot))
        if not tried.roles:
            raise InputError(f"no role can be tried: {next(iter(tried.not_tried.values()))}")
        arms, not_tried = plan_arms(tried, setting.model.route, pilot.norms, options)
        values = _without_arms(setting, tried, not_tried, pilot)
        check(values)
        finished = _finish(arms, passes, pilot, folder, values, shown=shown, announce=announce)
    return replace(
        values,
        arms=tuple(each.values for each in finished),
        counts={**values.counts, **_counts(arms, finished)},
    )


def _folder(setting: Setting) -> ArmFolder | None:
    """Return the folder of the options, started for this experiment."""
    if setting.options.folder is None:
        return None
    # Beside the facts of the signature: what the last bits depend on.
    batching = {"batch_tokens": str(setting.batch_tokens)}
    folder = ArmFolder(Path(setting.options.folder), {**setting.facts, **batching})
    folder.start()
    return folder


def _pilot(passes: Passes, folder: ArmFolder | None, *, shown: bool) -> Pilot:
    """Return the pilot of the folder, or run it."""
    known = None if folder is None else folder.pilot()
    if folder is not None and known is not None:
        _check_pilot(passes, known, folder)
        return known
    with progress_bar(shown, "clean pass", len(passes.setting.encoded)) as advance:
        pilot = run_pilot(passes, advance)
    if folder is not None:
        folder.write_pilot(pilot)
    return pilot


def _check_pilot(passes: Passes, pilot: Pilot, folder: ArmFolder) -> None:
    """Raise InputError where the clean pass of the folder is not that of the model and metric."""
    # Facts hold the name of a function, not what it computes: the shortest batch shows that.
    rows = passes.setting.batches()[-1]
    here = passes.clean(passes.batch(rows)).values
    there = pilot.clean[rows]
    differs = ~np.isclose(here, there, rtol=1e-3, atol=1e-6, equal_nan=True)
    if differs.any():
        first = np.flatnonzero(differs)[0]
        raise InputError(
            f"{folder.path}: belongs to another run: the metric of the clean pass for sequence "
            f"{passes.setting.encoded.ids[rows[first]]!r} is {there[first]:.6g} there and "
            f"{here[first]:.6g} here"
        )


def _invisible(passes: Passes, pilot: Pilot) -> dict[str, str]:
    """Return the roles of which no entry is visible in the corpus, with the reason."""
    batches = passes.setting.batches()

    def is_visible(role: Role, heads: Heads) -> bool:
        return any(
            passes.edges(role, heads, passes.batch(rows), pilot.visibilities).edges.any()
            for rows in batches
        )

    return {
        role.name: f"{role.name} points only to tokens that are not visible"
        for role, heads in passes.setting.labelled.items()
        if not is_visible(role, heads)
    }


def _finish(
    arms: Sequence[Arm],
    passes: Passes,
    pilot: Pilot,
    folder: ArmFolder | None,
    values: EffectValues,
    *,
    shown: bool,
    announce: Announce,
) -> list[Finished]:
    """Return what each arm has found: from the folder, or from new passes."""
    known = [None if folder is None else folder.arm(n, arm) for n, arm in enumerate(arms)]
    found = {n: each for n, each in enumerate(known) if each is not None}
    left = [n for n in range(len(arms)) if n not in found]
    rounds = [left[start : start + _ROUND] for start in range(0, len(left), _ROUND)]
    n_passes = len(left) + len(rounds)
    with progress_bar(shown, "arms", n_passes * len(passes.setting.encoded)) as advance:
        runner = Rounds(
            passes,
            pilot,
            _replay(passes, [arms[n] for n in left]),
            Estimate(n_passes, passes.setting.batch_sizes(), announce),
            advance,
        )
        for numbers in rounds:
            for n, finished in zip(numbers, runner.run([arms[n] for n in numbers]), strict=True):
                found[n] = finished
                if folder is not None:
                    folder.write_arm(n, finished, values)
    return [found[n] for n in range(len(arms))]


def _replay(passes: Passes, arms: Sequence[Arm]) -> Replay:
    """Return how layers can be replayed, checked on the shortest batch."""
    model = passes.setting.model
    batch = passes.batch(passes.setting.batches()[-1])
    given = {**batch.inputs, **passes.options()}
    with torch.inference_mode():
        return find_replay(model.network, model.layers, given, (arm.first for arm in arms))


def _without_arms(
    setting: Setting, tried: Labelled, not_tried: Mapping[str, str], pilot: Pilot
) -> EffectValues:
    encoded = setting.encoded
    return EffectValues(
        arms=(),
        roles=tuple(role.name for role in tried.roles),
        not_tried={**tried.not_tried, **not_tried},
        clean=pilot.clean,
        unit=setting.metric.unit,
        sequence_ids=encoded.ids,
        documents=encoded.documents if any(encoded.documents) else None,
        facts=setting.facts,
        counts={**encoded.counts, "sequences": len(encoded)},
    )


def _counts(arms: Sequence[Arm], finished: Sequence[Finished]) -> dict[str, int]:
    """Return the passes over the corpus, and the rows that each arm has left alone."""
    left_alone = {
        f"left_alone, {arm}": each.left_alone
        for arm, each in zip(arms, finished, strict=True)
        if each.left_alone
    }
    return {"passes": 1 + len(arms) + math.ceil(len(arms) / _ROUND), **left_alone}
