"""How well one backward pass tells which heads lose when the entries of a role are knocked out.

With g the gradient of the loss at the output z of a head, knocking out a role in this head alone
moves z to z', and the loss by about the sum of g . (z' - z) over the tokens: one forward and one
backward pass for all heads and roles. Its ranks are compared with those of exact knock-outs of
single heads, and so are the ranks of the mean scores.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from causal_decoder import ROLES, repeated, tiny
from machine import watched
from scipy.stats import spearmanr

import headscore as hs
from headscore.causal.knockout import Knocking, knocking
from headscore.causal.removal import Removal
from headscore.demo import demo_corpus, demo_model
from headscore.encoding.encode import encode
from headscore.encoding.encoded import Encoded
from headscore.model import forward, hook
from headscore.model.load import Model, load_model
from headscore.options import LoadOptions
from headscore.roles.role import Role
from headscore.roles.specs import parse_roles
from headscore.scores.batches import batches_of, inputs
from headscore.sieves.plan import SievePlan

BATCH_TOKENS = 512
LONGEST = 128


class Screen:
    """Collects how far knock-outs of a role would move each head's output, and the gradients."""

    def __init__(self, knockouts: list[Knocking]) -> None:
        self.knockouts = knockouts
        self.outputs: list[torch.Tensor] = []
        self.moved: list[list[torch.Tensor]] = [[] for _ in knockouts]

    def changed(self, inputs: hook.AttentionInputs, output: torch.Tensor) -> torch.Tensor:
        """Return the output as it is, as a `hook.Changer`."""
        output.retain_grad()
        self.outputs.append(output)
        with torch.no_grad():
            for moved, knockout in zip(self.moved, self.knockouts, strict=True):
                moved.append(knockout.changed(inputs, output) - output)
        return output

    def estimates(self) -> np.ndarray:
        """Return (role, layer, head), after the backward pass."""
        found = [
            [
                (output.grad * by).sum((0, 1, 3))
                for output, by in zip(self.outputs, each, strict=True)
            ]
            for each in self.moved
        ]
        return torch.stack([torch.stack(each) for each in found]).numpy().astype(float)


def losses(model: Model, batch: Encoded) -> torch.Tensor:
    """Return the mean loss of the next token of each sequence."""
    given = inputs(model, batch)
    logits = model.network(**given, use_cache=False).logits[:, :-1]
    ids, real = given["input_ids"][:, 1:], torch.from_numpy(batch.real[:, 1:])
    each = torch.nn.functional.cross_entropy(logits.flatten(0, 1), ids.flatten(), reduction="none")
    return (each.view_as(ids) * real).sum(1) / real.sum(1)


def removal(role: Role, batch: Encoded) -> Removal:
    return Removal.of_sieves(SievePlan.unchecked((role,), batch), torch.from_numpy(batch.real))


def screen(model: Model, roles: tuple[Role, ...], batches: list[Encoded]) -> np.ndarray:
    """Return what each knock-out of one head is about to lose on average, (role, layer, head)."""
    every = dict(zip(model.route.layers, (tuple(range(n)) for n in model.route.heads), strict=True))
    total, n = np.zeros(()), sum(map(len, batches))
    for batch in batches:
        found = Screen([Knocking(model.route, removal(role, batch), every) for role in roles])
        with hook.changing(found, model.route.modules), torch.enable_grad():
            losses(model, batch).sum().backward()
        model.network.zero_grad()
        total = total + found.estimates() / n
    return total


@torch.inference_mode()
def exact(
    model: Model, role: Role, batches: list[Encoded], heads: list[tuple[int, int]]
) -> np.ndarray:
    """Return what the knock-out of each single head loses on average, (head,)."""
    lost, n = np.zeros(len(heads)), sum(map(len, batches))
    for batch in batches:
        clean, entries = losses(model, batch), removal(role, batch)
        for number, (layer, head) in enumerate(heads):
            with knocking(model.network, model.route, entries, {layer: (head,)}):
                lost[number] += float((losses(model, batch) - clean).sum()) / n
    return lost


def table(
    model: Model,
    encoded: Encoded,
    roles: tuple[Role, ...],
    heads: list[tuple[int, int]],
    scores: hs.HeadScores,
) -> Iterator[str]:
    """Write a row for each role: rank correlations with exact knock-outs, and the largest loss."""
    batches = [encoded.take(rows) for rows in batches_of(encoded.lengths, BATCH_TOKENS)]
    at = tuple(np.array(heads).T)
    with forward.attached(model.network, model.route):
        start = time.perf_counter()
        estimates = screen(model, roles, batches)
        yield f"screen of all heads and {len(roles)} roles: {time.perf_counter() - start:.1f} s\n"
        start = time.perf_counter()
        found = [exact(model, role, batches, heads) for role in roles]
    yield (
        f"exact, {len(heads)} heads and {len(roles)} roles: {time.perf_counter() - start:.1f} s\n"
    )
    means = np.nanmean(scores.values, axis=0)
    yield "| role | rank correlation of the screen | of the score | largest exact loss |"
    yield "|---|---|---|---|"
    for role, lost, guess, mean in zip(roles, found, estimates, means, strict=True):
        of_screen, of_score = (spearmanr(each[at], lost).statistic for each in (guess, mean))
        yield f"| {role.name} | {of_screen:.2f} | {of_score:.2f} | {lost.max():.4f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", help="folder or hub id (default: random weights)")
    parser.add_argument("--corpus", type=Path, default=demo_corpus(), help="a .conllu file")
    parser.add_argument("--sequences", type=int, default=32)
    parser.add_argument("--heads", type=int, default=60, help="drawn at random, for exact passes")
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    arguments = parser.parse_args()
    if arguments.model is None:
        tokenizer = load_model(demo_model()).tokenizer
        model = load_model(tiny(), LoadOptions(tokenizer=tokenizer))
    else:
        model = load_model(arguments.model, head="causal")
    model.network.requires_grad_(False)
    model.network.get_input_embeddings().requires_grad_(True)
    sequences = repeated(arguments.corpus, 8 if arguments.tiny else arguments.sequences)
    encoded = encode(sequences, model.tokenizer, max_length=LONGEST)
    every = [(layer, head) for layer in range(model.layers) for head in range(model.heads)]
    drawn = np.random.default_rng(0).permutation(len(every))[: arguments.heads]
    heads = [every[n] for n in sorted(drawn)]
    options = {"tokenizer": model.tokenizer, "max_length": LONGEST, "progress": False}
    with watched():
        scores = hs.score(model.network, sequences, roles=ROLES, **options)
        for line in table(model, encoded, parse_roles(ROLES), heads, scores):
            print(line, flush=True)


if __name__ == "__main__":
    main()
