"""Tests of an experiment on models of random weights, in which no head has a role.

Heads are given to roles at random. Two tests have a null that holds exactly:

- "beyond placebo" for a role whose rows are drawn at random from those of the previous token: the
  placebo draws as many of the rest, so that role and placebo could change places;
- the rank of the heads among matched sets, for every role, as the heads are drawn at random too.

Taking something from random weights alone changes the loss a little, upwards in some models and
downwards in others. There is no null for the other tests, but a false finding: a loss that is shown
and is none on much more text.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from scipy.stats import binomtest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

import headscore as hs

ALPHA, SETS = 0.05, 19
LAYERS, HEADS = 2, 8
WORDS, LONGEST = 40, 16
PER_DOCUMENT = 3
DRAWN = "drawn"  # the role of random rows
ROLES = (DRAWN, "previous", "duplicate")
TESTS = ("knockout", "beyond placebo", "keep", "heads")
MORE = 10  # times as much text decides which findings are false


@dataclass(frozen=True)
class Texts:
    """Random texts, and the rows of the role `DRAWN`."""

    sequences: list[hs.Sequence]
    drawn: hs.Role

    @classmethod
    def make(cls, documents: int, rng: np.random.Generator) -> Texts:
        sequences, pairs = [], {}
        for document in range(documents):
            frequency = rng.dirichlet(np.full(WORDS, 0.3))  # of words, one for each document
            for _ in range(PER_DOCUMENT):
                words = rng.choice(WORDS, rng.integers(LONGEST // 2, LONGEST + 1), p=frequency)
                name = str(len(sequences))
                text = " ".join(f"w{word}" for word in words)
                sequences.append(hs.Sequence.from_text(text, id=name, document=str(document)))
                rows = 1 + rng.permutation(len(words) - 1)[: len(words) // 3]
                pairs[name] = [([row], [row - 1]) for row in rows.tolist()]
        return cls(sequences, hs.roles.from_pairs(DRAWN, pairs))


def tokenizer() -> PreTrainedTokenizerFast:
    """Make a tokenizer of one token per word that adds no special tokens."""
    names = ["[PAD]", *(f"w{word}" for word in range(WORDS))]
    pieces = Tokenizer(models.WordLevel({name: n for n, name in enumerate(names)}, "[PAD]"))
    pieces.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=pieces, pad_token="[PAD]", model_max_length=LONGEST
    )


def network(seed: int) -> GPT2LMHeadModel:
    """Make a model of random weights, with attention far from uniform."""
    torch.manual_seed(seed)
    config = GPT2Config(
        vocab_size=WORDS + 1,
        n_positions=LONGEST,
        n_embd=64,
        n_layer=LAYERS,
        n_head=HEADS,
        initializer_range=0.2,
        bos_token_id=0,
        eos_token_id=0,
    )
    return GPT2LMHeadModel(config).eval()


def study(seed: int, documents: int) -> pd.DataFrame:
    """Run the experiment on one model, on a text and on more; return a row for each test."""
    rng = np.random.default_rng(seed)
    model = network(seed)
    heads = {name: [(n, int(rng.integers(HEADS))) for n in range(LAYERS)] for name in ROLES}

    def table(size: int, sets: int) -> pd.DataFrame:
        texts = Texts.make(size, rng)
        effect = hs.validate(
            model,
            texts.sequences,
            {texts.drawn if name == DRAWN else name: pairs for name, pairs in heads.items()},
            tokenizer=tokenizer(),
            sets=sets,
            seed=seed,
            adjust="none",
            alpha=ALPHA,
            progress=False,
        )
        return effect.table.set_index(["role", "arm"])

    found, more = table(documents, SETS), table(MORE * documents, 1)
    return pd.DataFrame(
        {
            "p": found["pvalue_adj"],
            "p_sets": found["p_sets"],
            "delta": found["delta"],
            "more": more["delta"],
        }
    ).reset_index()


def rejections(studies: pd.DataFrame) -> Iterator[str]:
    """Write a row for each test of each role: how often it finds something, with an interval."""
    yield "| role | test | null | rejected | of | 95 % interval |"
    yield "|---|---|---|---|---|---|"
    heads = studies[studies["arm"] == "heads"]
    yield _row("all", "rank among matched sets", "holds", heads["p_sets"] <= ALPHA)
    for role, arm in ((role, arm) for role in ROLES for arm in TESTS):
        rows = studies[(studies["role"] == role) & (studies["arm"] == arm)]
        if (role, arm) == (DRAWN, "beyond placebo"):
            yield _row(role, arm, "holds", rows["p"] <= ALPHA)
        else:
            yield _row(role, arm, "none", rows["p"] <= ALPHA)
            none = rows[rows["more"] <= 0]
            yield _row(role, arm, "no loss on more text", none["p"] <= ALPHA)


def _row(role: str, test: str, null: str, rejected: pd.Series) -> str:
    n, count = len(rejected), int(rejected.sum())
    interval = "-"
    if n:
        low, high = binomtest(count, n).proportion_ci()
        interval = f"{low:.3f} to {high:.3f}"
    return f"| {role} | {test} | {null} | {count} | {n} | {interval} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--documents", type=int, default=20)
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    arguments = parser.parse_args()
    seeds, documents = (2, 10) if arguments.tiny else (arguments.seeds, arguments.documents)
    studies = pd.concat([study(seed, documents) for seed in range(seeds)])
    print(
        f"{seeds} models of random weights, {documents} documents of {PER_DOCUMENT} texts, alpha "
        f"{ALPHA:g}, {SETS} matched sets; {MORE} times as many documents decide what is no loss\n"
    )
    print("\n".join(rejections(studies)))


if __name__ == "__main__":
    main()
