"""Start worker processes that do not import the caller's script and end with their parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import types
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from headscore.errors import IncompleteError


@contextmanager
def pool_of(
    number: int, begin: Callable[..., None], *arguments: Any, doing: str
) -> Iterator[ProcessPoolExecutor]:
    """Yield a pool of worker processes; those that run are waited for at the end of the block.

    Parameters
    ----------
    number
        Of processes.
    begin, arguments
        Called in each process at its start, which waits for them to be read: a large argument is
        better sent by `mailed`.
    doing
        What they do, for the error message: "parses".

    Raises
    ------
    IncompleteError
        A worker died.
    """
    # Spawned, not forked: a forked process lacks the threads of its parent, such as those of OpenMP
    # or CUDA, and would hang.
    pool = ProcessPoolExecutor(
        number,
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_begin,
        initargs=(begin, arguments),
    )
    try:
        _start(pool, number)
        yield pool
    except BrokenProcessPool as error:
        raise IncompleteError(
            f"a process that {doing} has ended before its work was done (out of memory, or killed)"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def stop(pool: ProcessPoolExecutor) -> None:
    """End the processes of a pool that have no result to send yet, so that nobody waits for them.

    A process that is ended while it sends a result would leave the pool waiting for the rest of it.
    """
    for process in list(pool._processes.values()):
        process.terminate()


def _start(pool: ProcessPoolExecutor, number: int) -> None:
    """Start all processes of a pool, without the caller's script."""
    # A spawned process imports the script that its parent runs, which would start the same work
    # again, unless the script guards against it. It gets the script's path when it starts, which is
    # with the first tasks, one for each task while none is idle: for that moment there is none.
    script = sys.modules["__main__"]
    sys.modules["__main__"] = types.ModuleType("__main__")
    # A process inherits the signals that are blocked: Ctrl-C must not reach it while it imports.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        for _ in range(number):
            pool.submit(_nothing)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        sys.modules["__main__"] = script


@contextmanager
def mailed(letter: bytes, number: int) -> Iterator[Any]:
    """Yield a queue with some copies of a text of bytes, one for each process of a pool."""
    queue = multiprocessing.get_context("spawn").Queue()
    for _ in range(number):
        queue.put(letter)  # a thread of the queue writes it
    try:
        yield queue
    finally:
        queue.cancel_join_thread()  # a worker that died has not read its copy
        queue.close()


def _nothing() -> None:
    """Do nothing."""


def _begin(begin: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    # Ctrl-C reaches every process of the terminal; the parent process ends its workers.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()
    begin(*arguments)


def end_with_parent() -> None:
    """Exit when the parent process ends: a killed parent cannot stop its workers."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
