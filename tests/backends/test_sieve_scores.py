"""sieve_scores and sieve_scores_qk: every backend against the loops, and invalid input."""

import os
import re
import subprocess
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers import forked
from helpers.batches import (
    ROLES,
    loop_attention,
    loop_output,
    made_bias,
    queries_keys,
    random_batch,
    relative,
)
from hypothesis import example, given
from hypothesis import strategies as st

import headscore as hs
from headscore.backends import choose, cpu, score_qk
from headscore.backends.contract import Visibility
from headscore.backends.results import describe_faults

FLOAT32, HALF = 1e-5, 2e-3


def attended(query, key, value, plan, backend, *, causal=False, window=None, **options):
    """Attention's output from the pass that scores."""
    visibility = Visibility(causal, window)
    return score_qk(query, key, plan, visibility, value=value, backend=backend, **options).output


@given(
    seed=st.integers(0, 10**6),
    causal=st.booleans(),
    window=st.none() | st.integers(1, 6),
    softcap=st.none() | st.floats(0.5, 30),
    kv_heads=st.sampled_from([1, 2]),
    size=st.sampled_from([1, 7, 16]),
    biased=st.sampled_from([None, "one", "each", "view", torch.bfloat16, torch.float16]),
)
@example(seed=2, causal=True, window=None, softcap=12.0, kv_heads=2, size=16, biased="each")
@pytest.mark.parametrize("backend_name", ["cpu", "reference"])
def test_agrees_with_the_loops(backend_name, seed, causal, window, softcap, kv_heads, size, biased):
    batch = random_batch(seed)
    query, key = queries_keys(batch, 2, kv_heads, size, seed)
    bias = made_bias(batch, 2, seed, biased)
    options = {"scale": 0.7, "causal": causal, "window": window, "softcap": softcap}
    attention = loop_attention(
        query.double(), key.double(), batch.lengths, bias__bhtt=bias, **options
    )
    want = batch.loop_scores(attention, causal=causal, window=window)
    plan = batch.plan()
    from_qk = hs.sieve_scores_qk(query, key, plan, bias=bias, backend=backend_name, **options)
    assert relative(from_qk, want) <= FLOAT32
    if backend_name != "cuda":
        value = torch.randn(*key.shape[:3], 5, generator=torch.Generator().manual_seed(seed))
        output = attended(query, key, value, plan, backend_name, bias=bias, **options)
        want_output = loop_output(attention, value.double(), batch.lengths)
        np.testing.assert_allclose(output, want_output, rtol=1e-5, atol=1e-5)
    from_attention = hs.sieve_scores(
        torch.from_numpy(attention).float(),
        plan,
        causal=causal,
        window=window,
        backend=backend_name,
    )
    assert relative(from_attention, want) <= FLOAT32


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("size", [16, 64, 100, 256, 300])
def test_half_precision_against_float64_on_the_same_rounded_inputs(backend, dtype, size):
    batch = random_batch(size, batch=3, tokens=70)
    query, key = queries_keys(batch, 4, 2, size, 1, dtype)
    plan = batch.plan()
    want = hs.sieve_scores_qk(query.double(), key.double(), plan, backend="reference")
    assert relative(hs.sieve_scores_qk(query, key, plan, backend=backend), want) <= HALF


def test_half_precision_attention_agrees_with_its_rounded_values(backend):
    batch = random_batch(3, batch=2, tokens=60)
    query, key = queries_keys(batch, 2, 2, 16, 3)
    attention = torch.softmax(query @ key.transpose(-1, -2), -1)
    real = torch.from_numpy(np.arange(60) < batch.lengths[:, None])
    attention = attention * real[:, None, None, :]
    attention = attention / attention.sum(-1, keepdim=True)
    for dtype in (torch.bfloat16, torch.float16):
        rounded = attention.to(dtype)
        exact = rounded.double() / rounded.double().sum(-1, keepdim=True)
        want = hs.sieve_scores(exact, batch.plan(), backend="reference")
        got = hs.sieve_scores(rounded, batch.plan(), backend=backend)
        assert relative(got, want) <= HALF


