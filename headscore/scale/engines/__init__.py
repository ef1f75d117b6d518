"""Engines that compute shards: a process pool of this machine, Ray, or Dask."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from headscore.errors import InputError, UsageError

NAMES = ("local", "ray", "dask")


def compute_shards(
    engine: str, work: Callable[[int], int], shards: list[int], *, workers: int, gpus: int
) -> None:
    """Compute shards with an engine; return when all are done.

    Parameters
    ----------
    engine
        One of `NAMES`.
    work
        Computes a shard by its number; idempotent, and can be pickled.
    shards
        The numbers.
    workers
        Processes at a time, where headscore starts them.
    gpus
        GPUs of this machine, shared by the workers, 0: none; for ray and dask, whether a task
        needs one.

    Raises
    ------
    UsageError
        There is no such engine.
    InputError
        The engine is not installed.
    IncompleteError
        A worker died more often than `local.RESTARTS` allows.
    """
    if engine not in NAMES:
        raise UsageError(f"engine must be one of {', '.join(NAMES)}, got {engine!r}")
    if workers < 1:
        raise UsageError(f"workers must be at least 1, got {workers}")
    try:
        # Only now: ray and dask are extras.
        module = import_module(f"headscore.scale.engines.{engine}")
    except ImportError as error:
        raise InputError(
            f"engine {engine} needs the extra: pip install 'headscore[{engine}]' ({error})"
        ) from error
    module.run(work, shards, workers=workers, gpus=gpus)
