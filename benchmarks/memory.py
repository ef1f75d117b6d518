"""What `capture` costs: time beside the plain forward pass, memory beside eager attentions.

    python benchmarks/memory.py            # the tables of README.md
    python benchmarks/memory.py --tiny     # once, small: does it still run

Each way is measured in a process of its own, so that none finds memory that another has left.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable

import torch
from machine import watched
from timing import in_turn, peak_memory
from transformers import LlamaConfig, LlamaModel

import headscore as hs

ROLES = "local,sink,previous,duplicate,induction"
LAYERS, SIZE, HEADS, KEY_HEADS, WORDS = 4, 256, 4, 2, 1000


def network(implementation: str = "sdpa") -> LlamaModel:
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=WORDS, hidden_size=SIZE, intermediate_size=2 * SIZE, num_hidden_layers=LAYERS,
        num_attention_heads=HEADS, num_key_value_heads=KEY_HEADS, max_position_embeddings=2**15,
        attn_implementation=implementation,
    )  # fmt: skip
    return LlamaModel(config).eval()


def inputs(batch: int, tokens: int) -> torch.Tensor:
    return torch.randint(WORDS, (batch, tokens), generator=torch.Generator().manual_seed(0))


def plain(model: LlamaModel, ids: torch.Tensor) -> Callable[[], object]:
    return lambda: model(ids, use_cache=False)


def captured(model: LlamaModel, ids: torch.Tensor) -> Callable[[], object]:
    def run() -> object:
        with hs.capture(model, ROLES) as found:
            model(ids, use_cache=False)
        return found.scores()

    return run


def way_of(name: str, tokens: int) -> Callable[[], object]:
    model, ids = network("eager" if name == "eager" else "sdpa"), inputs(1, tokens)
    if name == "eager":
        return lambda: model(ids, use_cache=False, output_attentions=True)
    return (captured if name == "capture" else plain)(model, ids)


def grown(name: str, tokens: int) -> float:
    """Return the MiB by which a process of its own grows while it runs a way."""
    result = subprocess.run(
        [sys.executable, __file__, "--way", name, "--tokens", str(tokens)],
        capture_output=True,
        text=True,
        check=True,
    )
    return float(result.stdout.split()[-1])


def print_memory(tokens: int) -> None:
    print(f"\n{LAYERS} layers of {HEADS} heads (Llama), one sequence of {tokens} tokens\n")
    print("| way | MiB above the model |\n|---|---|")
    for name in ("plain", "capture", "eager"):
        print(f"| {name} | {grown(name, tokens):.0f} |")


def print_overhead(sizes: list[tuple[int, int]], rounds: int) -> None:
    print("\n| batch x T | plain ms, min, median | capture ms, min, median | ratio, min, median |")
    print("|---|---|---|---|")
    model = network()
    for batch, tokens in sizes:
        ids = inputs(batch, tokens)
        ways = {"plain": plain(model, ids), "capture": captured(model, ids)}
        took = in_turn(ways, rounds=rounds, least_seconds=0.2 if rounds > 1 else 0.0)
        low, middle = (
            getattr(took["capture"], each) / getattr(took["plain"], each)
            for each in ("fastest", "median")
        )
        print(
            f"| {batch} x {tokens} | {took['plain']} | {took['capture']} "
            f"| {low:.2f} {middle:.2f} |"
        )  # fmt: skip


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--tiny", action="store_true")
    options.add_argument("--way", choices=["plain", "capture", "eager"])
    options.add_argument("--tokens", type=int, default=8192)
    arguments = options.parse_args()
    with torch.inference_mode():
        if arguments.way:
            way_of(arguments.way, 64)()  # what is loaded once is no cost of the way
            print(peak_memory(way_of(arguments.way, arguments.tokens)))
            return
        sizes = [(1, 64)] if arguments.tiny else [(32, 128), (8, 512), (1, 2048), (1, 8192)]
        with watched():
            print_overhead(sizes, 1 if arguments.tiny else 5)
            print_memory(256 if arguments.tiny else arguments.tokens)


if __name__ == "__main__":
    main()