@pytest.mark.parametrize("tokens", [1, 2, 47, 48, 49, 255, 256, 257, 300, 600])
def test_rows_of_several_blocks_and_chunks_agree_with_float64(backend, tokens):
    batch = random_batch(tokens, lengths=[tokens, max(1, tokens - 3)])
    query, key = queries_keys(batch, 2, 1, 16, tokens)
    for causal, window in ((False, None), (True, None), (True, 50), (False, 50)):
        plan = batch.plan()
        options = {"causal": causal, "window": window}
        want = hs.sieve_scores_qk(
            query.double(), key.double(), plan, backend="reference", **options
        )
        got = hs.sieve_scores_qk(query, key, plan, backend=backend, **options)
        assert relative(got, want) <= FLOAT32


@pytest.mark.parametrize("causal", [False, True])
def test_windows_of_every_alignment_to_blocks_and_chunks_agree_with_float64(causal):
    # Of a block of 48 rows, the first alone sees the last key of a chunk of 512 at some window.
    batch = random_batch(3, lengths=[577])
    query, key = queries_keys(batch, 1, 1, 2, 3)
    plan = batch.plan(("block", "local:70"))
    for window in range(1, 50):
        options = {"causal": causal, "window": window, "scale": 1.0}
        want = hs.sieve_scores_qk(
            query.double(), key.double(), plan, backend="reference", **options
        )
        got = hs.sieve_scores_qk(query, key, plan, backend="cpu", **options)
        assert relative(got, want) <= FLOAT32


def test_a_bias_of_minus_infinity_masks_the_key(backend):
    batch = random_batch(21, lengths=[600, 9])
    query, key = queries_keys(batch, 2, 2, 8, 21)
    bias = torch.zeros(1, 2, 600, 600)
    bias[..., 3::7] = float("-inf")
    bias[..., :520, 512:] = float("-inf")  # of a whole chunk of keys
    plan = batch.plan()
    got = hs.sieve_scores_qk(query, key, plan, bias=bias, backend=backend)
    logits = (query @ key.transpose(-1, -2)).double() * 8**-0.5 + bias
    real = torch.from_numpy(np.arange(600) < batch.lengths[:, None])[:, None, None]
    attention = logits.masked_fill(~real, float("-inf")).softmax(-1)
    assert relative(got, hs.sieve_scores(attention, plan, backend="reference")) <= FLOAT32


