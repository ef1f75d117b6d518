"""Compute shards as Ray tasks, on the cluster of RAY_ADDRESS or a local one."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable

import ray

from headscore.errors import HeadscoreError, IncompleteError
from headscore.scale.engines.local import RESTARTS
from headscore.scale.engines.starting import starting


def run(work: Callable[[int], int], shards: list[int], *, workers: int, gpus: int) -> None:
    """Compute shards; see `headscore.scale.engines.compute_shards`."""
    own = not ray.is_initialized()
    if own:
        # A cluster that exists already refuses num_cpus; without one, `workers` CPUs run that many
        # tasks.
        local = {} if "RAY_ADDRESS" in os.environ else {"num_cpus": workers}
        with starting("Ray", ray.exceptions.RayError):
            ray.init(
                log_to_driver=False, include_dashboard=False, logging_level=logging.ERROR, **local
            )

    # ray.remote needs a function; `work` is a functools.partial.
    def compute(shard: int) -> int:
        return work(shard)

    options = {"num_cpus": 1, "num_gpus": int(gpus > 0), "max_retries": RESTARTS}
    task = ray.remote(**options)(compute)
    try:
        ray.get([task.remote(shard) for shard in shards])
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, HeadscoreError):
            raise error.cause from error
        raise
    except ray.exceptions.RayError as error:
        raise IncompleteError(
            f"Ray could not compute every shard ({type(error).__name__}): the same command goes on "
            "from here"
        ) from error
    finally:
        if own:
            ray.shutdown()
