"""Seeds: a two-layer model learns to repeat random tokens, eight times, with checkpoints.

The heads of two seeds need not correspond: is their number the same where they stand in other
places? And from which step on do they have their roles? Prints the heads of each role in each seed,
the interval over seeds and sequences, whether heads correspond, and the trajectory of one seed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

import headscore as hs
from headscore.options import TestOptions
from headscore.report.seeds import Seeds
from headscore.report.terminal.seeds import render_seeds
from headscore.report.terminal.style import Style
from headscore.report.terminal.trajectory import render_trajectory

ROLES = "previous,induction,duplicate,sink,local"
WORDS = 32  # of the vocabulary; token 0 begins each sequence
HALF = (8, 16)  # least and most tokens that are written twice
LENGTH = 1 + 2 * HALF[1]
LAYERS, HEADS, SIZE = 2, 8, 64
BATCH, RATE = 32, 3e-3
CHECKPOINTS = (0, 25, 50, 75, 100, 150, 200, 300, 400)


def sequences(rng: np.random.Generator, n: int) -> np.ndarray:
    """Draw random tokens that are repeated until the sequence is full, (sequence, token)."""
    found = np.zeros((n, LENGTH), np.int64)
    for row in found:
        size = int(rng.integers(HALF[0], HALF[1] + 1))
        row[1:] = np.resize(1 + rng.permutation(WORDS - 1)[:size], LENGTH - 1)
    return found


def new_model(seed: int) -> LlamaForCausalLM:
    """Make a model of two layers of attention, with next to no other parts."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=WORDS,
        hidden_size=SIZE,
        intermediate_size=8,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS,
        max_position_embeddings=LENGTH,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=0,
    )
    return LlamaForCausalLM(config)


def trained(seed: int, steps: tuple[int, ...]) -> Iterator[tuple[int, float, LlamaForCausalLM]]:
    """Train a model, and yield step, loss and model at each checkpoint."""
    model, rng = new_model(seed), np.random.default_rng([1, seed])
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    loss = torch.tensor(float("nan"))
    for step in range(max(steps) + 1):
        if step in steps:
            yield step, loss.item(), model.eval()
        if step == max(steps):
            return
        ids = torch.from_numpy(sequences(rng, BATCH))
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1.0, (step + 1) / 50)
        loss = model.train()(input_ids=ids, labels=ids).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Make the tokenizer of texts such as "3 7 3 7", whose words are token ids."""
    names = ["[BEGIN]", *map(str, range(1, WORDS))]
    vocabulary = {name: number for number, name in enumerate(names)}
    words = Tokenizer(models.WordLevel(vocabulary, unk_token="[BEGIN]"))
    words.pre_tokenizer = pre_tokenizers.Whitespace()
    words.post_processor = processors.TemplateProcessing(
        single="[BEGIN] $A", special_tokens=[("[BEGIN]", 0)]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=words,
        bos_token="[BEGIN]",
        pad_token="[BEGIN]",
        model_max_length=LENGTH,
        model_input_names=["input_ids", "attention_mask"],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--sequences", type=int, default=200, help="that are scored")
    parser.add_argument("--folder", type=Path, help="where scores, results and pages are kept")
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    arguments = parser.parse_args()
    seeds, steps, n = arguments.seeds, CHECKPOINTS, arguments.sequences
    if arguments.tiny:
        seeds, steps, n = 3, (0, 2, 4), 12
    tokenizer = make_tokenizer()
    encoded = hs.synthetic("repeated", tokenizer, n, size=HALF, seed=99)
    last, course = {}, {}
    for seed in range(seeds):
        begun, final = time.perf_counter(), float("nan")
        for step, loss, model in trained(seed, steps):
            final = loss
            if seed == 0 or step == steps[-1]:
                scores = hs.score(model, encoded, tokenizer=tokenizer, roles=ROLES, progress=False)
                last[f"seed-{seed}"] = scores
                if seed == 0:
                    course[step] = scores
        seconds = time.perf_counter() - begun
        print(f"seed {seed}: loss {final:.2f} after {steps[-1]} steps, {seconds:.0f} s", flush=True)
    found = Seeds.from_scores(last, TestOptions())
    trajectory = hs.trajectory(course)
    print(f"\n{render_seeds(found, Style(), saved=None)}\nSeed 0:\n")
    print(render_trajectory(trajectory, Style(), saved=None))
    if arguments.folder:
        arguments.folder.mkdir(parents=True, exist_ok=True)
        for name, scores in last.items():
            scores.save(arguments.folder / f"{name}.hs")
        for step, scores in course.items():
            scores.save(arguments.folder / f"step-{step}.hs")
        found.to_html(arguments.folder / "seeds.html")
        trajectory.to_html(arguments.folder / "trajectory.html")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main()