@pytest.mark.parametrize("tokens", [9, 700])
@pytest.mark.parametrize("elsewhere", [0.0, float("-inf"), -1e32])
def test_rows_of_the_lowest_float32_logits_are_scored(backend, tokens, elsewhere):
    batch = random_batch(21, lengths=[tokens, 9])
    query, key = queries_keys(batch, 2, 2, 8, 21)
    lowest = torch.finfo(torch.float32).min
    for where in ((..., 4, slice(None)), (..., slice(0, None, 2)), (..., slice(tokens // 2, None))):
        bias = torch.full((1, 2, tokens, tokens), elsewhere)
        bias[where] = lowest
        if elsewhere == float("-inf"):
            bias[..., 2:, 1] = lowest  # a row all of -inf is none
            bias[..., :2, :2] = 0
        options = {"bias": bias, "per_token": True}
        want = hs.sieve_scores_qk(query, key, batch.plan(), backend="reference", **options)
        got = hs.sieve_scores_qk(query, key, batch.plan(), backend=backend, **options)
        assert [relative(g, w) <= FLOAT32 for g, w in zip(got, want, strict=True)] == [True, True]


def test_a_row_of_only_minus_infinity_raises(backend):
    batch = random_batch(17, lengths=[8, 8])
    query, key = queries_keys(batch, 2, 2, 4, 17)
    bias = torch.zeros(2, 2, 8, 8)
    bias[1, 0, 3] = float("-inf")
    with pytest.raises(hs.InputError, match="sequence 1, head 0 holds NaN or Inf"):
        hs.sieve_scores_qk(query, key, batch.plan(), bias=bias, backend=backend)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("size", [1, 40, 100])
@pytest.mark.parametrize("name", ["cpu", "reference"])
def test_the_output_equals_that_of_sdpa(name, dtype, size):
    batch = random_batch(size, lengths=[530, 515, 30])
    query, key = queries_keys(batch, 4, 2, size, 22, dtype)
    value, _ = queries_keys(batch, 2, 2, size + 3, 23, dtype)
    value[1, :, 515:], key[1, :, 515:] = float("nan"), float("nan")  # padding is never read
    for causal, window in ((False, None), (True, None), (True, 50), (False, 9)):
        options = {"causal": causal, "window": window, "scale": size**-0.5}
        got = attended(query, key, value, batch.plan("local"), name, **options)
        assert got.dtype == dtype
        want = sdpa(query, key, value, batch.lengths, **options)
        tolerance = {torch.float32: 1e-5, torch.bfloat16: 8e-3, torch.float16: 1e-3}[dtype]
        torch.testing.assert_close(got.double(), want, rtol=tolerance, atol=tolerance)


def sdpa(query, key, value, lengths, *, causal, window, scale):
    """torch's own attention in float64, (batch, T, head, d); padding rows are 0."""
    tokens = query.shape[2]
    real = torch.from_numpy(np.arange(tokens) < lengths[:, None])
    distance = torch.arange(tokens) - torch.arange(tokens)[:, None]
    near = torch.ones_like(distance, dtype=torch.bool)
    if causal:
        near = distance <= 0
    if window is not None:
        near = near & (distance > -window if causal else distance.abs() <= window)
    seen = near & real[:, None, None, :] | torch.eye(tokens, dtype=torch.bool)
    key, value = (x.double().nan_to_num() for x in (key, value))
    output = torch.nn.functional.scaled_dot_product_attention(
        query.double(), key, value, attn_mask=seen, scale=scale, enable_gqa=True
    )
    return output.transpose(1, 2) * real[:, :, None, None]


def test_scores_have_the_same_bits_with_and_without_the_output():
    batch = random_batch(24, batch=3, tokens=90)
    query, key = queries_keys(batch, 4, 2, 16, 24)
    value = torch.randn(*key.shape)
    alone = score_qk(query, key, batch.plan(), Visibility())
    both = score_qk(query, key, batch.plan(), Visibility(), value=value)
    assert torch.equal(alone.scores, both.scores)
    assert alone.output is None
    nothing = hs.SievePlan.from_masks(np.zeros((3, 0, 90, 90), bool), batch.lengths)
    no_role = score_qk(query, key, nothing, Visibility(), value=value)
    assert torch.equal(no_role.output, both.output)


def test_the_output_of_an_empty_batch_is_empty(backend):
    nothing = torch.zeros(0, 2, 5, 4)
    raw = score_qk(nothing, nothing, plan_of(0, 5), Visibility(), value=nothing, backend=backend)
    assert raw.output.shape == (0, 5, 2, 4)


def test_values_that_do_not_match_the_keys_raise():
    ones = torch.ones(1, 2, 3, 4)
    with pytest.raises(
        hs.InputError, match=r"value must agree .* \(1, 1, 3, 4\) and \(1, 2, 3, 4\)"
    ):
        score_qk(ones, ones, plan_of(1, 3), Visibility(), value=ones[:, :1])
    with pytest.raises(
        hs.InputError, match=r"key and value must share .* got torch.float32 on cpu"
    ):
        score_qk(ones, ones, plan_of(1, 3), Visibility(), value=ones.double())


def test_only_the_compiled_kernel_computes_the_output_with_the_scores():
    assert choose("auto", torch.device("cpu")).ATTENDS
    assert not choose("reference", torch.device("cpu")).ATTENDS


def test_large_logits_do_not_overflow(backend):
    batch = random_batch(5, batch=2, tokens=300)
    query, key = queries_keys(batch, 1, 1, 8, 5)
    plan = batch.plan()
    want = hs.sieve_scores_qk(query.double(), key.double(), plan, scale=40.0, backend="reference")
    got = hs.sieve_scores_qk(query, key, plan, scale=40.0, backend=backend)
    # float32 logits of a few hundred carry errors of about 1e-5 into the exponent
    error = (got - want).abs() / want.abs().clamp_min(1e-3)
    assert float(error.nan_to_num().max()) <= 1e-3


@given(seed=st.integers(0, 10**6), causal=st.booleans(), window=st.none() | st.integers(1, 9))
@pytest.mark.parametrize("backend_name", ["cpu", "reference"])
def test_uniform_attention_scores_exactly_one(backend_name, seed, causal, window):
    batch = random_batch(seed)
    query, key = (torch.zeros(*batch.shape, 1, 4).transpose(1, 2) for _ in range(2))
    roles = [role for role in ROLES if role != "block"]
    got = hs.sieve_scores_qk(
        query, key, batch.plan(roles), causal=causal, window=window, backend=backend_name
    )
    taking_part = got[~torch.isnan(got)]
    np.testing.assert_allclose(taking_part, 1.0, rtol=3e-7)


def test_uniform_attention_scores_its_entropy_in_the_block_role(backend):
    special = np.zeros((1, 25), bool)
    special[0, [0, 12, 24]] = True
    segments = np.array([[0] * 13 + [1] * 12])
    encoded = hs.Encoded.from_arrays(np.ones((1, 25), int), None, special, segments)
    plan = hs.SievePlan.compile("block", encoded)
    zeros = torch.zeros(1, 1, 25, 4)
    assert float(hs.sieve_scores_qk(zeros, zeros, plan, backend=backend)) == pytest.approx(
        np.log(25), rel=1e-6
    )


def test_the_entropy_of_two_probabilities_is_right_to_float32():
    n = 512
    segments = np.arange(2 * n)[None] // n
    encoded = hs.Encoded.from_arrays(np.ones((1, 2 * n), int), segments=segments)
    plan = hs.SievePlan.compile("block_plain,block", encoded)
    probability = (torch.arange(2 * n) % n + 1) / (n + 1)
    attention = torch.zeros(1, 1, 2 * n, 2 * n)
    attention[0, 0, :, 0], attention[0, 0, :, 1] = probability, 1 - probability
    _, tokens = hs.sieve_scores(attention, plan, backend="cpu", per_token=True)
    got = (tokens[0, 1, 0] / tokens[0, 0, 0])[:n].double()
    wide = attention[0, 0, :n, :2].double()
    want = -(wide * wide.log()).sum(-1)
    assert float((got - want).abs().max()) <= 2e-7


@pytest.mark.parametrize("peak", [3, 590])  # in the first and in the last chunk of keys
def test_the_entropy_of_rows_with_one_large_probability_keeps_its_digits(peak):
    batch = random_batch(1, lengths=[600])
    query, key = queries_keys(batch, 1, 1, 8, 1)
    bias = torch.zeros(1, 1, 600, 600)
    bias[..., 300], bias[..., peak] = 6, torch.linspace(14, 22, 600)
    plan = batch.plan("block_plain,block")
    options = {"bias": bias, "scale": 0.3}
    wide = (each.double() for each in (query, key))
    want = hs.sieve_scores_qk(*wide, plan, backend="reference", per_token=True, **options)
    got = hs.sieve_scores_qk(query, key, plan, backend="cpu", per_token=True, **options)
    assert float(want[1][0, 1, 0].nan_to_num(1).min()) < 1e-3
    assert [relative(g, w) <= FLOAT32 for g, w in zip(got, want, strict=True)] == [True, True]


def test_scores_do_not_depend_on_the_scale_of_a_row(backend):
    batch = random_batch(8, batch=2, tokens=12)
    attention = _random_attention(batch, 2)
    scaled = attention * (1 + 5e-4 * torch.rand(2, 2, 12, 1))
    plan = batch.plan()
    first = hs.sieve_scores(attention, plan, backend=backend)
    assert relative(hs.sieve_scores(scaled, plan, backend=backend), first) <= 1e-6


def test_a_sequence_alone_or_padded_in_any_batch_gives_the_same_bits(backend):
    batch = random_batch(9, lengths=[61, 130, 1])
    query, key = queries_keys(batch, 2, 1, 24, 9)
    together = hs.sieve_scores_qk(query, key, batch.plan(), backend=backend)
    for b, n in enumerate(batch.lengths.tolist()):
        alone = type(batch)(
            batch.lengths[b : b + 1],
            batch.special[b : b + 1, :n],
            batch.segments[b : b + 1, :n],
            {relation: words[b : b + 1] for relation, words in batch.pairs.items()},
        )
        got = hs.sieve_scores_qk(
            query[b : b + 1, :, :n], key[b : b + 1, :, :n], alone.plan(), backend=backend
        )
        if backend != "reference":
            assert torch.equal(got.nan_to_num(-1), together[b : b + 1].nan_to_num(-1))
        else:  # torch's own products depend on the shape of the batch
            assert relative(got, together[b : b + 1]) <= FLOAT32


def test_padding_is_never_read(backend):
    batch = random_batch(10, lengths=[20, 7])
    query, key = queries_keys(batch, 2, 2, 8, 10)
    clean = hs.sieve_scores_qk(query, key, batch.plan(), backend=backend)
    query[1, :, 7:], key[1, :, 7:] = float("nan"), float("nan")
    dirty = hs.sieve_scores_qk(query, key, batch.plan(), backend=backend)
    assert torch.equal(clean.nan_to_num(-1), dirty.nan_to_num(-1))


def test_permuting_heads_and_sequences_permutes_the_scores():
    batch = random_batch(11, batch=4, tokens=33)
    query, key = queries_keys(batch, 4, 4, 8, 11)
    scores = hs.sieve_scores_qk(query, key, batch.plan())
    heads, rows = torch.tensor([2, 0, 3, 1]), [3, 1, 0, 2]
    swapped = hs.sieve_scores_qk(query[:, heads], key[:, heads], batch.plan())
    assert torch.equal(swapped.nan_to_num(-1), scores[:, :, heads].nan_to_num(-1))
    encoded = batch.encoded().take(np.array(rows))
    plan = hs.SievePlan.compile(ROLES, encoded)
    n = plan.tokens
    moved = hs.sieve_scores_qk(query[rows][:, :, :n], key[rows][:, :, :n], plan)
    assert torch.equal(moved.nan_to_num(-1), scores[rows].nan_to_num(-1))


def test_token_scores_average_to_the_score(backend):
    batch = random_batch(13, batch=3, tokens=25)
    query, key = queries_keys(batch, 2, 2, 8, 13)
    scores, tokens = hs.sieve_scores_qk(query, key, batch.plan(), per_token=True, backend=backend)
    assert tokens.shape == (*scores.shape, 25)
    assert relative(torch.nanmean(tokens, -1), scores) <= 1e-5
    local = tokens[:, ROLES.index("local"), 0]
    assert (torch.isnan(local).sum(-1) == torch.from_numpy(25 - batch.lengths)).all()


def test_a_sequence_of_one_token_scores_one_or_has_no_sieve(backend):
    encoded = hs.Encoded.from_arrays([[7]], None, [[True]])
    plan = hs.SievePlan.compile("local,delimiter,offset:1,sink", encoded)
    one = torch.randn(1, 2, 1, 4)
    got = hs.sieve_scores_qk(one, one, plan, backend=backend)
    np.testing.assert_allclose(got[0, [0, 1, 3]], 1.0, rtol=1e-6)
    assert torch.isnan(got[0, 2]).all()  # no token one to the right: no sieve, not 0


def test_scores_have_the_array_type_of_the_input(backend):
    batch = random_batch(14, batch=2, tokens=9)
    attention = _random_attention(batch, 2)
    as_torch = hs.sieve_scores(attention, batch.plan(), backend=backend)
    as_numpy = hs.sieve_scores(attention.numpy(), batch.plan(), backend=backend)
    assert isinstance(as_torch, torch.Tensor)
    assert isinstance(as_numpy, np.ndarray)
    assert as_numpy.dtype == np.float32
    np.testing.assert_array_equal(as_torch.numpy(), as_numpy)


@pytest.mark.parametrize(("rows", "heads"), [(0, 2), (3, 0)])
def test_no_sequences_or_no_heads_return_empty_scores(backend, rows, heads):
    plan = plan_of(rows, 5)
    empty = torch.zeros(rows, heads, 5, 4)
    got = hs.sieve_scores(torch.zeros(rows, heads, 5, 5), plan, backend=backend)
    assert got.shape == (rows, 1, heads)
    if heads:
        assert hs.sieve_scores_qk(empty, empty, plan, backend=backend).shape == (rows, 1, heads)


def test_no_roles_return_empty_scores(backend):
    plan = hs.SievePlan.from_masks(np.zeros((2, 0, 5, 5), bool))
    got = hs.sieve_scores_qk(torch.ones(2, 3, 5, 4), torch.ones(2, 3, 5, 4), plan, backend=backend)
    assert got.shape == (2, 0, 3)


def _random_attention(batch, heads, seed=0):
    generator = torch.Generator().manual_seed(seed)
    n, tokens = batch.shape
    real = torch.from_numpy(np.arange(tokens) < batch.lengths[:, None]).float()
    weights = torch.rand(n, heads, tokens, tokens, generator=generator) * real[:, None, None]
    return weights / weights.sum(-1, keepdim=True)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda a: a.__setitem__((1, 1, 0, 0), float("nan")), "sequence 1, head 1 holds NaN or"),
        (lambda a: a.__setitem__((0, 1, 2, 1), float("inf")), "sequence 0, head 1 holds NaN or"),
        (lambda a: a.__setitem__((1, 0, 0, 0), -0.25), "sequence 1, head 0 has a negative entry"),
        (lambda a: a.__setitem__((1, 0, 3), 0.5), "sequence 1, head 0 has a row that does not sum"),
        (lambda a: a.mul_(1.01), "sequence 0, head 0 has a row that does not sum to 1"),
    ],
)
def test_invalid_attention_raises(backend, change, fault):
    batch = random_batch(15, lengths=[8, 8])
    attention = _random_attention(batch, 2)
    change(attention)
    with pytest.raises(hs.InputError, match=fault):
        hs.sieve_scores(attention, batch.plan(), backend=backend)


