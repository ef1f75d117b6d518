"""Engines that have shards computed: each hands them to something that runs tasks already."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from headscore.errors import InputError, UsageError

NAMES = ("local", "ray", "dask")


def compute_shards(
    engine: str, work: Callable[[int], int], shards: list[int], *, workers: int, gpus: int
) -> None:
    """Have each shard computed once; returns when all are done.

    Parameters
    ----------
    engine
        One of `NAMES`.
    work
        Computes a shard by its number; a second time does no harm. It can be sent to a process.
    shards
        The numbers.
    workers
        Processes at a time, where the engine starts them itself.
    gpus
        How many GPUs the workers of this machine share out among them, 0: none; elsewhere, whether
        a task needs one.

    Raises
    ------
    UsageError
        There is no such engine.
    InputError
        The engine is not installed.
    IncompleteError
        A worker died again and again.
    """
    if engine not in NAMES:
        raise UsageError(f"engine must be one of {', '.join(NAMES)}, got {engine!r}")
    if workers < 1:
        raise UsageError(f"workers must be at least 1, got {workers}")
    try:
        module = import_module(f"headscore.scale.engines.{engine}")
    except ImportError as error:
        raise InputError(
            f"engine {engine} needs the extra: pip install 'headscore[{engine}]' ({error})"
        ) from error
    module.run(work, shards, workers=workers, gpus=gpus)
