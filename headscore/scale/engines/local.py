"""Compute shards on this machine: a process pool, restarted when a worker dies."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from headscore.errors import IncompleteError
from headscore.log import log
from headscore.scale.engines import worker

# Without a shard finished in between: a shard that kills its worker each time ends the run, workers
# killed now and then do not.
RESTARTS = 3


def run(work: Callable[[int], int], shards: list[int], *, workers: int, gpus: int) -> None:
    """Compute shards; see `headscore.scale.engines.compute_shards`."""
    # In this process: no start-up, and the scorer stays cached between shards.
    if workers == 1 and gpus < 2:
        for shard in shards:
            work(shard)
        return
    left = set(shards)
    deaths = 0
    # A process pool is unusable once a worker died, so each round makes a new one for what is left.
    while left:
        before = len(left)
        try:
            _pool(work, left, workers, gpus)
        except BrokenProcessPool:
            log.warning("a worker has died; %d shards are left", len(left))
            deaths = deaths + 1 if len(left) == before else 1
        if deaths > RESTARTS:
            raise IncompleteError(
                f"workers died {deaths} times (out of memory, or killed) before a shard was "
                f"finished, {len(left)} shards are left: the same command goes on from here"
            )


def _pool(work: Callable[[int], int], left: set[int], workers: int, gpus: int) -> None:
    """Compute the shards left, and remove finished ones, until all are done or a worker dies."""
    # A forked child of a process with threads or CUDA may hang; see also `headscore.parsing.parse`.
    context = multiprocessing.get_context("spawn")
    # Each worker takes one number at its start: it selects the worker's GPU.
    numbers: Any = context.Queue()
    for number in range(workers):
        numbers.put(number)
    # torch would use all cores in every worker.
    threads = max(1, (os.cpu_count() or 1) // workers)
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=worker.begin, initargs=(numbers, threads, gpus)
    )
    try:
        for future in as_completed([pool.submit(work, shard) for shard in sorted(left)]):
            left.discard(future.result())
    except KeyboardInterrupt:
        # Running tasks cannot be cancelled: without this, shutdown would wait for whole shards.
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        numbers.close()
