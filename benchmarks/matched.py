"""Matched control on heads made by hand, and on a real model.

Heads made by hand look at word classes: any verb, the nearest verb to the left, the nearest noun
to the right, content words within 2 words, or one of these with a fixed offset. None of them knows
of the parse, so none may be called `has`. `planted` heads give the word pairs of four relations a
multiple of the odds in addition. Logits are noisy. At tau 1, where nearly every head that looks at
these pairs has the roles. For chance alone see `matched_null.py`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from itertools import islice, product

import numpy as np
import pandas as pd
from position import pairs_of

import headscore as hs
from headscore.corpus import read
from headscore.demo import demo_corpus, demo_model
from headscore.encoding.encode import encode
from headscore.encoding.encoded import Encoded
from headscore.model.load import load_model
from headscore.roles.specs import parse_roles
from headscore.scores.batches import batches_of
from headscore.scores.parts import Part, gather
from headscore.sieves.sampling import with_controls
from headscore.statistics.verdict import HAS, HAS_NOT, UNDECIDED

ROLES = "nsubj,obj,amod,advmod"
CONTROL = "offset,upos"
ALPHA = 0.05
CONTENT = ("NOUN", "PROPN", "VERB", "ADJ", "ADV")
KINDS = (
    *("any verb", "previous verb", "next noun", "content within 2"),
    *("any verb + next token", "next noun + previous token"),
)
STRENGTHS = (2.0, 4.0, 8.0)  # in the logit; 8: nearly all attention goes there
NOISES = (0.0, 0.5, 1.0, 1.5)  # standard deviation of the logits
HEADS = tuple(product(KINDS, STRENGTHS, NOISES))


# --- heads made by hand


def preferred(labels: np.ndarray, word: np.ndarray) -> dict[str, np.ndarray]:
    """Return what heads of each kind look at, (query, key) 0 or 1, of a sequence of tokens."""
    tokens = len(labels)
    verb, noun = labels == "VERB", labels == "NOUN"
    distance = np.abs(word[:, None] - word)
    near = (word >= 0)[:, None] & (word >= 0) & (distance > 0) & (distance <= 2)
    any_verb = np.broadcast_to(verb, (tokens, tokens)).astype(float)
    next_noun = nearest(noun, word, 1)
    return {
        "any verb": any_verb,
        "previous verb": nearest(verb, word, -1),
        "next noun": next_noun,
        "content within 2": (near & np.isin(labels, CONTENT)).astype(float),
        "any verb + next token": any_verb + np.eye(tokens, k=1),
        "next noun + previous token": next_noun + np.eye(tokens, k=-1),
    }


def nearest(wanted: np.ndarray, word: np.ndarray, step: int) -> np.ndarray:
    """Return for each query all pieces of the nearest wanted word to one side, (query, key)."""
    found = np.zeros((len(word), len(word)))
    for query in range(len(word)):
        side = np.arange(query + step, len(word) if step > 0 else -1, step)
        others = side[wanted[side] & (word[side] != word[query])]
        if len(others):
            found[query] = wanted & (word == word[others[0]])
    return found


def attention(batch: Encoded, rng: np.random.Generator, factor: float) -> np.ndarray:
    """Return (batch, head, T, T), rows that sum to 1 over the real keys."""
    column = batch.columns["upos"]
    names = np.array([*column.names, ""])  # -1: a token without a label
    shape = len(batch), len(HEADS), batch.tokens, batch.tokens
    logits = np.zeros(shape, np.float32)
    planted = np.log(factor) * pairs_of(batch)
    for row, (start, stop) in enumerate(zip(batch.offsets, batch.offsets[1:], strict=False)):
        at, n = slice(start, stop), stop - start
        kinds = preferred(names[column.labels[at]], batch.columns["word"].labels[at])
        for head, (kind, strength, noise) in enumerate(HEADS):
            drawn = strength * kinds[kind] + noise * rng.normal(size=(n, n))
            logits[row, head, :n, :n] = drawn + planted[row, :n, :n]
    weight = np.exp(logits) * batch.real[:, None, None]
    return weight / weight.sum(-1, keepdims=True) * batch.real[:, None, :, None]


def score(encoded: Encoded, factor: float, seed: int) -> hs.HeadScores:
    """Score the heads made by hand, as the heads of one layer; controls are those of `encoded`."""
    rng = np.random.default_rng(seed)
    batches = (encoded.take(rows) for rows in batches_of(encoded.lengths, 2048))
    scored = (
        hs.score_attentions([attention(b, rng, factor)], b, ROLES, control=CONTROL) for b in batches
    )
    return gather(Part(each) for each in scored)


def by_strength(tables: list[pd.DataFrame]) -> Iterator[str]:
    """Write a row for each kind and strength: the range of odds ratios, and the states."""
    yield "| looks at | strength | ratio: lowest, mean, highest | has | has not | undecided |"
    yield "|---|---|---|---|---|---|"
    for kind, strength in product(KINDS, STRENGTHS):
        heads = [number for number, head in enumerate(HEADS) if head[:2] == (kind, strength)]
        rows = pd.concat([table[table["head"].isin(heads)] for table in tables])
        ratio = rows["matched_ratio"]
        counts = " | ".join(
            str(int((rows["matched"] == state).sum())) for state in (HAS, HAS_NOT, UNDECIDED)
        )
        yield (
            f"| {kind} | {strength:g} | {ratio.min():.2f} {ratio.mean():.2f} {ratio.max():.2f} | "
            f"{counts} |"
        )


def by_hand(encoded: Encoded, seeds: int, factors: list[float]) -> Iterator[str]:
    """Write what the control calls heads made by hand, and those with planted arcs."""
    for factor in factors:
        tables = [
            hs.test(score(encoded, factor, seed), tau=1, alpha=ALPHA).table for seed in range(seeds)
        ]
        name = f"arcs planted, factor {factor:g}" if factor > 1 else "no arcs"
        yield f"\n{name}, {len(encoded)} sentences, {seeds} seeds, all roles and noises together\n"
        yield from by_strength(tables)
        rows = pd.concat(tables)
        share = rows.groupby("role", sort=False)["matched_share"].first()
        yield "\npairs with a control: " + ", ".join(f"{r} {n:.0%}" for r, n in share.items())
        found = (rows["matched"] == HAS).sum()
        alone = (rows["matched_pvalue"] <= ALPHA / (len(rows) / seeds)).sum()
        position = (rows["beyond_position"] == HAS).sum()
        yield (
            f"has: {found} of {len(rows)} cells; beyond position {position}; by the matched "
            f"control alone, at alpha over all cells: {alone}"
        )


# --- a real model


def of_model(scores: hs.HeadScores) -> Iterator[str]:
    """Write how many labels of each role go beyond position, and beyond word classes."""
    table = hs.test(scores).table
    yield (
        "| role | labels | beyond position | and word classes | these explain | undecided | "
        "heads, ratio |"
    )
    yield "|---|---|---|---|---|---|---|"
    for role, rows in table[table["matched"] != ""].groupby("role", sort=False):
        labels = rows[rows["label"]]
        n = [(labels["matched"] == state).sum() for state in (HAS, HAS_NOT, UNDECIDED)]
        shown = labels[labels["matched"] == HAS].sort_values("matched_ratio", ascending=False)
        heads = [f"{r.layer}.{r.head} {r.matched_ratio:.1f}" for r in shown.itertuples()]
        yield (
            f"| {role} | {len(labels)} | {(labels['beyond_position'] == HAS).sum()} | {n[0]} | "
            f"{n[1]} | {n[2]} | {', '.join(heads)} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", nargs="?", help="a .conllu file (default: the demo corpus)")
    parser.add_argument("--scores", metavar="RUN.hs", help="saved scores with a matched control")
    parser.add_argument("--sentences", type=int, default=2001)
    parser.add_argument("--factors", type=float, nargs="+", default=[1.0, 2.0, 4.0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    arguments = parser.parse_args()
    corpus = arguments.corpus or demo_corpus()
    tiny = arguments.tiny
    scores = (
        hs.HeadScores.load(arguments.scores)
        if arguments.scores
        else hs.score(demo_model(), corpus, pairs="consecutive", control=CONTROL, progress=False)
    )
    print("The model, tau 3, default options:\n")
    print("\n".join(of_model(scores)), flush=True)
    seeds, factors = (1, [1.0, 4.0]) if tiny else (arguments.seeds, arguments.factors)
    chosen = list(islice(read(corpus), 30 if tiny else arguments.sentences))
    encoded = encode(chosen, load_model(demo_model()).tokenizer, max_length=512)
    encoded = with_controls(encoded, parse_roles(ROLES), tuple(CONTROL.split(",")[1:]))
    for line in by_hand(encoded, seeds, factors):
        print(line, flush=True)


if __name__ == "__main__":
    main()
