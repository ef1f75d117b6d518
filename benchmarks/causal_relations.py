"""Whether heads that go beyond position lose more than heads whose label position explains.

The heads with a relation are compared in pairs, one that attends to the pairs of the relation more
than position explains and one that is not shown to, as alike as can be in their mean score. The
edges of the relation are knocked out in the one group and in the other, on documents that gave no
labels, and the losses at the rows of the relation are compared.

Two models: the demo model by its pooled output, and a masked language model: the demo model's
encoder, which comes without a head, trained with one on the first half of the documents.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from causal_decoder import halves
from finetune import batches, keep_memory
from machine import watched
from transformers import AutoTokenizer, BertForMaskedLM, PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

import headscore as hs
from headscore.causal.values import KNOCKOUT, PLACEBO, EffectValues
from headscore.corpus import read
from headscore.demo import demo_corpus, demo_model
from headscore.options import EffectOptions

RELATIONS = "nsubj,obj,obl,nmod,amod,advmod,det,case,aux,compound"
MASKED = 0.15  # share of the tokens
RATES = 1e-4, 1e-3  # of learning: encoder, head
LONGEST = 64  # tokens of a sentence to learn from

Heads = dict[str, list[tuple[int, int]]]


def trained(sentences: list[str], *, steps: int, seed: int = 0) -> PreTrainedModel:
    """Train the demo model's encoder with a head that predicts masked tokens."""
    torch.manual_seed(seed)
    tokenizer = demo_tokenizer()
    logging.set_verbosity_error()  # the head is new, as it should be
    model = BertForMaskedLM.from_pretrained(demo_model(), dtype=torch.float32).train()
    model.bert.embeddings.requires_grad_(False)  # a few sentences hold few of the words
    learnt = [
        {"params": [each for each in part.parameters() if each.requires_grad], "lr": rate}
        for part, rate in ((model.bert, RATES[0]), (model.cls, RATES[1]))
    ]
    optimizer = torch.optim.AdamW(learnt, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0, steps)
    losses = []
    for rows in batches(np.arange(len(sentences)), steps, seed):
        inputs, labels = masked([sentences[row] for row in rows], tokenizer)
        loss = model(**inputs, labels=labels).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    first, last = (np.mean(part) for part in (losses[:20], losses[-20:]))
    print(f"{steps} steps: loss of masked tokens {first:.2f} at first, {last:.2f} at last")
    return model.eval()


def masked(
    sentences: list[str], tokenizer: PreTrainedTokenizerBase
) -> tuple[dict[str, torch.Tensor], torch.Tensor]:
    """Return a batch with some tokens masked, and these tokens as labels, -100 for all others."""
    inputs = tokenizer(
        sentences,
        padding=True,
        truncation=True,
        max_length=LONGEST,
        return_tensors="pt",
        return_special_tokens_mask=True,
    )
    ids, special = inputs["input_ids"], inputs.pop("special_tokens_mask").bool()
    chosen = (torch.rand(ids.shape) < MASKED) & ~special
    chosen[:, 1] |= ~chosen.any(1)  # one at least
    inputs["input_ids"] = ids.masked_fill(chosen, tokenizer.mask_token_id)
    return dict(inputs), ids.masked_fill(~chosen, -100)


def demo_tokenizer() -> PreTrainedTokenizerBase:
    return AutoTokenizer.from_pretrained(demo_model())


def groups(report: hs.Report) -> tuple[Heads, Heads, pd.DataFrame]:
    """Pair heads with a relation beyond position with others of the nearest mean score.

    Returns
    -------
    The heads of both groups by relation, and a table of how many heads there were and their scores.
    """
    beyond, rest, rows = {}, {}, []
    for role in report.roles:
        labelled = report.table[(report.table["role"] == role) & report.table["label"]]
        is_beyond = labelled["beyond_position"] == "has"
        one, other = _paired(labelled[is_beyond], labelled[~is_beyond])
        if len(one):
            beyond[role], rest[role] = _heads(one), _heads(other)
        counts = {"beyond": is_beyond.sum(), "not beyond": (~is_beyond).sum(), "pairs": len(one)}
        means = {"score": one["mean"].mean(), "score of the others": other["mean"].mean()}
        rows.append({"role": role, **counts, **means})
    return beyond, rest, pd.DataFrame(rows).set_index("role")


