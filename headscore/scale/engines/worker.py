"""A process that computes shards on this machine: its share of it, and its end."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from typing import Any


def begin(numbers: Any, threads: int, gpus: int) -> None:
    """Give a worker its share of the machine, and let it end with the process that started it."""
    number = numbers.get()
    if gpus:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(number % gpus)
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    parent = multiprocessing.parent_process()
    assert parent is not None
    threading.Thread(target=_end_with, args=[parent], daemon=True).start()
    import torch

    torch.set_num_threads(threads)


def _end_with(parent: Any) -> None:
    parent.join()
    os._exit(1)
