"""Compute shards as Dask tasks, on the cluster of DASK_SCHEDULER_ADDRESS or a local one."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from concurrent.futures import CancelledError
from contextlib import ExitStack

from distributed import Client, KilledWorker, LocalCluster
from distributed.comm import CommClosedError

from headscore.errors import IncompleteError
from headscore.scale.engines.local import RESTARTS
from headscore.scale.engines.starting import starting


def run(work: Callable[[int], int], shards: list[int], *, workers: int, gpus: int) -> None:
    """Compute shards; see `headscore.scale.engines.compute_shards`."""
    _silence()
    with ExitStack() as stack:
        with starting("Dask"):
            cluster = os.environ.get("DASK_SCHEDULER_ADDRESS") or stack.enter_context(
                LocalCluster(workers, threads_per_worker=1, dashboard_address=None)
            )
            client = stack.enter_context(Client(cluster))
        futures = client.map(
            work,
            shards,
            # pure=True would let the scheduler take a shard of the same arguments from an earlier
            # run.
            pure=False,
            retries=RESTARTS,
            resources={"GPU": 1} if gpus else None,
        )
        try:
            client.gather(futures)
        except (KilledWorker, CancelledError, CommClosedError) as error:
            died = isinstance(error, KilledWorker)
            why = "a worker died again and again" if died else "its scheduler was lost"
            raise IncompleteError(
                f"Dask could not compute every shard, {why}: the same command goes on from here"
            ) from error


def _silence() -> None:
    """Log nothing of Dask, whose failures are raised."""
    # Its modules' loggers have levels of their own, but the handlers of this one.
    loggers = logging.getLogger("distributed")
    loggers.handlers, loggers.propagate = [logging.NullHandler()], False
