"""What it costs to change a pass: seconds and memory beside the plain forward pass.

    python benchmarks/bench_causal.py          # the tables of docs/pages/causal.md
    python benchmarks/bench_causal.py --tiny   # once, small: does it still run

Memory is measured in a process of its own for each way, so that none finds what another has left.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, nullcontext

import torch
from machine import watched
from memory import HEADS, LAYERS, inputs, network
from timing import in_turn, peak_memory
from transformers import LlamaModel

import headscore as hs

ROLES = "previous,induction"
CHANGED = [(layer, head) for layer in range(LAYERS) for head in range(HEADS // 2)]
CHANGES: dict[str, Callable[[LlamaModel], AbstractContextManager[object]]] = {
    "plain": nullcontext,
    "ablate, zero": lambda model: hs.ablate(model, CHANGED),
    "ablate, mean": lambda model: hs.ablate(model, CHANGED, "mean"),
    "ablate, resample": lambda model: hs.ablate(model, CHANGED, "resample"),
    "knockout": lambda model: hs.knockout(model, ROLES, CHANGED),
    "keep": lambda model: hs.knockout(model, ROLES, CHANGED, keep=True),
}


def forward(model: LlamaModel, ids: torch.Tensor) -> Callable[[], object]:
    return lambda: model(ids, use_cache=False)


def opened(name: str) -> Callable[[], object]:
    """Return what opens and closes a change."""
    model = network()

    def run() -> None:
        with CHANGES[name](model):
            pass

    return run


def grown(name: str, batch: int, tokens: int) -> float:
    """Return the MiB by which a process of its own grows while it runs a way."""
    sizes = ["--batch", str(batch), "--tokens", str(tokens)]
    result = subprocess.run(
        [sys.executable, __file__, "--way", name, *sizes],
        capture_output=True,
        text=True,
        check=True,
        # Freed blocks go back at once: what the heap keeps is not what the way needs.
        env={**os.environ, "MALLOC_MMAP_THRESHOLD_": "65536"},
    )
    return float(result.stdout.split()[-1])


def measure_growth(name: str, batch: int, tokens: int) -> float:
    model = network("eager" if name == "eager" else "sdpa")
    with CHANGES.get(name, nullcontext)(model):
        forward(model, inputs(batch, 64))()  # what is loaded once is no cost of the way
        return peak_memory(forward(model, inputs(batch, tokens)))


def print_memory(batch: int, tokens: int) -> None:
    print(f"\n{batch} sequences of {tokens} tokens: MiB above the model, times the plain pass\n")
    print("| way | MiB | ratio |\n|---|---|---|")
    found = {name: grown(name, batch, tokens) for name in (*CHANGES, "eager")}
    for name, each in found.items():
        print(f"| {name} | {each:.0f} | {each / found['plain']:.2f} |")


def print_seconds(batch: int, tokens: int, rounds: int) -> None:
    print(f"\n{batch} sequences of {tokens} tokens: ms of a pass, times the plain pass\n")
    print("| way | ms, min, median | ratio, min, median |\n|---|---|---|")
    ids, ways = inputs(batch, tokens), {}
    with ExitStack() as stack:
        for name, change in CHANGES.items():
            model = network()  # of its own: changes of one model nest
            stack.enter_context(change(model))
            ways[name] = forward(model, ids)
        took = in_turn(ways, rounds=rounds, least_seconds=0.2 if rounds > 1 else 0.0)
    first = took["plain"]
    for name, each in took.items():
        low, middle = each.fastest / first.fastest, each.median / first.median
        print(f"| {name} | {each} | {low:.2f} {middle:.2f} |")


def print_opening(rounds: int) -> None:
    took = in_turn({name: opened(name) for name in CHANGES}, rounds=rounds, least_seconds=0.0)
    print("\n| to open and close | ms, min, median |\n|---|---|")
    for name, each in took.items():
        print(f"| {name} | {each} |")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tiny", action="store_true")
    options.add_argument("--way", choices=[*CHANGES, "eager"])
    options.add_argument("--batch", type=int, default=2)
    options.add_argument("--tokens", type=int, default=4096)
    arguments = options.parse_args()
    torch.set_num_threads(1)
    with torch.inference_mode():
        if arguments.way:
            print(measure_growth(arguments.way, arguments.batch, arguments.tokens))
            return
        sizes = [(2, 64)] if arguments.tiny else [(32, 128), (8, 512), (2, 2048)]
        with watched():
            print(f"Llama, {LAYERS} layers of {HEADS} heads; half of the heads are changed")
            for batch, tokens in sizes:
                print_seconds(batch, tokens, 1 if arguments.tiny else 5)
            print_opening(1 if arguments.tiny else 5)
            print_memory(2, 256 if arguments.tiny else arguments.tokens)


if __name__ == "__main__":
    main()