def test_a_negative_entry_in_a_row_that_sums_to_one_raises(backend):
    batch = random_batch(16, lengths=[6])
    attention = torch.full((1, 1, 6, 6), 1 / 6)
    attention[0, 0, 4, :2] = torch.tensor([-0.1, 1 / 3 + 0.1])
    with pytest.raises(hs.InputError, match="has a negative entry"):
        hs.sieve_scores(attention, batch.plan(), backend=backend)


def test_a_row_that_is_negative_in_every_lane_raises(backend):
    batch = random_batch(16, lengths=[40])
    attention = torch.full((1, 1, 40, 40), -0.01)
    attention[0, 0, :, 39] += 1.4
    with pytest.raises(hs.InputError, match="has a negative entry"):
        hs.sieve_scores(attention, batch.plan(), backend=backend)


def test_nonfinite_queries_or_keys_raise(backend):
    batch = random_batch(17, lengths=[8, 8])
    for which in (0, 1):
        pair = list(queries_keys(batch, 2, 2, 4, 17))
        pair[which][1, 0, 3, 2] = float("nan")
        with pytest.raises(hs.InputError, match="sequence 1, head 0 holds NaN or Inf"):
            hs.sieve_scores_qk(*pair, batch.plan(), backend=backend)


def test_attention_outside_the_visible_keys_raises(backend):
    batch = random_batch(18, lengths=[6])
    with pytest.raises(hs.InputError, match="does not sum to 1 over its visible keys"):
        hs.sieve_scores(torch.full((1, 1, 6, 6), 1 / 6), batch.plan(), causal=True, backend=backend)