def _paired(one: pd.DataFrame, other: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return pairs of rows, the nearest in log mean first, each row once."""
    size, size_of_other = (np.log(rows["mean"].to_numpy()) for rows in (one, other))
    gap = abs(np.subtract.outer(size, size_of_other))
    pairs: list[tuple[int, int]] = []
    for flat in np.argsort(gap, axis=None).tolist():
        i, j = divmod(flat, len(other))
        if all(i != taken and j != also for taken, also in pairs):
            pairs.append((i, j))
    rows = [[pair[side] for pair in pairs] for side in (0, 1)]
    return one.iloc[rows[0]], other.iloc[rows[1]]


def _heads(rows: pd.DataFrame) -> list[tuple[int, int]]:
    return list(zip(rows["layer"].tolist(), rows["head"].tolist(), strict=True))


def difference(beyond: EffectValues, rest: EffectValues) -> hs.Effect:
    """Return the losses at the rows of each relation, of one group minus the other.

    They take the places of knock-out and placebo, whose difference an `Effect` tests by documents;
    the role "all" is the mean over the relations of a sequence.
    """
    arms = []
    for arm, values in ((KNOCKOUT, beyond), (PLACEBO, rest)):
        lost = [replace(each, arm=arm, delta=each.at_rows) for each in _knocked_out(values)]
        mean = pd.DataFrame([each.delta for each in lost]).mean().to_numpy()
        arms += [*lost, replace(lost[0], role="all", delta=mean)]
    return hs.Effect.from_values(
        replace(beyond, arms=tuple(arms), roles=(*beyond.roles, "all")),
        EffectOptions(adjust="none"),
    )


def _knocked_out(values: EffectValues) -> list:
    return [arm for arm in values.arms if arm.arm == KNOCKOUT]


def table(counts: pd.DataFrame, effect: hs.Effect) -> Iterator[str]:
    """Write a row for each relation, and one for all of them together."""
    counts = counts.loc[list(effect.roles[:-1])]
    counts = pd.concat([counts, counts.sum().to_frame("all").T])
    yield "| relation | heads beyond, not | pairs | mean scores | lost beyond, not | difference |"
    yield "|---|---|---|---|---|---|"
    for role, row in counts.iterrows():
        arms = effect.arms(role)
        found, lost = arms.loc["beyond placebo"], arms.loc[[KNOCKOUT, PLACEBO], "delta"]
        scores = "-" if role == "all" else f"{row['score']:.1f}, {row['score of the others']:.1f}"
        yield (
            f"| {role} | {row['beyond']:.0f}, {row['not beyond']:.0f} | {row['pairs']:.0f} | "
            f"{scores} | {lost.iloc[0]:.4f}, {lost.iloc[1]:.4f} | {found['delta']:.4f} "
            f"({found['ci_low']:.4f} to {found['ci_high']:.4f}), p {found['pvalue']:.3g} |"
        )


def compare(
    model: object, labelled: list[hs.Sequence], held_out: list[hs.Sequence], tau: float
) -> Iterator[str]:
    """Label heads on some sequences, knock out both groups on others, and write a table."""
    options = {"tokenizer": demo_tokenizer(), "progress": False}
    start = time.perf_counter()
    report = hs.analyze(model, labelled, roles=RELATIONS, tau=tau, **options)
    beyond, rest, counts = groups(report)
    yield f"labels on {len(labelled)} sentences, experiment on {len(held_out)}\n"
    if not beyond:
        yield f"no relation has heads of both groups:\n\n{counts}"
        return
    effects = [
        hs.validate(model, held_out, heads, sets=1, masked=MASKED, **options)
        for heads in (beyond, rest)
    ]
    yield from table(counts, difference(*(effect.values for effect in effects)))
    for name, effect in zip(("beyond position", "not beyond"), effects, strict=True):
        yield f"\n{name}, {time.perf_counter() - start:.0f} s\n\n{effect.summary()}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "corpus", nargs="?", type=Path, default=demo_corpus(), help="a .conllu file"
    )
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--tau", type=float, default=3.0)
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    arguments = parser.parse_args()
    keep_memory()
    labelled, held_out = halves(list(read(arguments.corpus)))
    steps, tau = arguments.steps, arguments.tau
    if arguments.tiny:
        steps, tau, labelled, held_out = 2, 1.5, labelled[:60], held_out[:40]
    with watched():
        print("\n## The demo model, 1 - cosine of the pooled output\n")
        pooled = compare(demo_model(), labelled, held_out, tau)
        print("\n".join(pooled), flush=True)
        print("\n## A masked language model of its encoder, nats a masked token\n")
        sentences = [sequence.segments[0].text for sequence in labelled]
        model = trained(sentences, steps=steps)
        print("\n".join(compare(model, labelled, held_out, tau)))


if __name__ == "__main__":
    main()
