"""Shards on this machine: a pool of processes, started again where one dies."""

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

RESTARTS = 3


def run(work: Callable[[int], int], shards: list[int], *, workers: int, gpus: int) -> None:
    """Compute shards; see `headscore.scale.engines.compute_shards`."""
    if workers == 1 and gpus < 2:
        for shard in shards:
            work(shard)
        return
    left = set(shards)
    for _ in range(1 + RESTARTS):
        if not left:
            return
        try:
            _pool(work, left, workers, gpus)
        except BrokenProcessPool:
            log.warning("a worker has died; %d shards are left", len(left))
    if left:
        raise IncompleteError(
            f"workers died {1 + RESTARTS} times (out of memory, or killed), {len(left)} shards are "
            "left: the same command goes on from here"
        )


def _pool(work: Callable[[int], int], left: set[int], workers: int, gpus: int) -> None:
    """Compute what is left until a worker dies; spawned, see `headscore.parsing.parse`."""
    context = multiprocessing.get_context("spawn")
    numbers: Any = context.Queue()
    for number in range(workers):
        numbers.put(number)
    threads = max(1, (os.cpu_count() or 1) // workers)
    pool = ProcessPoolExecutor(
        workers, mp_context=context, initializer=worker.begin, initargs=(numbers, threads, gpus)
    )
    try:
        for future in as_completed([pool.submit(work, shard) for shard in sorted(left)]):
            left.discard(future.result())
    except KeyboardInterrupt:
        for process in multiprocessing.active_children():
            process.terminate()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
        numbers.close()
