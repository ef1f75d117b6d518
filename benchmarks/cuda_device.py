"""A device, how long something takes on it, and its kernels.

Kernels are timed by CUDA events, with what launches them ahead of the device: neither
`hs.sieve_scores_qk`, which waits for the fault bits, nor Python's time per call is in the figures,
as neither is in those of torch. Whole runs are timed by the clock.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

import headscore as hs
from headscore import backends
from headscore.backends.contract import Visibility

FULL = Visibility()
Row = dict[str, Any]
Rows = Iterator[Row]


class Bench:
    """A device, and how long something takes on it."""

    def __init__(self, device: str, tiny: bool) -> None:
        self.device = torch.device(device)
        self.tiny = tiny
        self.dtype = torch.bfloat16
        self.rounds = 1 if tiny else 7

    @property
    def on_gpu(self) -> bool:
        return self.device.type == "cuda"

    @property
    def backend(self) -> str:
        return "cuda" if self.on_gpu else "cpu"

    @property
    def name(self) -> str:
        return torch.cuda.get_device_name(self.device) if self.on_gpu else "CPU"

    def wait(self) -> None:
        if self.on_gpu:
            torch.cuda.synchronize(self.device)

    def seconds(self, run: Callable[[], object]) -> float:
        """Median over rounds of about 20 ms each on the device, after one that warms up."""
        return self._median(run, self._on_device if self.on_gpu else self._by_the_clock)

    def wall_seconds(self, run: Callable[[], object]) -> float:
        """The same with all that the host does."""
        return self._median(run, self._by_the_clock)

    def _median(self, run: Callable[[], object], timed: Callable[..., float]) -> float:
        run()
        once = timed(run, 1)
        repeats = 1 if self.tiny else max(1, min(200, round(0.02 / max(once, 1e-6))))
        return statistics.median(timed(run, repeats) for _ in range(self.rounds))

    def _on_device(self, run: Callable[[], object], repeats: int) -> float:
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        torch.cuda._sleep(4_000_000)  # 2 ms, in which the host queues the launches
        start.record()
        for _ in range(repeats):
            run()
        end.record()
        end.synchronize()
        return start.elapsed_time(end) / 1e3 / repeats

    def _by_the_clock(self, run: Callable[[], object], repeats: int) -> float:
        self.wait()
        start = time.perf_counter()
        for _ in range(repeats):
            run()
        self.wait()
        return (time.perf_counter() - start) / repeats

    def tensor(self, *shape: int) -> torch.Tensor:
        return torch.randn(shape, device=self.device, dtype=self.dtype)

    def score_qk(
        self, query: torch.Tensor, key: torch.Tensor, plan: hs.SievePlan, causal: bool = False
    ) -> torch.Tensor:
        """Scores (batch, role, head) by the kernel of the device, without waiting for it."""
        visibility = Visibility(causal)
        return backends.score_qk(query, key, plan, visibility, backend=self.backend).scores

    def score_attention(self, attention: torch.Tensor, plan: hs.SievePlan) -> torch.Tensor:
        return backends.score_attention(attention, plan, FULL, backend=self.backend).scores
