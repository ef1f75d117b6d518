"""Heads of a real decoder: repeats in two halves of a corpus, retrieval of needles, time, memory.

The halves are independent sequences, so that heads found in one are found in the other unless
chance or the threshold decides.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from machine import watched
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel

import headscore as hs
from headscore.demo import demo_model
from headscore.model.load import load_tokenizer

REPEATED = "induction,previous,duplicate,sink,copy,after_copy"
NEEDLE = "retrieval,induction,previous,sink"
OTHERS = {
    "indirect_object": "s1_to_s2,after_s1_to_s2,s2_to_end,io_to_end,s1_to_end",
    "ordered": "successor",
    "brackets": "bracket",
}
SHOWN = 5  # heads of a role


def tiny() -> PreTrainedModel:
    """Make a model of random weights for the tokenizer of the demo model."""
    torch.manual_seed(0)
    sizes = {"n_positions": 512, "n_embd": 32, "n_layer": 2, "n_head": 8}
    config = GPT2Config(
        vocab_size=30522, initializer_range=0.5, bos_token_id=0, eos_token_id=0, **sizes
    )
    return GPT2LMHeadModel(config).eval()


def heads_of(report: hs.Report, role: str) -> dict[tuple[int, int], float]:
    """Return (layer, head) -> mean score of the heads with a role, the highest first."""
    table = report.table
    found = table[(table["role"] == role) & table["label"].astype(bool)]
    found = found.sort_values("mean", ascending=False)
    return {(row.layer, row.head): row.mean for row in found.itertuples()}


def shares(first: hs.Report, second: hs.Report) -> Iterator[str]:
    """Write a row for each role: heads in both halves, and those with the highest means."""
    yield "| role | first half | second half | in both | share in common | highest means |"
    yield "|---|---|---|---|---|---|"
    for role in first.roles:
        one, other = heads_of(first, role), heads_of(second, role)
        both, every = len(one.keys() & other.keys()), len(one.keys() | other.keys())
        share = f"{both / every:.2f}" if every else "-"
        yield f"| {role} | {len(one)} | {len(other)} | {both} | {share} | {listed(one)} |"


def needles(report: hs.Report) -> Iterator[str]:
    """Write a row for each role: heads, the highest means, and how many are retrieval heads."""
    retrieval = heads_of(report, "retrieval").keys()
    yield "| role | heads | of them retrieval heads | highest means |"
    yield "|---|---|---|---|"
    for role in report.roles:
        found = heads_of(report, role)
        yield f"| {role} | {len(found)} | {len(found.keys() & retrieval)} | {listed(found)} |"


def plain(reports: dict[str, hs.Report]) -> Iterator[str]:
    """Write a row for each role of each corpus: heads, and the highest means."""
    yield "| corpus | role | heads | highest means |"
    yield "|---|---|---|---|"
    for kind, report in reports.items():
        for role in report.roles:
            found = heads_of(report, role)
            yield f"| {kind} | {role} | {len(found)} | {listed(found)} |"


def listed(found: dict[tuple[int, int], float]) -> str:
    """Return the first heads with their means."""
    first = list(found.items())[:SHOWN]
    return ", ".join(f"{layer}.{head} {mean:.1f}" for (layer, head), mean in first) or "-"


def timed(what: str, model: Any, corpus: hs.Encoded, roles: str, **other: Any) -> hs.Report:
    """Analyze, and print what it took."""
    start, begun = time.perf_counter(), time.process_time()
    report = hs.analyze(model, corpus, roles=roles, progress=False, **other)
    seconds, cores = time.perf_counter() - start, time.process_time() - begun
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    tokens = len(corpus.input_ids)
    print(
        f"{what}: {len(corpus)} sequences, {tokens} tokens in {seconds:.1f} s, {cores:.1f} s of "
        f"the cores, at most {peak:.0f} MiB"
    )
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", help="folder or hub id (default: random weights)")
    parser.add_argument("--sequences", type=int, default=120, help="of repeats, in both halves")
    parser.add_argument("--needles", type=int, default=30)
    parser.add_argument("--tau", type=float, default=3.0)
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    arguments = parser.parse_args()
    n, n_needles = (24, 6) if arguments.tiny else (arguments.sequences, arguments.needles)
    tokenizer = load_tokenizer(arguments.model or demo_model())
    model = arguments.model or tiny()
    other = {"tau": 1.0 if arguments.tiny else arguments.tau, "tokenizer": tokenizer}
    with watched():
        repeats = hs.synthetic("repeated", tokenizer, n)
        halves = [
            timed(
                name, model, replace(repeats.chunk(*ends), facts=repeats.facts), REPEATED, **other
            )
            for name, ends in (("first half", (0, n // 2)), ("second half", (n // 2, n)))
        ]
        haystacks = hs.synthetic("needle", tokenizer, n_needles)
        found = timed("needles", model, haystacks, NEEDLE, **other)
        others = {
            kind: timed(kind, model, hs.synthetic(kind, tokenizer, n // 2), roles, **other)
            for kind, roles in OTHERS.items()
        }
        print("", *shares(*halves), "", *needles(found), "", *plain(others), sep="\n")


if __name__ == "__main__":
    main()
