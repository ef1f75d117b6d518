"""`headscore analyze --shards`: compute a run in shards, by processes, machines or commands."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import TYPE_CHECKING

from headscore.cli import options, output
from headscore.options import ScoreOptions, UntilOptions
from headscore.scale.engines import NAMES

if TYPE_CHECKING:
    from headscore.scale.run_folder import Run
    from headscore.scale.shards import Job

_SECONDS = 1.0  # between two looks at the folder of a run


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of runs in shards."""
    group = parser.add_argument_group("shards")
    group.add_argument(
        "--shards",
        type=options.count_from(1),
        metavar="K",
        help="cut the corpus into K parts, of whole chunks",
    )
    group.add_argument(
        "--run-dir", metavar="DIR", help="folder of the parts; the same command goes on with it"
    )
    group.add_argument(
        "--shard",
        type=int,
        metavar="I",
        help="compute part I only (default: all, or what torchrun or a SLURM array says)",
    )
    group.add_argument(
        "--workers",
        type=options.count_from(1),
        metavar="N",
        help="processes at a time (default: 1)",
    )
    group.add_argument("--engine", choices=NAMES, help="who runs them (default: local)")
    group.add_argument(
        "--devices", choices=["all"], help="share the GPUs of the machine out among the workers"
    )


def check(arguments: argparse.Namespace) -> None:
    """Raise UsageError for options of shards that are incomplete or have no effect."""
    from headscore.errors import UsageError

    if (arguments.shards is None) != (arguments.run_dir is None):
        raise UsageError("--shards and --run-dir must be given together, got only one of them")
    if arguments.shards is None:
        for name in ("shard", "workers", "engine", "devices"):
            if getattr(arguments, name) is not None:
                raise UsageError(f"--{name} needs --shards and --run-dir, got none")
    elif arguments.until is not None and arguments.shard is not None:
        raise UsageError(
            "--until-decided must compute all shards in one command, round by round, got --shard "
            f"{arguments.shard}"
        )


def compute(arguments: argparse.Namespace) -> Run | None:
    """Compute the shards of this command; return the run if all that it needs are done."""
    from headscore.errors import UsageError

    output.quiet_transformers()
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"  # of workers
    from headscore.model.load import count_gpus
    from headscore.scale import shards
    from headscore.scale.assignment import own_shards
    from headscore.scale.looks import rounds, stops_after

    # Under torchrun each process of a machine takes the GPU of its local rank.
    if (local := os.environ.get("LOCAL_RANK")) is not None and arguments.device == "auto":
        os.environ.setdefault("CUDA_VISIBLE_DEVICES", local)
    job = _job(arguments)
    run = shards.start(job)
    # At least one worker per GPU.
    gpus = count_gpus() if arguments.devices == "all" else 0
    own = own_shards(run, arguments.shard, os.environ)
    if job.rule is not None and len(own) < len(run.shards):
        raise UsageError(
            "--until-decided must compute all shards in one command, round by round, got "
            f"{len(own)} of {len(run.shards)} by torchrun or SLURM: use --workers or --engine"
        )
    for together in rounds(run):
        with _progress(run, arguments):
            shards.compute(
                job,
                [shard for shard in together if shard in own],
                engine=arguments.engine or "local",
                workers=max(arguments.workers or 1, gpus),
                gpus=gpus,
            )
        if job.rule is not None and stops_after(run, together.stop):
            return run
    missing = run.missing()
    if missing:
        _print_state(arguments, len(run.shards), missing)
    return None if missing else run


@contextmanager
def _progress(run: Run, arguments: argparse.Namespace) -> Iterator[None]:
    """Show on a terminal how many shards are done, whoever computes them."""
    if arguments.quiet or arguments.json or not sys.stderr.isatty():
        yield
        return
    from tqdm import tqdm

    done = Event()

    def show() -> None:
        total = len(run.shards)
        known = total - len(run.missing())
        with tqdm(total=total, initial=known, unit=" shard", desc="scoring", leave=False) as bar:
            while not done.wait(_SECONDS):
                bar.update(total - len(run.missing()) - bar.n)
                bar.refresh()

    watcher = Thread(target=show, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _print_state(arguments: argparse.Namespace, n_shards: int, missing: list[int]) -> None:
    """Print the numbers of shards done and missing."""
    done = n_shards - len(missing)
    if arguments.json:
        output.print_json({"shards": n_shards, "done": done, "missing": missing})
    elif not arguments.quiet:
        from headscore.scale.run_folder import listed

        print(
            f"{done} of {n_shards} shards are done, missing: {listed(missing)}; once all are done: "
            f"headscore merge {arguments.run_dir}"
        )


def _job(arguments: argparse.Namespace) -> Job:
    from headscore.scale.rounds import rule_of
    from headscore.scale.shards import Job

    stops = options.chosen(UntilOptions, arguments, keep_scores=ScoreOptions.keep_scores)
    return Job(
        folder=arguments.run_dir,
        model=arguments.model,
        corpus=options.corpus_of(arguments),
        shards=arguments.shards,
        options=options.chosen(
            ScoreOptions, arguments, keep_scores=ScoreOptions.keep_scores, progress=False
        ),
        rule=None if stops.until is None else rule_of(stops),
    )
