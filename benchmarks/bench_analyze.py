"""Whole-run benchmark: what scoring costs beside the model itself, and beside the usual way.

Three tables: scoring against the model's plain SDPA forward of the same batches; against the usual
way (batches of 32 in corpus order, eager attentions kept, one product for all roles, or a masked
sum for each); and the authors' way (token loops in numpy over stored attention). Every way is
checked equal before it is timed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from baselines import Stacked, dense_masks, masked_sums, token_loops
from machine import watched
from timing import in_turn, peak_memory
from transformers import BertConfig, BertModel

from headscore.backends import sieve_scores
from headscore.backends.contract import Visibility
from headscore.corpus import read
from headscore.corpus.sequence import Segment, Sequence
from headscore.demo import demo_corpus, demo_model
from headscore.encoding.encode import encode
from headscore.encoding.encoded import Encoded
from headscore.model.load import Model, load_model
from headscore.options import LoadOptions, ReadOptions
from headscore.roles.specs import parse_roles
from headscore.scores.attentions import score_attentions
from headscore.scores.batches import batches_of, inputs, run_batches
from headscore.sieves.plan import SievePlan

ROLES = parse_roles("paper")
FULL = Visibility()


def bert_base() -> Model:
    """BERT-base in shape, with random weights."""
    torch.manual_seed(0)
    network = BertModel(BertConfig(attn_implementation="sdpa")).eval()
    return load_model(network, LoadOptions(tokenizer=load_model(demo_model()).tokenizer))


def of_length(sequences: Iterable[Sequence], words: int) -> Iterator[Sequence]:
    """Join parsed sentences to pairs of texts of about so many words in all."""
    texts: list[Segment] = []
    parts: list[Segment] = []
    for number, sequence in enumerate(sequences):
        parts.append(sequence.segments[0])
        if sum(len(part.words or ()) for part in parts) >= words / 2:
            texts.append(_joined(parts))
            parts = []
        if len(texts) == 2:
            yield Sequence(str(number), tuple(texts))
            texts = []


def _joined(parts: list[Segment]) -> Segment:
    text, words, spans, heads, relations = "", [], [], [], []
    for part in parts:
        start, first = len(text), len(words)
        text += part.text + " "
        words += part.words or ()
        spans += [(start + begin, start + end) for begin, end in part.spans or ()]
        heads += [head if head < 0 else head + first for head in part.heads or ()]
        relations += part.relations or ()
    return Segment(text, tuple(words), tuple(spans), tuple(heads), tuple(relations))


def corpus_of(loaded: Model, tokens: int, most: int) -> Encoded:
    """Pairs of about `tokens` tokens from the demo corpus, repeated up to `most` tokens in all."""
    sequences = of_length(list(read(demo_corpus())), 0.8 * tokens)
    encoded = encode(sequences, loaded.tokenizer, max_length=loaded.max_length)
    rows = np.resize(np.arange(len(encoded)), max(1, round(most / encoded.lengths.mean())))
    return replace(encoded.take(rows), ids=tuple(map(str, range(len(rows)))))


def plain_forward(loaded: Model, encoded: Encoded, batches: list[np.ndarray]) -> None:
    """Run the model itself over the same batches."""
    with torch.inference_mode():
        for rows in batches:
            loaded.network(**inputs(loaded, encoded.take(rows)), use_cache=False)


class Usual:
    """The usual way: batches of 32 in corpus order, eager, attentions kept.

    Then one product for all roles, or a masked sum for each role.
    """

    def __init__(self, loaded: Model, encoded: Encoded, *, product: bool) -> None:
        self.loaded = loaded
        self.product = product
        starts = range(0, len(encoded), 32)
        self.batches = [encoded.take(np.arange(len(encoded))[s : s + 32]) for s in starts]
        masks = [dense_masks(SievePlan.compile(ROLES, each), FULL) for each in self.batches]
        self.masks = [Stacked(each) for each in masks] if product else masks

    def __call__(self) -> torch.Tensor:
        network = self.loaded.network
        network.set_attn_implementation("eager")
        try:
            with torch.inference_mode():
                scores = [
                    self._score(each, masks)
                    for each, masks in zip(self.batches, self.masks, strict=True)
                ]
        finally:
            network.set_attn_implementation("sdpa")
        return torch.cat(scores)

    def _score(self, batch: Encoded, masks: Any) -> torch.Tensor:
        given = inputs(self.loaded, batch)
        out = self.loaded.network(**given, output_attentions=True, use_cache=False)
        return torch.stack([self._sums(layer, masks) for layer in out.attentions], 2)

    def _sums(self, attention: torch.Tensor, masks: Any) -> torch.Tensor:
        if not self.product:
            return masked_sums(attention, masks)
        return masks.sums(attention, torch.special.entr(attention).sum(-1))


def difference(ours: np.ndarray, theirs: np.ndarray) -> float:
    """Largest relative difference where a sequence takes part."""
    relative = torch.from_numpy(np.abs(ours - theirs) / np.maximum(np.abs(theirs), 1e-6))
    return float(relative.nan_to_num(0.0).max())


def print_forward(rounds: int, tiny: bool) -> None:
    print(f"\nscoring against the plain SDPA forward, {torch.get_num_threads()} threads; seconds")
    print(
        f"{'model':>20} {'T':>4} {'scored':>8} {'plain':>8} {'ratio':>6} {'of minima':>9} "
        f"{'difference':>10}"
    )
    makers = {"MiniLM (6 x 384)": (lambda: load_model(demo_model()), 8192)}
    if not tiny:
        makers["BERT-base (12 x 768)"] = (bert_base, 4096)
    for name, (make, most) in makers.items():
        loaded = make()
        for tokens in (30,) if tiny else (30, 128, 500):
            encoded = corpus_of(loaded, tokens, 512 if tiny else most)
            batches = batches_of(encoded.lengths, 2048)
            gap = _gap_to_eager(loaded, encoded.take(batches[0][:4]))
            assert gap < 1e-3, gap
            timed = in_turn(
                {
                    "scored": lambda m=loaded, e=encoded: run_batches(m, e, ROLES),
                    "plain": lambda m=loaded, e=encoded, b=batches: plain_forward(m, e, b),
                },
                rounds=rounds,
                least_seconds=0.0,
            )
            scored, plain = timed["scored"], timed["plain"]
            print(
                f"{name:>20} {encoded.lengths.mean():4.0f} {scored.median:8.3f} "
                f"{plain.median:8.3f} {scored.median / plain.median:6.2f} "
                f"{scored.fastest / plain.fastest:9.2f} {gap:10.1e}",
                flush=True,
            )


def _gap_to_eager(loaded: Model, batch: Encoded) -> float:
    ours = run_batches(loaded, batch, ROLES).values
    loaded.network.set_attn_implementation("eager")
    with torch.inference_mode():
        out = loaded.network(**inputs(loaded, batch), output_attentions=True)
    loaded.network.set_attn_implementation("sdpa")
    return difference(
        ours, score_attentions(out.attentions, batch, ROLES, backend="reference").values
    )


def print_usual(corpus: str, rounds: int) -> None:
    """Whole corpus: the usual way against `run_batches`, with the memory of each."""
    loaded = load_model(demo_model())
    sequences = read(corpus, ReadOptions(pairs="consecutive"))
    encoded = encode(sequences, loaded.tokenizer, max_length=loaded.max_length)
    ways: dict[str, Callable[[], Any]] = {
        "headscore": lambda: run_batches(loaded, encoded, ROLES),
        "one product": Usual(loaded, encoded, product=True),
        "masked sums": Usual(loaded, encoded, product=False),
    }
    ours = run_batches(loaded, encoded, ROLES).values
    gap = max(difference(ours, ways[name]().numpy()) for name in ("one product", "masked sums"))
    assert gap < 1e-2, gap
    timed = in_turn(ways, rounds=rounds, least_seconds=0.0)
    print(f"\nthe usual way, MiniLM, {len(encoded)} sequences of {corpus}; difference {gap:.1e}")
    for name, run in ways.items():
        print(
            f"{name:>12} {timed[name].median:6.2f} s, {peak_memory(run):5.0f} MiB above the model, "
            f"times headscore {timed[name].ratio(timed['headscore'])} (median, fastest)"
        )


def print_loops() -> None:
    """Token loops in numpy over stored attention against the kernel, one layer of MiniLM."""
    loaded = load_model(demo_model())
    encoded = corpus_of(loaded, 30, 300)
    plan = SievePlan.compile(ROLES, encoded)
    loaded.network.set_attn_implementation("eager")
    with torch.inference_mode():
        out = loaded.network(**inputs(loaded, encoded), output_attentions=True)
    loaded.network.set_attn_implementation("sdpa")
    attention = out.attentions[0].numpy()
    masks = [(mask.numpy(), with_entropy) for mask, with_entropy in dense_masks(plan, FULL)]
    start = time.perf_counter()
    theirs = token_loops(attention, masks, encoded.lengths)
    loops = time.perf_counter() - start
    gap = difference(np.nan_to_num(sieve_scores(attention, plan)), theirs)
    assert gap < 1e-4, gap
    timed = in_turn({"ours": lambda: sieve_scores(attention, plan)}, rounds=5)["ours"]
    print(
        f"\ntoken loops over stored attention, {len(encoded)} sequences, 12 heads, ten roles: "
        f"{loops:.3f} s, kernel {timed.median * 1e3:.3f} ms: {loops / timed.median:.0f}x"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "corpus", nargs="?", default=str(demo_corpus()), help="for the second table"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--tiny", action="store_true", help="one small row, to see that it runs")
    options = parser.parse_args()
    with watched():
        if not options.tiny:
            print_usual(options.corpus, options.rounds)
            print_loops()
        print_forward(1 if options.tiny else options.rounds, options.tiny)


if __name__ == "__main__":
    main()
