"""What Python costs per layer: `score_qk` and plans on so little data that kernels take no time.

    python benchmarks/bench_layer.py [--tiny]

One head, 16 tokens, ten roles. `cpu` includes the kernel itself (see its own row); `cuda` runs all
Python of that backend on CPU tensors, with kernels that return at once, so it needs no GPU (but
allocating a tensor there costs more than here).
"""

import argparse
from unittest.mock import patch

import numpy as np
import torch
from timing import in_turn

import headscore as hs
from headscore import backends
from headscore.backends import cuda
from headscore.backends.contract import Visibility
from headscore.stopwatch import Stopwatch

TOKENS, ROLES = 16, "paper"
FULL = Visibility()


def made_plan(tokens):
    """The plan of one sequence with an arc from every word to the next."""
    pairs = {
        name: [[([n], [n + 1]) for n in range(1, tokens - 2)]] for name in ("nsubj", "amod", "obj")
    }
    encoded = hs.Encoded.from_arrays(np.ones((1, tokens), int), pairs=pairs)
    return hs.SievePlan.compile(ROLES, encoded)


class NoKernels:
    """Stands in for the compiled CUDA module: what a launch costs the host is left out."""

    TILE_KEYS, MOST_ROWS, LEAST_ROWS, ROLES_AT_ONCE, PIECE_RUNS = 64, 128, 32, 32, 64

    @staticmethod
    def sieve_scores_qk(*_):
        return None

    @staticmethod
    def Plan(plan):  # noqa: N802 - as in the module
        return plan

    @staticmethod
    def Workspace(workspace):  # noqa: N802
        return workspace

    @staticmethod
    def why_not(_):
        return ""


def layers_of(plan, backend):
    """A function that scores one layer."""
    query, key = torch.randn(2, 1, 1, plan.tokens, 64).unbind()
    with torch.inference_mode():
        return lambda: backends.score_qk(query, key, plan, FULL, backend=backend)


def stages():
    watch = Stopwatch()

    def stage():
        with watch.stage("kernel"):
            pass

    return stage


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tiny", action="store_true")
    tiny = parser.parse_args().tiny
    torch.set_num_threads(1)
    plan = made_plan(TOKENS)
    arrays = plan.arrays(FULL)
    ways = {
        "score_qk, cpu": layers_of(plan, "cpu"),
        "score_qk, cuda without kernels": layers_of(plan, "cuda"),
        "device plan": lambda: cuda.derive(arrays),
        "stopwatch": stages(),
    }
    with (
        patch.object(cuda, "_cuda", NoKernels, create=True),
        patch.object(cuda, "why_not", lambda: None),
        patch.object(cuda, "_device", lambda tensor: tensor.device),
        patch.object(cuda, "_place", lambda _: (-1, 0)),
    ):
        found = in_turn(ways, rounds=2 if tiny else 20, least_seconds=0.001 if tiny else 0.02)
    for name, timing in found.items():
        print(f"| {name} | {timing.fastest * 1e6:.1f} | {timing.median * 1e6:.1f} |")


if __name__ == "__main__":
    main()
