"""Set-up of a worker process: GPU, threads, signals, and exit with its parent."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from typing import Any


def begin(numbers: Any, threads: int, gpus: int) -> None:
    """Set GPU, threads and signal handler of a worker; exit when its parent process ends."""
    number = numbers.get()
    if gpus:
        # Read by CUDA when it starts, hence set before torch is imported below.
        os.environ["CUDA_VISIBLE_DEVICES"] = str(number % gpus)
    # Ctrl-C reaches every process of the terminal; end at once, without a traceback per worker.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    parent = multiprocessing.parent_process()
    assert parent is not None
    # A killed parent cannot stop its workers, so each waits for the parent's end.
    threading.Thread(target=_end_with, args=[parent], daemon=True).start()
    import torch

    torch.set_num_threads(threads)


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)
