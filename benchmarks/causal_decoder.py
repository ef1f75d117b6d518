"""What a causal model loses without its heads of induction, previous and first tokens, on repeats.

Sentences of a corpus are written twice. Heads get their labels on one half of the sequences, and
the experiment is run on the other half.
"""

from __future__ import annotations

import argparse
import time
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import pandas as pd
import torch
from machine import watched
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedModel

import headscore as hs
from headscore.corpus import read
from headscore.demo import demo_corpus, demo_model
from headscore.model.load import load_model

ROLES = "previous,induction,duplicate,sink"
LEAST, MOST = 12, 30  # words of a text, which is then written twice
OF_A_DOCUMENT = 2  # texts at most: documents are what is independent
COLUMNS = {
    "n_heads": "heads",
    "delta": "delta",
    "ci_low": "at least",
    "ci_high": "at most",
    "at_rows": "at rows",
    "elsewhere": "elsewhere",
    "pvalue_adj": "p, Holm",
    "p_sets": "p of sets",
    "explained": "explained",
    "norm_ratio": "norm ratio",
    "same_offset": "same offset",
    "verdict": "verdict",
}


def repeated(corpus: Path, n: int) -> list[hs.Sequence]:
    """Return n texts of a corpus written twice, with their documents."""
    return [
        hs.Sequence.from_text(f"{text} {text}", id=str(number), document=document)
        for number, (text, document) in enumerate(islice(texts_of(corpus), n))
    ]


def texts_of(corpus: Path) -> Iterator[tuple[str, str | None]]:
    """Yield the first texts of each document that are neither short nor long."""
    taken: Counter[str | None] = Counter()
    for sequence in read(corpus):
        (segment,) = sequence.segments
        if LEAST <= len(segment.words or ()) <= MOST and taken[sequence.document] < OF_A_DOCUMENT:
            taken[sequence.document] += 1
            yield segment.text, sequence.document


def halves(sequences: list[hs.Sequence]) -> tuple[list[hs.Sequence], list[hs.Sequence]]:
    """Split sequences by document, every second document to a half."""
    number = {name: n for n, name in enumerate(dict.fromkeys(s.document for s in sequences))}
    parts = [[s for s in sequences if number[s.document] % 2 == half] for half in (0, 1)]
    return parts[0], parts[1]


def tiny() -> PreTrainedModel:
    """Make a model of random weights for the tokenizer of the demo model."""
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=30522,
        n_positions=128,
        n_embd=32,
        n_layer=2,
        n_head=8,
        initializer_range=0.5,
        bos_token_id=0,
        eos_token_id=0,
    )
    return GPT2LMHeadModel(config).eval()


def table(effect: hs.Effect) -> Iterator[str]:
    """Write a row for each arm of each role."""
    yield f"| role | arm | {' | '.join(COLUMNS.values())} |"
    yield "|---" * (len(COLUMNS) + 2) + "|"
    for row in effect.table.to_dict("records"):
        cells = [_cell(row[name]) for name in COLUMNS]
        yield f"| {row['role']} | {row['arm']} | {' | '.join(cells)} |"


def sets(effect: hs.Effect) -> Iterator[str]:
    """Write a row for each role: what it loses without its heads and without the matched sets."""
    yield "| role | heads | matched sets: least, median, most | norm ratio: least, most |"
    yield "|---|---|---|---|"
    found = effect.sets()
    for role in effect.roles:
        of = found[found["role"] == role]
        own = effect.arms(role).loc["heads", "delta"]
        spread, norms = of["delta"].quantile([0, 0.5, 1]), of["norm_ratio"].quantile([0, 1])
        cells = (", ".join(f"{value:.4f}" for value in each) or "-" for each in (spread, norms))
        yield f"| {role} | {own:.4f} | {' | '.join(cells)} |"


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "-" if pd.isna(value) else f"{value:.4g}"
    return str(value)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", nargs="?", help="folder or hub id (default: random weights)")
    parser.add_argument("--corpus", type=Path, default=demo_corpus(), help="a .conllu file")
    parser.add_argument("--sequences", type=int, default=400)
    parser.add_argument("--sets", type=int, default=19)
    parser.add_argument("--folder", help="keeps finished arms, as the option of `validate`")
    parser.add_argument("--out", metavar="EFFECT.hs")
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    arguments = parser.parse_args()
    model = tiny() if arguments.model is None else arguments.model
    other = {"tokenizer": load_model(demo_model()).tokenizer} if arguments.model is None else {}
    n, n_sets = (40, 3) if arguments.tiny else (arguments.sequences, arguments.sets)
    labelled, held_out = halves(repeated(arguments.corpus, n))
    with watched():
        start = time.perf_counter()
        report = hs.analyze(
            model,
            labelled,
            roles=ROLES,
            tau=1.0 if arguments.tiny else 3.0,
            progress=False,
            **other,
        )
        scored = time.perf_counter() - start
        start = time.perf_counter()
        effect = hs.validate(
            model, held_out, report, sets=n_sets, folder=arguments.folder, progress=False, **other
        )
        tried = time.perf_counter() - start
        print(
            f"\nlabels on {len(labelled)} sequences in {scored:.0f} s, experiment on "
            f"{len(held_out)} in {tried:.0f} s; clean loss {effect.values.clean.mean():.3f} "
            f"{effect.values.unit}; {dict(effect.counts)}\n"
        )
        print("\n".join(table(effect)), "\n")
        print("\n".join(sets(effect)), "\n")
        print(effect.summary())
    if arguments.out:
        effect.save(arguments.out)


if __name__ == "__main__":
    main()
