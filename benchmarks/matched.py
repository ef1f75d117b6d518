"""Matched control on heads made by hand, on a null made of real scores, and on a real model.

Heads made by hand look at word classes: any verb, the nearest verb to the left, the nearest noun
to the right, content words within 2 words, or one of these with a fixed offset. None of them knows
of the parse, so none may be called `has`. `planted` heads give the word pairs of four relations a
multiple of the odds in addition. Logits are noisy. At tau 1, where nearly every head that looks at
these pairs has the roles.

The null is made of the rows of a model's scores on a corpus with documents: the odds of the word
pairs of each cell are multiplied so that the ratio is 1.5, and documents are drawn with
replacement; dependence, skewness and sparse strata stay.
"""

from __future__ import annotations

import argparse
import math
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice, product

import numpy as np
import pandas as pd
from plasmode import documents_of
from position import pairs_of

import headscore as hs
from headscore.arrays import ragged_take
from headscore.corpus import read
from headscore.demo import demo_corpus, demo_model
from headscore.encoding.encode import encode
from headscore.encoding.encoded import Encoded
from headscore.model.load import load_model
from headscore.roles.specs import parse_roles
from headscore.scores.batches import batches_of
from headscore.scores.parts import Part, gather
from headscore.sieves.odds import MARGIN, scaled
from headscore.sieves.sampling import with_controls
from headscore.statistics.adjust import adjust
from headscore.statistics.clusters import clusters_of
from headscore.statistics.matched import Matched
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
MATCHED = ("matched", "matched_weight", "matched_sequence", "matched_role", "matched_stratum")


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


# --- a null of real scores


@dataclass(frozen=True)
class Population:
    """Scores with a matched control, their documents, and the rows of each sequence."""

    scores: hs.HeadScores
    documents: list[np.ndarray]
    offsets: np.ndarray

    @classmethod
    def of(cls, scores: hs.HeadScores) -> Population:
        """Return the word-pair roles of scores."""
        at = np.unique(scores.matched_role[scores.matched_role >= 0])
        renamed = np.searchsorted(at, scores.matched_role)
        role = np.where(scores.matched_role < 0, -1, renamed).astype(np.int32)
        kept = hs.HeadScores.from_arrays(
            scores.values[:, at],
            [scores.roles[number] for number in at],
            **{name: getattr(scores, name) for name in MATCHED} | {"matched_role": role},
        )
        rows = np.bincount(scores.matched_sequence, minlength=len(scores.values))
        return cls(kept, documents_of(scores), np.concatenate([[0], rows.cumsum()]))

    def at_odds(self, factor: np.ndarray) -> Population:
        """Multiply the odds of the word pairs of each cell, (role, layer, head)."""
        weight = self.scores.matched_weight[:, :, None]
        share = self.scores.matched / np.where(weight > 0, weight, 1)
        cases = self.scores.matched_role >= 0
        moved = scaled(share[cases], factor[self.scores.matched_role[cases]]) * weight[cases]
        matched = self.scores.matched.copy()
        matched[cases] = moved
        return replace(self, scores=replace(self.scores, matched=matched))

    def drawn(self, rng: np.random.Generator, n: int) -> hs.HeadScores:
        """Draw documents with replacement; each draw is a document of its own."""
        chosen = rng.integers(len(self.documents), size=n)
        sequences = np.concatenate([self.documents[each] for each in chosen])
        owner = np.repeat(np.arange(n), [len(self.documents[each]) for each in chosen])
        offsets, rows = ragged_take(self.offsets, sequences)
        arrays = {name: getattr(self.scores, name)[rows] for name in MATCHED}
        arrays["matched_sequence"] = np.repeat(np.arange(len(sequences)), np.diff(offsets))
        return hs.HeadScores.from_arrays(
            self.scores.values[sequences],
            self.scores.roles,
            documents=[str(each) for each in owner],
            **arrays,
        )

    def at_margin(self, n: int, draws: int, seed: int) -> tuple[Population, float]:
        """Return the population whose tested mean is 0 over draws of n documents.

        And the largest |mean| that is left, in standard errors of the draws.
        """
        logs = np.zeros(self.scores.values.shape[1:])
        for _ in range(8):
            population = self.at_odds(np.exp(logs))
            rng = np.random.default_rng([seed, n])
            found = [tested(population.drawn(rng, n)) for _ in range(draws)]
            means = np.stack([each.cells.mean for each in found])
            size = np.nanmean([each.magnitude for each in found], axis=0)
            logs -= np.nan_to_num(np.nanmean(means, axis=0) / size)
        error = np.nanstd(means, axis=0) / math.sqrt(draws)
        return population, float(np.nanmax(np.abs(np.nanmean(means, axis=0)) / error))


def tested(scores: hs.HeadScores) -> Matched:
    found = Matched.of_scores(scores, clusters_of(scores, "document"), ddof=1)
    assert found is not None
    return found


