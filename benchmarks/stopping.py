"""Stopping: what a run may read less, and what its labels are worth.

The guarantee: the scores of a real model, moved so that every mean is exactly tau, and skewed
scores of documents with an intraclass correlation. A study reads its documents in random order and
is tested at each look; it errs if any test shows a role, or its absence, at any look.

Savings: looks at the scores of whole runs, over several orders: sequences read until a share of the
tests is decided, and how many of these a run over the whole corpus decides otherwise. E-values of
the same documents stand beside them.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
from plasmode import Population, documents_of

import headscore as hs
from headscore.demo import demo_corpus, demo_model
from headscore.statistics.adjust import adjust
from headscore.statistics.evalues import BETS
from headscore.statistics.looks import FACT, FIRST, planned, rounds_of

TAU, ALPHA = 3.0, 0.05
SHARES = (0.5, 0.8, 0.9, 1.0)
DECIDED = ("has", "has_not")


def looks(scores: hs.HeadScores, sizes: list[int], seed: int) -> Iterator[hs.HeadScores]:
    """Yield the scores of the first documents in random order, at each look."""
    documents = scores.documents or scores.sequence_ids
    numbers = {name: n for n, name in enumerate(dict.fromkeys(documents))}
    units = np.array([numbers[name] for name in documents])
    rounds = rounds_of(units, sizes, seed)
    for stop in range(1, len(rounds) + 1):
        rows = np.concatenate(rounds[:stop])
        part = hs.HeadScores.from_arrays(
            scores.values[rows],
            scores.roles,
            documents=None if scores.documents is None else [documents[row] for row in rows],
            attainable=None if scores.attainable is None else scores.attainable[rows],
        )
        yield replace(part, facts={**part.facts, FACT: str(len(sizes))})


def n_units(scores: hs.HeadScores) -> int:
    return len(set(scores.documents or scores.sequence_ids))


# --- The guarantee: every mean is tau, so that every decision is wrong.

Draw = Callable[[np.random.Generator], hs.HeadScores]


def of_documents(population: Population, n: int) -> Draw:
    return lambda rng: population.drawn(rng, n)


def skewed(icc: float, n_documents: int = 100, cells: int = 144) -> Draw:
    """Exponential scores, in documents of 1 to 30 sequences with an intraclass correlation."""

    def draw(rng: np.random.Generator) -> hs.HeadScores:
        size = np.minimum(rng.geometric(1 / 5, n_documents), 30)
        owner = np.repeat(np.arange(n_documents), size)
        of_document, own = (rng.exponential(size=(n, cells)) - 1 for n in (n_documents, len(owner)))
        # Weights add up to at most sqrt(2), so that with a spread of 0.7 no score falls below 0.
        deviation = math.sqrt(icc) * of_document[owner] + math.sqrt(1 - icc) * own
        values = TAU * (1 + 0.7 * deviation).reshape(len(owner), 1, 1, cells)
        return hs.HeadScores.from_arrays(values, ["role"], documents=[str(each) for each in owner])

    return draw


def errs(scores: hs.HeadScores, first: int, seed: int) -> list[bool]:
    """Return whether a study shows a role, or its absence; without spending; at the end alone."""
    has = has_not = unspent = False
    for part in looks(scores, planned(n_units(scores), first), seed):
        table = hs.test(part, tau=TAU, alpha=ALPHA).table
        verdict = table["verdict"]
        has |= bool((verdict == "has").any())
        has_not |= bool((verdict == "has_not").any())
        at_once = bool((adjust(table["pvalue"].to_numpy()) <= ALPHA).any())
        unspent |= at_once
    return [has, has_not, unspent, at_once]


def guarantee(draws: dict[str, Draw], firsts: list[int], runs: int, seed: int) -> Iterator[str]:
    names = ("any has", "any has_not", "any has, each look at alpha", "any has, the end alone")
    yield f"| scores | first look | {' | '.join(names)} |"
    yield "|" + "---|" * (len(names) + 2)
    for name, draw in draws.items():
        for first in firsts:
            rng = np.random.default_rng([seed, first])
            found = np.array(
                [errs(draw(rng), first, int(rng.integers(2**31))) for _ in range(runs)]
            )
            error = found.std(axis=0, ddof=1) / math.sqrt(runs)
            cells = [f"{m:.3f} ± {e:.3f}" for m, e in zip(found.mean(axis=0), error, strict=True)]
            yield f"| {name} | {first} | {' | '.join(cells)} |"


# --- Savings.


def savings(name: str, scores: hs.HeadScores, orders: int) -> Iterator[str]:
    """Yield a row for each share: what is read, and how its decisions differ from a whole run."""
    whole = hs.test(scores).table["verdict"]
    found: dict[float, list[tuple[int, int, int, int, bool]]] = {share: [] for share in SHARES}
    for seed in range(orders):
        tables = [
            (len(part.values), hs.test(part).table["verdict"])
            for part in looks(scores, planned(n_units(scores)), seed)
        ]
        for share in SHARES:
            found[share].append(_stop(tables, share, whole))
    for share, rows in found.items():
        read, decided, otherwise = (f"{each:.0f}" for each in np.median(rows, axis=0)[:3])
        opposite, reached = np.sum(rows, axis=0)[3:]
        yield (
            f"| {name} | {share:g} | {read} of {len(scores.values)} | {decided} | {otherwise} | "
            f"{opposite} | {reached} of {orders} |"
        )


def _stop(
    tables: list[tuple[int, pd.Series]], share: float, whole: pd.Series
) -> tuple[int, int, int, int, bool]:
    """Return what is read and decided, and how many of these a whole run decides otherwise.

    Otherwise: undecided or the opposite; the opposite alone; and whether the share is reached.
    """
    enough = (verdict.isin(DECIDED).sum() >= share * (verdict != "").sum() for _, verdict in tables)
    at = next((n for n, each in enumerate(enough) if each), None)
    read, verdict = tables[-1 if at is None else at]
    decided = verdict.isin(DECIDED)
    differs = decided & (verdict != whole)
    return (
        read,
        int(decided.sum()),
        int(differs.sum()),
        int((differs & whole.isin(DECIDED)).sum()),
        at is not None,
    )


def by_evalues(scores: hs.HeadScores, seed: int) -> tuple[int, int, int, int]:
    """Return how many cells e-values decide by the end: has, has_not, over documents, sequences.

    Bets on the sum of a document over the largest document, and on single sequences in random
    order (which takes them as independent); downwards the largest attainable score bounds them. A
    cell is decided once its e-value is the number of tests over alpha, at any time.
    """
    rng = np.random.default_rng(seed)
    x = np.nan_to_num(scores.values.reshape(len(scores.values), -1).astype(float) - TAU)
    most = np.nanmax(scores.attainable, axis=(0, 2)).repeat(x.shape[1] // len(scores.roles))
    tested = hs.test(scores).table["pvalue"].notna().to_numpy()
    documents = documents_of(scores)
    sums = np.array([x[documents[n]].sum(axis=0) for n in rng.permutation(len(documents))])
    sums /= max(map(len, documents))
    found = []
    for bets in (sums, x[rng.permutation(len(x))]):
        for scale in (TAU, -np.maximum(most - TAU, 1e-9)):
            log_sum = np.full(bets.shape, -np.inf)
            for bet in BETS:
                log_sum = np.logaddexp(log_sum, np.log1p(bet / scale * bets).cumsum(axis=0))
            enough = math.log(len(BETS) * tested.sum() / ALPHA)
            reached = (log_sum >= enough).any(axis=0)
            found.append(int((reached & tested).sum()))
    return tuple(found)


def seconds(model: object, corpus: object, **options: object) -> Iterator[str]:
    """Yield what whole runs and runs that stop take, each twice in turn, the faster one."""
    ways: dict[str, dict[str, object]] = {"whole": {}} | {
        f"until {share:g}": {"until": share} for share in SHARES
    }
    best: dict[str, tuple[float, int]] = {}
    for _ in range(2):
        for name, how in ways.items():
            start = time.perf_counter()
            scores = hs.score(model, corpus, progress=False, **options, **how)
            took = time.perf_counter() - start
            best[name] = min(best.get(name, (math.inf, 0)), (took, len(scores.values)))
    for name, (took, read) in best.items():
        yield f"| {name} | {read} | {took:.1f} | {took / best['whole'][0]:.0%} |"


def decoder() -> tuple[object, object] | str:
    """Return the decoder of the demo and its corpus, or why not."""
    from headscore.errors import HeadscoreError

    try:
        from headscore.demo.decoder import demo_decoder

        model = str(demo_decoder(lambda _: None))
    except (ImportError, HeadscoreError) as error:
        return f"SmolLM2: skipped ({error})"
    return model, hs.synthetic("repeated_text", model, 250)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--scores", nargs="*", default=[], metavar="RUN.hs", help="saved scores of whole runs"
    )
    parser.add_argument("--runs", type=int, default=500)
    parser.add_argument("--orders", type=int, default=20)
    parser.add_argument("--first", type=int, nargs="+", default=[FIRST])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", choices=("guarantee", "savings", "seconds"))
    parser.add_argument("--time", nargs=2, metavar=("MODEL", "CORPUS"), help="for seconds")
    parser.add_argument("--pairs", help="as in headscore.score, for seconds")
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    arguments = parser.parse_args()
    if arguments.tiny:
        arguments.runs = arguments.orders = 2
    if arguments.only == "seconds":
        print_seconds(arguments)
        return
    named = {each: hs.HeadScores.load(each) for each in arguments.scores} or {
        "MiniLM, demo": hs.score(demo_model(), demo_corpus(), pairs="consecutive", progress=False)
    }
    if arguments.only in (None, "guarantee"):
        print_guarantee(next(iter(named.values())), arguments)
    if arguments.only in (None, "savings"):
        print_savings(named, arguments)


def print_guarantee(scores: hs.HeadScores, arguments: argparse.Namespace) -> None:
    population = Population.at_tau(scores)
    single = replace(population, documents=[np.array([n]) for n in range(len(scores.values))])
    n_drawn, n_documents = (20, 20) if arguments.tiny else (318, 100)
    draws = {
        "plasmode, documents": of_documents(population, n_drawn),
        "plasmode, single sequences": of_documents(single, n_drawn),
        **{f"exponential, ICC {icc:g}": skewed(icc, n_documents) for icc in (0.0, 0.1, 0.2)},
    }
    print(f"Every mean is tau {TAU:g}; alpha {ALPHA:g}, Holm, {arguments.runs} studies each:\n")
    for line in guarantee(draws, arguments.first, arguments.runs, arguments.seed):
        print(line, flush=True)


def print_savings(named: dict[str, hs.HeadScores], arguments: argparse.Namespace) -> None:
    n = arguments.orders
    print(f"\nMedians of {n} orders; sums of opposite verdicts and of reached shares:\n")
    print("| scores | share | read | decided | otherwise | opposite | share reached |")
    print("|---|---|---|---|---|---|---|")
    for name, scores in named.items():
        print("\n".join(savings(name, scores, n)), flush=True)
    print("\n| scores | e-values over documents: has, has_not | over sequences: has, has_not |")
    print("|---|---|---|")
    for name, scores in named.items():
        if scores.documents is not None:
            has, has_not, singly, singly_not = by_evalues(scores, arguments.seed)
            print(f"| {name} | {has}, {has_not} | {singly}, {singly_not} |")


def print_seconds(arguments: argparse.Namespace) -> None:
    print("| run | sequences | seconds | of the whole run |\n|---|---|---|---|")
    if arguments.time:
        model, corpus = arguments.time
        print("\n".join(seconds(model, corpus, pairs=arguments.pairs)))
        return
    print("\n".join(seconds(demo_model(), demo_corpus(), pairs="consecutive")))
    found = decoder()
    if isinstance(found, str):
        print(found)
    else:
        print("\n".join(seconds(*found, roles="decoder")))


if __name__ == "__main__":
    main()
