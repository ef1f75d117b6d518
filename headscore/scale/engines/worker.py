"""Set-up of a worker process: GPU, threads, signals, and exit with its parent."""

from __future__ import annotations

import os
import signal
from typing import Any

from headscore.processes import end_with_parent


def begin(numbers: Any, threads: int, gpus: int) -> None:
    """Set GPU, threads and signal handler of a worker; exit when its parent process ends."""
    number = numbers.get()
    if gpus:
        # Read by CUDA when it starts, hence set before torch is imported below.
        os.environ["CUDA_VISIBLE_DEVICES"] = str(number % gpus)
    # Ctrl-C reaches every process of the terminal; end at once, without a traceback per worker.
    signal.signal(signal.SIGINT, lambda *_: os._exit(130))
    end_with_parent()
    import torch

    torch.set_num_threads(threads)