def null(scores: hs.HeadScores, sizes: list[int], runs: int, seed: int) -> Iterator[str]:
    """Write how often a study of n documents finds something where every ratio is 1.5."""
    yield "| documents | any above 1.5 | any label and above | any has not | single p <= 0.05 |"
    yield "|---|---|---|---|---|"
    for n in sizes:
        population, _ = Population.of(scores).at_margin(n, max(runs // 5, 3), seed)
        rng = np.random.default_rng([seed, n, 1])
        found = np.array([study(population.drawn(rng, n)) for _ in range(runs)], float)
        error = found.std(axis=0, ddof=1) / math.sqrt(runs)
        cells = [f"{m:.3f} ± {e:.3f}" for m, e in zip(found.mean(axis=0), error, strict=True)]
        yield f"| {n} | {' | '.join(cells)} |"


def study(scores: hs.HeadScores) -> list[float]:
    table = hs.test(scores, alpha=ALPHA).table
    pvalue = table["matched_pvalue"].to_numpy()
    return [
        (adjust(pvalue) <= ALPHA).any(),
        (table["matched"] == HAS).any(),
        (table["matched"] == HAS_NOT).any(),
        (pvalue[~np.isnan(pvalue)] <= ALPHA).mean(),
    ]


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


# --- cost


def cost(n_sequences: int, n_layers: int, n_heads: int, each: int = 18) -> str:
    """Return seconds of the cores and MiB above the rows of the test of five roles."""
    rng = np.random.default_rng(0)
    n_rows = n_sequences * each
    # Four rows of controls to five of cases.
    role = np.sort(rng.integers(-4, 5, (n_sequences, each)).clip(-1), axis=1).astype(np.int32)
    # As many strata as a corpus of this size has, and none twice in a sequence.
    n_strata = n_rows // 10
    first = rng.integers(n_strata, size=(n_sequences, 1))
    stratum = (first + np.arange(each) * (n_strata // each)) % n_strata + 1
    order = np.lexsort((stratum.ravel(), role.ravel(), np.repeat(np.arange(n_sequences), each)))
    scores = hs.HeadScores.from_arrays(
        np.zeros((n_sequences, 5, n_layers, n_heads), np.float32),
        [f"role{number}" for number in range(5)],
        matched=rng.random((n_rows, n_layers, n_heads), np.float32),
        matched_weight=np.ones((n_rows, n_layers), np.float32),
        matched_sequence=np.repeat(np.arange(n_sequences), each),
        matched_role=role.ravel()[order],
        matched_stratum=stratum.ravel()[order].astype(np.uint64),
    )
    tracemalloc.start()  # numpy tells it of its arrays
    start = time.process_time()
    Matched.of_scores(scores, clusters_of(scores, None), ddof=1)
    seconds, most = time.process_time() - start, tracemalloc.get_traced_memory()[1] / 2**20
    return (
        f"{n_sequences} sequences, {n_rows} rows, {n_layers} x {n_heads} heads, 5 roles: "
        f"{seconds:.1f} s of the cores, {most:.0f} MiB above the "
        f"{scores.matched.nbytes / 2**20:.0f} MiB of the rows"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", nargs="?", help="a .conllu file (default: the demo corpus)")
    parser.add_argument("--scores", metavar="RUN.hs", help="saved scores with a matched control")
    parser.add_argument("--sentences", type=int, default=2001)
    parser.add_argument("--factors", type=float, nargs="+", default=[1.0, 2.0, 4.0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--sizes", type=int, nargs="+", default=[50, 100, 318])
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    parser.add_argument(
        "--cost", type=int, nargs=3, metavar=("SEQUENCES", "LAYERS", "HEADS"), help="only this"
    )
    arguments = parser.parse_args()
    if arguments.cost:
        print(cost(*arguments.cost))
        return
    corpus = arguments.corpus or demo_corpus()
    tiny = arguments.tiny
    scores = (
        hs.HeadScores.load(arguments.scores)
        if arguments.scores
        else hs.score(demo_model(), corpus, pairs="consecutive", control=CONTROL, progress=False)
    )
    print("The model, tau 3, default options:\n")
    print("\n".join(of_model(scores)), flush=True)
    runs, sizes = (3, [20]) if tiny else (arguments.runs, arguments.sizes)
    seeds, factors = (1, [1.0, 4.0]) if tiny else (arguments.seeds, arguments.factors)
    print(f"\n{runs} studies, every ratio {MARGIN:g}, alpha {ALPHA:g}, Holm:\n")
    for line in null(scores, sizes, runs, 0):
        print(line, flush=True)
    chosen = list(islice(read(corpus), 30 if tiny else arguments.sentences))
    encoded = encode(chosen, load_model(demo_model()).tokenizer, max_length=512)
    encoded = with_controls(encoded, parse_roles(ROLES), tuple(CONTROL.split(",")[1:]))
    for line in by_hand(encoded, seeds, factors):
        print(line, flush=True)


if __name__ == "__main__":
    main()
