"""Position control on heads made by hand: what position alone gives, and what is planted beyond it.

The logits of a head are its preference for the next token, plus noise; `planted` heads give the
word pairs of four relations, from dependent to head word, a multiple of the odds in addition.
Attention is handed in as a model's would be, sentence by sentence of a parsed corpus. At tau 1,
where nearly every head that looks at these pairs has the roles, so that position decides.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import islice, product

import numpy as np
import pandas as pd

import headscore as hs
from headscore.arrays import ragged_take
from headscore.corpus import read
from headscore.demo import demo_corpus, demo_model
from headscore.encoding.encode import encode
from headscore.encoding.encoded import Encoded
from headscore.model.load import load_model
from headscore.scores.batches import batches_of
from headscore.scores.parts import Part, gather
from headscore.statistics.verdict import VERDICTS

ROLES = "nsubj,obj,amod,advmod"
PREFERENCES = (0.0, 1.5, 3.0)  # for the next token, in the logit
NOISES = (0.0, 0.5, 1.0, 1.5)  # standard deviation of the logits
HEADS = tuple(product(PREFERENCES, NOISES))


def pairs_of(batch: Encoded) -> np.ndarray:
    """Return bool (batch, T, T): the pieces of a word and those of its head word, by `ROLES`."""
    aim = np.zeros((len(batch), batch.tokens, batch.tokens), bool)
    pairs = batch.pairs
    owner = np.repeat(np.arange(len(batch)), np.diff(pairs.offsets))
    wanted = [batch.relation_names.index(role) for role in ROLES.split(",")]
    for pair in np.flatnonzero(np.isin(pairs.relation, wanted)):
        _, rows = ragged_take(pairs.dependent_offsets, np.array([pair]))
        _, columns = ragged_take(pairs.head_offsets, np.array([pair]))
        aim[np.ix_([owner[pair]], pairs.dependents[rows], pairs.heads[columns])] = True
    return aim


def attention(batch: Encoded, rng: np.random.Generator, factor: float) -> np.ndarray:
    """Return (batch, head, T, T), rows that sum to 1 over the real keys."""
    real = batch.real
    shape = len(batch), batch.tokens, batch.tokens
    following = np.eye(batch.tokens, k=1)
    planted = np.log(factor) * pairs_of(batch)
    found = []
    for preference, noise in HEADS:
        logits = preference * following + planted + noise * rng.normal(size=shape)
        weight = np.exp(logits) * real[:, None]
        found.append(weight / weight.sum(-1, keepdims=True) * real[:, :, None])
    return np.stack(found, axis=1, dtype=np.float32)


def score(encoded: Encoded, factor: float, seed: int) -> hs.HeadScores:
    """Score the heads made by hand, as the heads of one layer."""
    rng = np.random.default_rng(seed)
    batches = (encoded.take(rows) for rows in batches_of(encoded.lengths, 4096))
    scored = (hs.score_attentions([attention(b, rng, factor)], b, ROLES) for b in batches)
    return gather(Part(each) for each in scored)


def table(report: hs.Report) -> Iterator[str]:
    """Write a row for each head: the odds of each role, in brackets unless it goes beyond."""
    yield f"| next token | noise | {' | '.join(report.roles)} |"
    yield "|---|---|" + "---|" * len(report.roles)
    for number, (preference, noise) in enumerate(HEADS):
        rows = report.table[report.table["head"] == number]
        cells = [_cell(row) for _, row in rows.iterrows()]
        yield f"| {preference:g} | {noise:g} | {' | '.join(cells)} |"


def _cell(row: pd.Series) -> str:
    odds = f"{row['beyond_odds']:.2f}"
    return odds if row["beyond_position"] == "has" else f"({odds})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", nargs="?", help="a .conllu file (default: the demo corpus)")
    parser.add_argument("--sentences", type=int, default=400)
    parser.add_argument("--factor", type=float, default=4.0, help="planted multiple of the odds")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    arguments = parser.parse_args()
    sentences, seeds = (40, 1) if arguments.tiny else (arguments.sentences, arguments.seeds)
    chosen = list(islice(read(arguments.corpus or demo_corpus()), sentences))
    encoded = encode(chosen, load_model(demo_model()).tokenizer, max_length=512)
    for name, factor in (("position only", 1.0), ("planted", arguments.factor)):
        reports = [hs.test(score(encoded, factor, seed), tau=1) for seed in range(seeds)]
        odds = np.stack([report.table["beyond_odds"] for report in reports])
        means = odds.mean(axis=0)
        state = np.concatenate([report.table["beyond_position"] for report in reports])
        print(f"{name}, factor {factor:g}; beyond_odds, in brackets unless beyond; seed 0\n")
        print("\n".join(table(reports[0])))
        found = ", ".join(f"{name} {(state == name).sum()}" for name in VERDICTS)
        print(
            f"\nodds {odds.min():.2f} to {odds.max():.2f}, mean over the seeds {means.min():.2f} "
            f"to {means.max():.2f}; {found} of {len(state)} in {seeds} seeds\n",
            flush=True,
        )


if __name__ == "__main__":
    main()