def plan_of(rows, tokens):
    encoded = hs.Encoded.from_arrays(np.ones((rows, tokens), int))
    return hs.SievePlan.compile("local", encoded)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: hs.sieve_scores([[1.0]], plan_of(1, 1)),
            "attention must be a torch tensor, a numpy",
        ),
        (lambda: hs.sieve_scores(np.ones((1, 1, 1)), plan_of(1, 1)), r"got \(1, 1, 1\)"),
        (lambda: hs.sieve_scores(np.ones((1, 1, 2, 3)), plan_of(1, 2)), "got 2 and 3"),
        (lambda: hs.sieve_scores(np.ones((1, 1, 2, 2), int), plan_of(1, 2)), "got torch.int64"),
        (
            lambda: hs.sieve_scores(np.ones((2, 1, 3, 3)), plan_of(2, 4)),
            "batch 2 and T 4 as the plan has, got 2 and 3",
        ),
        (
            lambda: hs.sieve_scores_qk(np.ones((1, 3, 2, 4)), np.ones((1, 2, 2, 4)), plan_of(1, 2)),
            "multiple of the key heads",
        ),
        (
            lambda: hs.sieve_scores_qk(np.ones((1, 2, 2, 4)), np.ones((1, 2, 3, 4)), plan_of(1, 2)),
            "query must have as many queries as keys, as the plan has no source, got 2 and 3",
        ),
        (
            lambda: hs.sieve_scores_qk(
                np.ones((1, 2, 2, 4), np.float32), np.ones((1, 2, 2, 4)), plan_of(1, 2)
            ),
            "must share dtype and device",
        ),
        (
            lambda: hs.sieve_scores_qk(
                np.ones((1, 1, 2, 4)), np.ones((1, 1, 2, 4)), plan_of(1, 2), window=-1
            ),
            "window must be a whole number, at least 0, got -1",
        ),
        (
            lambda: hs.sieve_scores_qk(
                np.ones((1, 1, 2, 4)), np.ones((1, 1, 2, 4)), plan_of(1, 2), causal=True, window=0
            ),
            "window must be a whole number, at least 1 where causal, got 0",
        ),
        (
            lambda: hs.sieve_scores_qk(
                np.ones((1, 1, 2, 4)), np.ones((1, 1, 2, 4)), plan_of(1, 2), softcap=0.0
            ),
            "softcap must be a positive, finite number in float32, got 0.0",
        ),
        (
            lambda: hs.sieve_scores_qk(
                np.ones((1, 1, 2, 4)), np.ones((1, 1, 2, 4)), plan_of(1, 2), scale=float("nan")
            ),
            "scale must be a finite number in float32, got nan",
        ),
        (
            lambda: hs.sieve_scores_qk(
                *(np.ones((3, 2, 2, 4)),) * 2, plan_of(3, 2), bias=np.ones((2, 2, 2, 2))
            ),
            r"bias must have the shape \(1 or 3, 2, 2, 2\), got \(2, 2, 2, 2\)",
        ),
        (
            lambda: hs.sieve_scores_qk(
                *(np.ones((3, 2, 2, 4)),) * 2, plan_of(3, 2), bias=np.ones((1, 2, 2, 2), int)
            ),
            "bias must be float32, bfloat16, float16 or float64, got torch.int64",
        ),
        (
            lambda: hs.sieve_scores(np.ones((1, 1, 1, 1)), plan_of(1, 1), backend="gpu"),
            "backend must be one of auto, cuda, cpu, reference, got 'gpu'",
        ),
    ],
)
def test_errors_name_the_argument_the_rule_and_the_value(call, message):
    with pytest.raises(hs.HeadscoreError, match=message):
        call()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"window": True}, "window must be a whole number, at least 0, got True"),
        ({"window": 1.5}, "window must be a whole number, at least 0, got 1.5"),
        ({"causal": "no"}, "causal must be True or False, got 'no'"),
        ({"scale": "x"}, "scale must be a finite number in float32, got 'x'"),
        ({"scale": 1e39}, r"scale must be a finite number in float32, got 1e\+39"),
        ({"softcap": "a"}, "softcap must be a positive, finite number in float32, got 'a'"),
        ({"softcap": 1e-50}, "softcap must be a positive, finite number in float32, got 1e-50"),
        ({"softcap": [1, 2]}, r"softcap must be a positive, finite .* got \[1, 2\]"),
        ({"plan": None}, "plan must be a SievePlan, got NoneType"),
        (
            {"query": torch.ones(1, 1, 2, 4).to_sparse()},
            "query must be dense and hold data, got torch.sparse_coo on cpu",
        ),
        (
            {"key": torch.ones(1, 1, 2, 4, device="meta")},
            "key must be dense and hold data, got torch.strided on meta",
        ),
    ],
)
def test_options_of_a_wrong_kind_raise(options, message):
    ones = torch.ones(1, 1, 2, 4)
    with pytest.raises(hs.HeadscoreError, match=message):
        hs.sieve_scores_qk(**{"query": ones, "key": ones, "plan": plan_of(1, 2), **options})


