"""Tables of whole runs on a device."""

from __future__ import annotations

import time

import numpy as np
import torch
from baselines import made_batch
from cuda_device import Bench, Rows

import headscore as hs
from headscore.model.load import load_model
from headscore.options import LoadOptions, RunOptions
from headscore.roles.specs import parse_roles
from headscore.scores.batches import batches_of, inputs, run_batches


def whole_runs(bench: Bench) -> Rows:
    """`run_batches` and `hs.score` against the plain forward pass of as many tokens, BERT-base."""
    from tokenizers import Tokenizer, models
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    small = {"num_hidden_layers": 2, "hidden_size": 128, "intermediate_size": 256}
    changes = {**small, "num_attention_heads": 2} if bench.tiny else {}
    network = BertModel(BertConfig(attn_implementation="sdpa", **changes)).eval()
    network = network.to(bench.device, bench.dtype)
    words = {f"w{n}": n + 2 for n in range(1000)}
    pieces = Tokenizer(models.WordLevel({"[PAD]": 0, "[UNK]": 1, **words}, unk_token="[UNK]"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=pieces, pad_token="[PAD]")
    tokenizer.model_max_length = 512
    loaded = load_model(network, LoadOptions(tokenizer=tokenizer))
    roles = parse_roles("paper")
    for tokens in (32,) if bench.tiny else (128, 512):
        encoded = made_batch(4 if bench.tiny else 65536 // tokens, tokens)
        batches = batches_of(encoded.lengths, 32768)

        def plain(encoded=encoded, batches=batches) -> None:
            with torch.inference_mode():
                for each in batches:
                    network(**inputs(loaded, encoded.take(each)), use_cache=False)

        def scored(encoded=encoded, position=False) -> None:
            run_batches(loaded, encoded, roles, RunOptions(batch_tokens=32768, position=position))

        forward = bench.wall_seconds(plain)
        row = {"T": tokens, "forward, tokens/s": float(encoded.lengths.sum()) / forward}
        row["batches / forward"] = bench.wall_seconds(scored) / forward
        controlled = bench.wall_seconds(lambda s=scored: s(position=True)) / forward
        row["with position control"] = controlled
        row["score / forward"] = (
            _score_seconds(bench, network, tokenizer, tokens) * (row["forward, tokens/s"])
        )
        yield row


def _score_seconds(bench: Bench, network: object, tokenizer: object, tokens: int) -> float:
    """Seconds per token of `hs.score` from texts, host workers on: of the second half of a run.

    The first half pays for the start of the workers.
    """
    few = 8 if bench.tiny else 2**20 // tokens
    numbers = np.random.default_rng(0).integers(0, 1000, (2 * few, tokens))
    texts = [" ".join(f"w{number}" for number in row) for row in numbers]

    def timed(count: int) -> float:
        start = time.perf_counter()
        hs.score(
            network,
            texts[:count],
            tokenizer=tokenizer,
            roles="local:2,previous,next,duplicate",
            backend=bench.backend,
            batch_tokens=32768,
            chunk=max(1, few // 4),
        )
        return time.perf_counter() - start

    timed(few)
    return max(timed(2 * few) - timed(few), 1e-9) / (few * tokens)
