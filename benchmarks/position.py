"""Position control on heads made by hand: what a next-word head, a band and true syntax get.

Each head puts a share of its attention where it aims, evenly, and the rest on all tokens; a token
without an aim attends evenly to all. Attention is handed in as a model's would be, sentence by
sentence of a parsed corpus.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from itertools import islice

import numpy as np

import headscore as hs
from headscore.arrays import ragged_take
from headscore.corpus import read
from headscore.demo import demo_corpus, demo_model
from headscore.encoding.encode import encode
from headscore.encoding.encoded import Encoded
from headscore.model.load import load_model
from headscore.scores.batches import batches_of

ROLES = "syntactic,nsubj,obj,amod,advmod"
Aim = Callable[[Encoded], np.ndarray]


def next_word(batch: Encoded) -> np.ndarray:
    return _within(batch, 1, 1)


def band(batch: Encoded) -> np.ndarray:
    return _within(batch, -2, 2)


def syntax(batch: Encoded) -> np.ndarray:
    """Every word aims at its head word, whatever the relation."""
    aim = np.zeros((len(batch), batch.tokens, batch.tokens), bool)
    pairs = batch.pairs
    owner = np.repeat(np.arange(len(batch)), np.diff(pairs.offsets))
    for pair in range(len(owner)):
        _, rows = ragged_take(pairs.dependent_offsets, np.array([pair]))
        _, columns = ragged_take(pairs.head_offsets, np.array([pair]))
        aim[np.ix_([owner[pair]], pairs.dependents[rows], pairs.heads[columns])] = True
    return aim


def _within(batch: Encoded, low: int, high: int) -> np.ndarray:
    distance = np.arange(batch.tokens) - np.arange(batch.tokens)[:, None]
    return np.repeat(((distance >= low) & (distance <= high))[None], len(batch), axis=0)


HEADS: dict[str, tuple[Aim, float]] = {
    "next word": (next_word, 1.0),
    "+-2 band": (band, 1.0),
    "head word, half of its attention": (syntax, 0.5),
}


def attention(batch: Encoded, aim: np.ndarray, share: float) -> np.ndarray:
    """Return rows (batch, T, T) that sum to 1 over the real keys."""
    real = batch.real
    aim = aim & real[:, :, None] & real[:, None]
    number = aim.sum(-1, keepdims=True)
    evenly = real[:, None] / real.sum(-1)[:, None, None]
    aimed = np.where(number > 0, aim / np.maximum(number, 1), evenly)
    return np.where(real[:, :, None], share * aimed + (1 - share) * evenly, 0)


def score(encoded: Encoded) -> hs.HeadScores:
    """Score the heads made by hand, as the heads of one layer."""
    parts, order = [], []
    for rows in batches_of(encoded.lengths, 4096):
        batch = encoded.take(rows)
        heads = [attention(batch, aim(batch), share) for aim, share in HEADS.values()]
        parts.append(hs.score_attentions([np.stack(heads, axis=1, dtype=np.float32)], batch, ROLES))
        order.append(rows)
    place = np.argsort(np.concatenate(order))
    values, beyond, attainable = (
        np.concatenate([getattr(part, name) for part in parts])[place]
        for name in ("values", "beyond", "attainable")
    )
    return hs.HeadScores.from_arrays(values, parts[0].roles, attainable=attainable, beyond=beyond)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", nargs="?", help="a .conllu file (default: the demo corpus)")
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    arguments = parser.parse_args()
    sequences = read(arguments.corpus or demo_corpus())
    chosen = list(islice(sequences, 40 if arguments.tiny else None))
    encoded = encode(chosen, load_model(demo_model()).tokenizer, max_length=512)
    report = hs.test(score(encoded))
    print(report.summary(), "\n")
    print("| head | role | n | mean | label | beyond ratio | beyond p | beyond position |")
    print("|---|---|---|---|---|---|---|---|")
    for head, rows in report.table.groupby("head"):
        for row in rows.itertuples():
            print(
                f"| {list(HEADS)[head]} | {row.role} | {row.n} | {row.mean:.2f} | "
                f"{'yes' if row.label else 'no'} | {row.beyond_ratio:.3f} | "
                f"{row.beyond_pvalue:.2g} | {'yes' if row.beyond_position else 'no'} |"
            )


if __name__ == "__main__":
    main()