@pytest.mark.parametrize("causal", [False, True])
def test_a_window_of_all_tokens_equals_no_window(backend, causal):
    batch = random_batch(19, lengths=[12, 7])
    query, key = queries_keys(batch, 2, 2, 8, 19)
    attention = _random_attention(batch, 2).tril() if causal else _random_attention(batch, 2)
    attention = attention / attention.sum(-1, keepdim=True).clamp_min(1e-9)
    options = {"causal": np.bool_(causal), "backend": backend}
    calls = (
        lambda window: hs.sieve_scores_qk(query, key, batch.plan(), window=window, **options),
        lambda window: hs.sieve_scores(attention, batch.plan(), window=window, **options),
    )
    for call in calls:
        want = call(None).nan_to_num(-1)
        for window in (12, np.int64(13), 2**31, 2**63 - 1, 2**63, 10**30):
            assert torch.equal(call(window).nan_to_num(-1), want)


@pytest.mark.parametrize("softcap", [1.2e-38, 1e-20, 1e30])
def test_extreme_softcaps_agree_with_the_reference(backend, softcap):
    batch = random_batch(4, lengths=[12, 7])
    query, key = queries_keys(batch, 2, 2, 8, 4)
    want = hs.sieve_scores_qk(query, key, batch.plan(), softcap=softcap, backend="reference")
    got = hs.sieve_scores_qk(query, key, batch.plan(), softcap=softcap, backend=backend)
    assert relative(got, want) <= FLOAT32


