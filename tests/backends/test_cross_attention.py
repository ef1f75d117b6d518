"""Scores of queries and keys of two texts: every backend against the loops, and invalid input."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import loops
from helpers.batches import (
    SOURCE_ROLES,
    cross_queries_keys,
    loop_attention,
    loop_output,
    made_bias,
    random_batch,
    random_cross,
    relative,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import headscore as hs
from headscore.backends import score_qk
from headscore.backends.contract import Visibility

FLOAT32, HALF = 1e-5, 2e-3


def wanted_attention(cross, query, key, **options):
    lengths, key_lengths = cross.target.lengths, cross.source.lengths
    query, key = query.double(), key.double()
    return loop_attention(query, key, lengths, key_lengths=key_lengths, **options)


def with_dirty_padding(cross, attention):
    """Attention with NaN at the keys that are padding."""
    attention = attention.copy()
    for b, n in enumerate(cross.source.lengths):
        attention[b, :, :, n:] = np.nan
    return torch.from_numpy(attention).float()


@given(
    seed=st.integers(0, 10**6),
    softcap=st.none() | st.floats(0.5, 30),
    kv_heads=st.sampled_from([1, 2]),
    size=st.sampled_from([1, 7, 16]),
    biased=st.sampled_from([None, "one", "each", "view", torch.bfloat16]),
)
@example(seed=2, softcap=12.0, kv_heads=1, size=16, biased="each")
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def check_loops(name, seed, softcap, kv_heads, size, biased):
    cross = random_cross(seed)
    query, key = cross_queries_keys(cross, 2, kv_heads, size, seed)
    bias = made_bias(cross.target, 2, seed, biased, cross.source.shape[1])
    options = {"scale": 0.7, "softcap": softcap}
    attention = wanted_attention(cross, query, key, bias__bhtt=bias, **options)
    want, plan = cross.loop_scores(attention), cross.plan()
    got = hs.sieve_scores_qk(query, key, plan, bias=bias, backend=name, **options)
    assert relative(got, want) <= FLOAT32
    given = with_dirty_padding(cross, attention)
    assert relative(hs.sieve_scores(given, plan, backend=name), want) <= FLOAT32
    if name != "cuda":
        value = torch.randn(*key.shape[:3], 5, generator=torch.Generator().manual_seed(seed))
        value[torch.isnan(key[..., :1]).expand_as(value)] = float("nan")
        raw = score_qk(
            query, key, plan, Visibility(), value=value, bias=bias, backend=name, **options
        )
        lengths, key_lengths = cross.target.lengths, cross.source.lengths
        want = loop_output(attention, value.double(), lengths, key_lengths)
        np.testing.assert_allclose(raw.output, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["cpu", "reference"])
def test_two_texts_agree_with_the_loops(name):
    check_loops(name)


@pytest.mark.usefixtures("emulated_cuda")
def test_two_texts_agree_with_the_loops_on_emulated_cuda():
    check_loops("cuda")


SIZES = [
    ([1, 1], [130, 3]),
    ([140, 9], [1, 1]),
    ([70, 64], [300, 129]),
    ([260, 33], [65, 2]),
    ([5, 5], [5, 5]),
]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_all_sizes_and_dtypes_agree_with_float64(backend, sizes, dtype):
    cross = random_cross(7, lengths=sizes[0], source_lengths=sizes[1])
    query, key = cross_queries_keys(cross, 4, 2, 24, 7, dtype)
    plan = cross.plan()
    tolerance = FLOAT32 if dtype == torch.float32 else HALF
    wide = (query.double(), key.double())
    want = hs.sieve_scores_qk(*wide, plan, backend="reference", per_token=True)
    got = hs.sieve_scores_qk(query, key, plan, backend=backend, per_token=True)
    assert [relative(g, w) <= tolerance for g, w in zip(got, want, strict=True)] == [True, True]
    logits = wide[0] @ wide[1].repeat_interleave(2, 1).transpose(-1, -2)
    attention = logits.nan_to_num(-1e9).softmax(-1).to(dtype)
    exact = attention.double() / attention.double().sum(-1, keepdim=True)
    want = hs.sieve_scores(exact, plan, backend="reference", per_token=True)
    got = hs.sieve_scores(attention, plan, backend=backend, per_token=True)
    assert [relative(g, w) <= tolerance for g, w in zip(got, want, strict=True)] == [True, True]


def test_hundreds_of_masks_agree_with_the_reference(backend):
    rng = np.random.default_rng(0)
    masks = rng.random((2, 120, 40, 150)) < 0.01
    plan = hs.SievePlan.from_masks(masks, [40, 7], [150, 77])
    query, key = torch.randn(2, 2, 40, 16), torch.randn(2, 1, 150, 16)
    want = hs.sieve_scores_qk(query.double(), key.double(), plan, backend="reference")
    assert relative(hs.sieve_scores_qk(query, key, plan, backend=backend), want) <= FLOAT32


def test_masks_agree_with_the_loops():
    cross = random_cross(3, lengths=[6, 2], source_lengths=[4, 9])
    masks = np.random.default_rng(3).random((2, 3, 6, 9)) < 0.3
    lengths, key_lengths = cross.target.lengths, cross.source.lengths
    query, key = cross_queries_keys(cross, 1, 1, 8, 3)
    plan = hs.SievePlan.from_masks(masks, lengths, key_lengths)
    attention = wanted_attention(cross, query, key, scale=0.7)
    want = np.full((2, 3, 1), np.nan)
    for b, r in np.ndindex(2, 3):
        n, m = lengths[b], key_lengths[b]
        rows, mask = attention[b, 0, :n, :m].tolist(), masks[b, r, :n, :m]
        score = loops.mask_score(rows, mask)
        want[b, r] = np.nan if score is None else score
    assert relative(hs.sieve_scores_qk(query, key, plan, scale=0.7), want) <= FLOAT32


def test_a_pair_of_texts_alone_or_padded_in_any_batch_gives_the_same_bits(backend):
    if backend == "reference":
        pytest.skip("torch's own products depend on the shape of the batch")
    cross = random_cross(9, lengths=[61, 5, 1], source_lengths=[20, 130, 7])
    query, key = cross_queries_keys(cross, 2, 1, 24, 9)
    together = hs.sieve_scores_qk(query, key, cross.plan(), backend=backend).nan_to_num(-1)
    encoded = cross.encoded()
    for b, (n, m) in enumerate(zip(cross.target.lengths, cross.source.lengths, strict=True)):
        one = encoded.take(np.array([b]))
        alone = hs.SievePlan.compile(
            SOURCE_ROLES, replace(one, padded=None, source=replace(one.source, padded=None))
        )
        got = hs.sieve_scores_qk(
            query[b : b + 1, :, :n], key[b : b + 1, :, :m], alone, backend=backend
        )
        assert torch.equal(got.nan_to_num(-1), together[b : b + 1])


def test_a_source_that_is_the_target_gives_the_bits_of_one_text():
    batch = random_batch(4, lengths=[70, 33])
    query, key = torch.randn(2, 2, 70, 16), torch.randn(2, 2, 70, 16)
    masks = np.random.default_rng(4).random((2, 2, 70, 70)) < 0.1
    one = hs.SievePlan.from_masks(masks, batch.lengths)
    two = hs.SievePlan.from_masks(masks, batch.lengths, batch.lengths)
    assert torch.equal(hs.sieve_scores_qk(query, key, one), hs.sieve_scores_qk(query, key, two))


def test_causal_or_window_with_a_source_raises_one_sentence():
    cross = random_cross(1, lengths=[3, 3], source_lengths=[3, 3])
    ones = torch.ones(2, 1, 3, 4)
    for options in ({"causal": True}, {"window": 2}):
        with pytest.raises(hs.UsageError, match="causal and window must not be set where the keys"):
            hs.sieve_scores_qk(ones, ones, cross.plan(), **options)
        with pytest.raises(hs.UsageError, match="causal and window must not be set where the keys"):
            hs.sieve_scores(ones[..., :3], cross.plan(), **options)


def test_sizes_that_do_not_fit_the_plan_raise():
    cross = random_cross(1, lengths=[3, 2], source_lengths=[5, 4])
    query, key = torch.ones(2, 1, 3, 4), torch.ones(2, 1, 5, 4)
    with pytest.raises(hs.InputError, match="batch 2, Tq 3 and Tk 5 as the plan has, got 2, 3 and"):
        hs.sieve_scores_qk(query, query, cross.plan())
    square = random_batch(1, lengths=[3, 2]).plan("local")
    with pytest.raises(hs.InputError, match=r"as many queries as keys, .* no source, got 3 and 5"):
        hs.sieve_scores_qk(query, key, square)
    with pytest.raises(hs.InputError, match=r"bias must have the shape \(1 or 2, 1, 3, 5\), got"):
        hs.sieve_scores_qk(query, key, cross.plan(), bias=torch.ones(1, 1, 3, 3))
    with pytest.raises(hs.InputError, match=r"key_lengths must lie in 1\.\.T = 5, got 6 for seq"):
        hs.SievePlan.from_masks(np.ones((2, 1, 3, 5), bool), [3, 2], [5, 6])


@pytest.mark.parametrize("role", "local offset:1 previous block duplicate nsubj@both".split())
def test_a_role_of_one_text_raises_one_sentence(role):
    with pytest.raises(hs.UsageError, match=f"got {role}, whose queries and keys are of one text"):
        random_cross(1).plan(role)


def test_results_are_float32_whatever_the_default_dtype():
    cross = random_cross(5)
    query, key = cross_queries_keys(cross, 2, 1, 8, 5)
    want = hs.sieve_scores_qk(query, key, cross.plan(), per_token=True)
    torch.set_default_dtype(torch.float64)
    try:
        for name in ("cpu", "reference"):
            got = hs.sieve_scores_qk(query, key, cross.plan(), per_token=True, backend=name)
            assert [each.dtype for each in got] == [torch.float32] * 2
            pairs = zip(got, want, strict=True)
            assert [relative(g, w) <= FLOAT32 for g, w in pairs] == [True, True]
        nothing = hs.sieve_scores_qk(query[:, :0], key, cross.plan(), per_token=True)
        assert [each.dtype for each in nothing] == [torch.float32] * 2
    finally:
        torch.set_default_dtype(torch.float32)


def test_attention_of_two_texts_is_scored_without_position_control():
    cross = random_cross(6, lengths=[6, 3], source_lengths=[4, 8])
    query, key = cross_queries_keys(cross, 2, 2, 8, 6)
    attention = wanted_attention(cross, query, key, scale=1.0)
    layers = [torch.from_numpy(attention).float()]
    scores = hs.score_attentions(layers, cross.encoded(), SOURCE_ROLES)
    assert relative(scores.values[:, :, 0], cross.loop_scores(attention)) <= FLOAT32
    assert scores.excess is None
