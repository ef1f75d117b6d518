"""The CUDA kernels on a GPU. Needs nothing beyond numpy, torch and pytest."""

import numpy as np
import pytest
import torch
from helpers.batches import peaked, peaks, random_batch, relative

import headscore as hs
from headscore import backends

FLOAT32, HALF = 1e-5, 2e-3


@pytest.fixture(autouse=True)
def _gpu(request):
    reason = backends.available()["cuda"]
    if reason is None:
        return
    if "cuda" in request.config.getoption("--require-backend"):
        pytest.fail(f"backend cuda: {reason}")
    pytest.skip(f"backend cuda: {reason}")


def queries_keys(batch, heads, kv_heads, size, dtype):
    generator = torch.Generator().manual_seed(size)
    n, tokens = batch.shape
    return [
        torch.randn(n, tokens, h, size, generator=generator).to(dtype).transpose(1, 2).cuda()
        for h in (heads, kv_heads)
    ]


def wanted(query, key, plan, **options):
    options = {**options, "bias": options["bias"].double()} if "bias" in options else options
    return hs.sieve_scores_qk(query.double(), key.double(), plan, backend="reference", **options)


OPTIONS = {
    "full": {},
    "causal": {"causal": True},
    "window": {"window": 9},
    "causal window": {"causal": True, "window": 70},
    "softcap": {"softcap": 4.0},
    "negative scale": {"scale": -0.2, "causal": True},
    "scale 0": {"scale": 0.0},
}


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("size", [7, 16, 32, 64, 96, 100, 128, 192, 256, 300])
def test_every_head_size_dtype_and_option(size, dtype):
    batch = random_batch(size, lengths=[200, 77, 1])
    query, key = queries_keys(batch, 4, 2, size, dtype)
    plan = batch.plan()
    limit = FLOAT32 if dtype == torch.float32 else HALF
    for name, options in OPTIONS.items():
        scale = {"scale": size**-0.5} if "scale" not in options else {}
        want = wanted(query, key, plan, per_token=True, **options, **scale)
        got = hs.sieve_scores_qk(query, key, plan, per_token=True, **options, **scale)
        assert got[0].device == query.device
        assert relative(got[0].cpu(), want[0].cpu()) <= limit, name
        assert relative(got[1].cpu(), want[1].cpu()) <= 3 * limit, name


@pytest.mark.parametrize("tokens", [1, 63, 64, 65, 129, 1000])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_small_and_long_rows(tokens, dtype):
    batch = random_batch(tokens, lengths=[tokens, max(1, tokens - 1)])
    query, key = queries_keys(batch, 2, 1, 64, dtype)
    plan = batch.plan()
    for options in ({}, {"causal": True}):
        want = wanted(query, key, plan, **options).cpu()
        assert relative(hs.sieve_scores_qk(query, key, plan, **options).cpu(), want) <= HALF


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
def test_a_bias(dtype):
    batch = random_batch(3, lengths=[150, 60])
    query, key = queries_keys(batch, 2, 2, 32, torch.bfloat16)
    bias = torch.randn(1, 2, 150, 150).to(dtype).cuda()
    plan = batch.plan()
    want = wanted(query, key, plan, bias=bias).cpu()
    assert relative(hs.sieve_scores_qk(query, key, plan, bias=bias).cpu(), want) <= HALF


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float32])
@pytest.mark.parametrize("tokens", [64, 131, 2100])
def test_given_attention(tokens, dtype):
    batch = random_batch(tokens, lengths=[tokens, 41])
    hidden = torch.from_numpy(np.arange(tokens) >= batch.lengths[:, None])[:, None, None]
    logits = torch.randn(2, 3, tokens, tokens).masked_fill(hidden, -1e9)
    attention = torch.softmax(logits, -1).to(dtype).cuda()
    want = hs.sieve_scores(attention, batch.plan(), backend="reference").cpu()
    assert relative(hs.sieve_scores(attention, batch.plan()).cpu(), want) <= FLOAT32


@pytest.mark.parametrize("peak", [3, 590])
def test_the_entropy_of_given_attention_with_one_large_probability_keeps_its_digits(peak):
    plan = random_batch(1, lengths=[600]).plan("block_plain,block")
    attention = peaked(600, peak).cuda()
    want = hs.sieve_scores(attention.double(), plan, backend="reference", per_token=True)
    got = hs.sieve_scores(attention, plan, backend="cuda", per_token=True)
    assert relative(got[0].cpu(), want[0].cpu()) <= FLOAT32
    assert relative(got[1].cpu(), want[1].cpu()) <= FLOAT32


@pytest.mark.parametrize("peak", [3, 590])
def test_the_entropy_of_queries_and_keys_with_one_large_probability_keeps_its_digits(peak):
    plan, logits = random_batch(1, lengths=[600]).plan("block_plain,block"), peaks(600, peak)
    query, key = torch.zeros(2, 1, 1, 600, 16).cuda()  # the logits are those of the bias
    want = wanted(query, key, plan, bias=logits.cuda(), per_token=True)
    got = hs.sieve_scores_qk(query, key, plan, bias=logits.float().cuda(), per_token=True)
    assert relative(got[0].cpu(), want[0].cpu()) <= FLOAT32
    assert relative(got[1].cpu(), want[1].cpu()) <= FLOAT32


def test_faults_are_found():
    attention = torch.full((1, 3, 70, 70), 1 / 70).cuda()
    attention[0, 0, 40, 3] = float("nan")
    attention[0, 2, 69, :2] = torch.tensor([-0.25, 0.25 + 2 / 70])
    plan = random_batch(1, lengths=[70]).plan()
    raw = backends.score_attention(attention, plan, backends.Visibility(), backend="cuda")
    assert raw.faults.bool().tolist() == [[True, False, True]]
    with pytest.raises(hs.InputError, match="sequence 0, head 0 holds NaN or Inf"):
        hs.sieve_scores(attention, plan)


def test_the_same_bits_in_any_batch_stream_and_run():
    batch = random_batch(9, lengths=[61, 300, 1])
    query, key = queries_keys(batch, 2, 1, 64, torch.bfloat16)
    together = hs.sieve_scores_qk(query, key, batch.plan()).nan_to_num(-1)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        again = hs.sieve_scores_qk(query, key, batch.plan()).nan_to_num(-1)
    torch.cuda.current_stream().wait_stream(stream)
    assert torch.equal(together, again)
    for b, n in enumerate(batch.lengths.tolist()):
        alone = type(batch)(
            batch.lengths[b : b + 1],
            batch.special[b : b + 1, :n],
            batch.segments[b : b + 1, :n],
            {relation: words[b : b + 1] for relation, words in batch.pairs.items()},
        )
        one = slice(b, b + 1)
        got = hs.sieve_scores_qk(query[one, :, :n], key[one, :, :n], alone.plan()).nan_to_num(-1)
        assert torch.equal(got, together[one])


def test_auto_takes_the_kernels_for_tensors_on_a_gpu():
    from headscore.backends import cuda

    assert backends.choose("auto", torch.device("cuda")) is cuda