def test_available_returns_a_reason_for_each_backend():
    reasons = hs.backends.available()
    assert list(reasons) == ["cuda", "cpu", "reference"]
    assert reasons["cpu"] is None
    assert reasons["reference"] is None
    if reasons["cuda"] is not None:
        with pytest.raises(hs.BackendError, match=r"the cuda backend cannot run: \w+"):
            hs.sieve_scores(np.ones((1, 1, 1, 1)), plan_of(1, 1), backend="cuda")


def test_auto_chooses_the_compiled_kernel_on_the_cpu():
    assert hs.backends.choose("auto", torch.device("cpu")) is cpu


@pytest.mark.parametrize(
    ("bits", "words"), [(1, "NaN"), (3, "NaN"), (2, "negative"), (6, "negative"), (4, "sum to 1")]
)
def test_faults_are_described_in_words(bits, words):
    assert words in describe_faults(bits)


FORCED = """
import sys, numpy as np
sys.path.insert(0, {tests!r})
from helpers.batches import queries_keys, random_batch
import headscore as hs
from headscore.backends import cpu
batch = random_batch(20, batch=3, tokens=300)
plan = batch.plan()
parts = []
for causal, window, softcap in ((False, None, None), (True, 40, 5.0), (False, 9, None)):
    query, key = queries_keys(batch, 4, 2, 40, 20)
    options = dict(causal=causal, window=window, softcap=softcap)
    parts.append(hs.sieve_scores_qk(query, key, plan, **options).numpy())
np.save({out!r}, np.stack(parts))
print(cpu.instruction_set())
"""


