"""Long contexts: memory grows with T, not T x T, and rows keep their values."""

import numpy as np
import pytest
import torch
from helpers import tiny
from helpers.memory import largest_allocation

import headscore as hs
from headscore.model import forward
from headscore.model.load import load_model
from headscore.options import LoadOptions, RunOptions
from headscore.roles.specs import parse_roles
from headscore.scores.batches import run_batches

ROLES = "local,sink,previous,duplicate,induction"


@pytest.mark.slow
def test_rows_at_32768_tokens_are_right_without_t_by_t_memory():
    tokens, size = 32768, 16
    generator = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 1, 1, tokens, size, generator=generator)
    ids = np.random.default_rng(0).integers(0, 5000, (1, tokens))
    plan = hs.SievePlan.compile(ROLES, hs.Encoded.from_arrays(ids))
    result = []
    largest, numpy_peak = largest_allocation(
        lambda: result.append(hs.sieve_scores_qk(query, key, plan, causal=True, per_token=True))
    )
    assert max(largest, numpy_peak) < tokens * tokens / 16  # bytes
    _, token_scores = result[0]
    for i in (5, 4097, tokens - 1):
        row = (query[0, 0, i].double() @ key[0, 0, : i + 1].double().T / size**0.5).softmax(0)
        equal = np.flatnonzero(ids[0, :i] == ids[0, i])
        sieves = [range(max(i - 2, 0), i + 1), [0], [i - 1], equal, equal[equal < i - 1] + 1]
        want = [row[list(s)].mean() * (i + 1) if len(s) else torch.nan for s in sieves]
        np.testing.assert_allclose(token_scores[0, :, 0, i], want, rtol=1e-4)


@pytest.mark.parametrize("window", [None, 64])
def test_the_model_output_allocates_no_t_by_t_array(window):
    kind = "llama" if window is None else "mistral"
    options = {} if window is None else {"sliding_window": window}
    network = tiny.network(kind, max_position_embeddings=4096, num_key_value_heads=2, **options)
    tokenizer = tiny.tokenizer("llama")
    tokenizer.model_max_length = 4096
    loaded = load_model(network, LoadOptions(tokenizer=tokenizer))
    ids = torch.randint(5, 60, (1, 3000), generator=torch.Generator().manual_seed(0))
    with forward.attached(network, loaded.route):
        largest, _ = largest_allocation(lambda: running_pass(network, ids))
    assert largest < 4 * 3000 * 3000


def running_pass(network, ids):
    with torch.inference_mode():
        network(ids, use_cache=False)


def test_norm_weights_and_windows_allocate_no_t_by_t_array():
    network = tiny.network("mistral", max_position_embeddings=4096, sliding_window=64,
                           num_key_value_heads=2)  # fmt: skip
    tokenizer = tiny.tokenizer("llama")
    tokenizer.model_max_length = 4096
    loaded = load_model(network, LoadOptions(tokenizer=tokenizer))
    long = tiny.Sequence("long", (tiny.segment(np.random.default_rng(0), 1500),))
    encoded = tiny.encode(loaded, [long])
    tokens, roles = int(encoded.lengths[0]), parse_roles("local,sink")
    largest, numpy_peak = largest_allocation(
        lambda: run_batches(loaded, encoded, roles, RunOptions(batch_tokens=tokens, weights="norm"))
    )
    assert tokens > 2500
    assert max(largest, numpy_peak) < tokens * tokens
