"""Whole-run benchmark: scoring a corpus against the plain SDPA forward of the same batches.

The plain forward is the model as users load it. Before timing, scores through the hook are
checked equal to scores of the eager model's attentions on the first batch.
"""

from __future__ import annotations

import argparse

import torch
from timing import in_turn
from transformers import BertConfig, BertModel

from headscore import encoding, model, running, sieves
from headscore.attentions import score_attentions
from headscore.corpus import read
from headscore.demo import demo_corpus, demo_model

ROLES = sieves.parse_roles("paper")


def bert_base() -> model.Model:
    """BERT-base in shape, with random weights."""
    demo = model.load(demo_model())
    torch.manual_seed(0)
    network = BertModel(BertConfig(attn_implementation="sdpa")).eval()
    return model.load(network, demo.tokenizer)


def plain_forward(loaded: model.Model, encoded, batches) -> None:
    """The model's own pass over the same batches."""
    with torch.inference_mode():
        for rows in batches:
            loaded.network(**running.inputs(loaded, encoded.take(rows)), use_cache=False)


def largest_difference(loaded: model.Model, encoded, batches) -> float:
    """Scores through the hook against those of eager attentions, on the first batch."""
    batch = encoded.take(batches[0])
    ours = running.run(loaded, batch, ROLES, batch_tokens=10**9).values
    loaded.network.set_attn_implementation("eager")
    with torch.inference_mode():
        out = loaded.network(**running.inputs(loaded, batch), output_attentions=True)
    loaded.network.set_attn_implementation("sdpa")
    theirs = score_attentions(out.attentions, batch, ROLES, backend="reference").values
    difference = torch.from_numpy(abs(ours - theirs) / abs(theirs))
    return float(difference.nan_to_num().max())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", nargs="?", default=demo_corpus(), help="default: the demo's")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch-tokens", type=int, default=2048)
    parser.add_argument("--tiny", action="store_true", help="only MiniLM, one round")
    options = parser.parse_args()
    print(f"{torch.get_num_threads()} threads, batches of {options.batch_tokens} tokens; seconds")
    print(f"{'model':>22} {'scored':>8} {'plain':>8} {'ratio':>6} {'difference':>10}")
    made = {"MiniLM (6 x 384)": lambda: model.load(demo_model())}
    if not options.tiny:
        made["BERT-base (12 x 768)"] = bert_base
    for name, make in made.items():
        loaded = make()
        sequences = read(options.corpus, pairs="consecutive")
        encoded = encoding.encode(sequences, loaded.tokenizer, max_length=loaded.max_length)
        batches = running.batches_of(encoded.lengths, options.batch_tokens)
        difference = largest_difference(loaded, encoded, batches)
        assert difference < 1e-3, difference
        timed = in_turn(
            {
                "scored": lambda m=loaded, e=encoded: running.run(
                    m, e, ROLES, batch_tokens=options.batch_tokens
                ),
                "plain": lambda m=loaded, e=encoded, b=batches: plain_forward(m, e, b),
            },
            rounds=1 if options.tiny else options.rounds,
            least_seconds=0.0,
        )
        scored, plain = timed["scored"].median, timed["plain"].median
        print(f"{name:>22} {scored:8.3f} {plain:8.3f} {scored / plain:6.2f} {difference:10.1e}")


if __name__ == "__main__":
    main()