def process(isa, code):
    """A process in which an instruction set is forced."""
    environment = {**os.environ, "HEADSCORE_CPU_ISA": isa}
    return subprocess.run(
        [forked.python(), "-c", code], env=environment, capture_output=True, text=True, check=False
    )


def forced(isa, out):
    """Scores of a process in which one instruction set is forced."""
    result = process(isa, FORCED.format(tests=str(Path(__file__).parents[1]), out=str(out)))
    if f"got {isa!r}" in result.stderr:
        pytest.skip(result.stderr.strip().splitlines()[-1])
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == isa
    return np.load(out)


@pytest.mark.parametrize("isa", ["avx2", "avx512"])
def test_instruction_sets_agree(isa, tmp_path):
    baseline = forced("baseline", tmp_path / "baseline.npy")
    assert relative(forced(isa, tmp_path / "other.npy"), baseline) <= FLOAT32


def test_available_returns_why_a_forced_instruction_set_cannot_run():
    result = process("mmx", "import headscore as hs; print(hs.backends.available()['cpu'])")
    assert result.returncode == 0, result.stderr
    assert re.fullmatch(
        r"HEADSCORE_CPU_ISA must name an instruction set that this processor has "
        r"\(baseline(, avx2)?(, avx512)?\), got 'mmx'\n",
        result.stdout,
    )


@pytest.mark.parametrize("asked", ["auto", "cpu"])
def test_a_missing_forced_instruction_set_raises(asked):
    code = (
        "import torch, headscore as hs\n"
        "plan = hs.SievePlan.compile('local', hs.Encoded.from_arrays([[1, 2]]))\n"
        f"hs.sieve_scores(torch.full((1, 1, 2, 2), 0.5), plan, backend={asked!r})"
    )
    result = process("mmx", code)
    assert result.returncode == 1
    assert "the cpu backend cannot run: HEADSCORE_CPU_ISA must" in result.stderr
    assert result.stdout == ""


def test_the_reference_backend_ignores_a_forced_instruction_set():
    code = (
        "import torch, headscore as hs\n"
        "plan = hs.SievePlan.compile('local', hs.Encoded.from_arrays([[1, 2]]))\n"
        "print(hs.sieve_scores(torch.full((1, 1, 2, 2), 0.5), plan, backend='reference'))"
    )
    assert process("mmx", code).stdout == "tensor([[[1.]]])\n"


def test_choosing_another_backend_does_not_check_cuda(monkeypatch):
    def broken():
        raise AssertionError("the cuda backend was asked")

    monkeypatch.setattr(hs.backends.cuda, "why_not", broken)
    assert hs.backends.choose("auto", torch.device("cpu")) is cpu
    assert hs.backends.choose("reference", torch.device("cpu")) is hs.backends.reference
