"""The CUDA kernels, emulated on the CPU, agree with the loops for every option and layout."""

from dataclasses import fields

import numpy as np
import pytest
import torch
from helpers.batches import (
    ROLES,
    loop_attention,
    made_bias,
    peaked,
    peaks,
    queries_keys,
    random_batch,
    random_cross,
    relative,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import headscore as hs
from headscore import backends
from headscore.backends import cuda, device_plan
from headscore.roles.specs import parse_roles
from headscore.sieves.batch_plan import BatchPlan
from headscore.sieves.excess import control_position

FLOAT32, HALF = 1e-5, 2e-3
ORDERS = (0, 1, 2, 3)

pytestmark = pytest.mark.usefixtures("emulated_cuda")


def scored(query, key, plan, **options):
    return hs.sieve_scores_qk(query, key, plan, backend="cuda", **options)


def wanted(query, key, plan, **options):
    return hs.sieve_scores_qk(query.double(), key.double(), plan, backend="reference", **options)


@given(
    seed=st.integers(0, 10**6),
    causal=st.booleans(),
    window=st.none() | st.integers(1, 6),
    softcap=st.none() | st.floats(0.5, 30),
    scale=st.sampled_from([0.7, -0.4, 0.0, 1e-3]),
    kv_heads=st.sampled_from([1, 2]),
    size=st.sampled_from([1, 7, 16, 40]),
    dtype=st.sampled_from([torch.float32, torch.bfloat16, torch.float16]),
    biased=st.sampled_from([None, None, "one", "each", "view", torch.bfloat16, torch.float16]),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_agrees_with_the_loops(seed, causal, window, softcap, scale, kv_heads, size, dtype, biased):
    batch = random_batch(seed)
    query, key = queries_keys(batch, 2, kv_heads, size, seed, dtype)
    options = {"scale": scale, "causal": causal, "window": window, "softcap": softcap}
    bias = made_bias(batch, 2, seed, biased)
    attention = loop_attention(
        query.double(), key.double(), batch.lengths, bias__bhtt=bias, **options
    )
    want = batch.loop_scores(attention, causal=causal, window=window)
    plan = batch.plan()
    tolerance = FLOAT32 if dtype == torch.float32 else HALF
    assert relative(scored(query, key, plan, bias=bias, **options), want) <= tolerance
    given = torch.from_numpy(attention).float()
    got = hs.sieve_scores(given, plan, causal=causal, window=window, backend="cuda")
    assert relative(got, want) <= FLOAT32


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("size", [16, 32, 64, 96, 128, 192, 256])
def test_every_head_size_and_dtype_agrees_over_several_tiles(size, dtype):
    batch = random_batch(size, batch=2, tokens=140)
    query, key = queries_keys(batch, 2, 1, size, 1, dtype)
    plan = batch.plan()
    for options in ({}, {"causal": True, "window": 70}):
        want = wanted(query, key, plan, per_token=True, **options)
        got = scored(query, key, plan, per_token=True, **options)
        assert [relative(g, w) <= FLOAT32 for g, w in zip(got, want, strict=True)] == [True, True]


@pytest.mark.parametrize("tokens", [1, 31, 32, 33, 63, 64, 65, 127, 128, 129, 257])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_rows_and_keys_at_tile_edges_agree_with_the_reference(tokens, dtype):
    batch = random_batch(tokens, lengths=[tokens, max(1, tokens - 1)])
    query, key = queries_keys(batch, 1, 1, 16, tokens, dtype)
    plan = batch.plan()
    for causal, window in ((False, None), (True, None), (True, 64), (False, 33)):
        options = {"causal": causal, "window": window}
        want = wanted(query, key, plan, **options)
        assert relative(scored(query, key, plan, **options), want) <= FLOAT32


def test_more_label_roles_than_fit_in_one_pass_agree_with_the_reference():
    roles = [f"offset:{k}" for k in range(-20, 20)] + ["nsubj", "block", "delimiter"]
    batch = random_batch(1, lengths=[90, 33])
    query, key = queries_keys(batch, 2, 2, 16, 1, torch.bfloat16)
    plan = batch.plan(roles)
    assert relative(scored(query, key, plan), wanted(query, key, plan)) <= FLOAT32
    attention = torch.softmax(torch.randn(2, 2, 90, 90), -1).tril()
    attention /= attention.sum(-1, keepdim=True)
    given = {"causal": True, "per_token": True}
    attention[1, :, :, 33:] = 0
    want = hs.sieve_scores(attention, plan, backend="reference", **given)
    got = hs.sieve_scores(attention, plan, backend="cuda", **given)
    assert [relative(g, w) <= FLOAT32 for g, w in zip(got, want, strict=True)] == [True, True]


def test_many_pair_roles_with_rows_of_many_pieces_agree_with_the_reference():
    rng = np.random.default_rng(0)
    masks = (
        rng.random((2, 7, 150, 150)) < np.array([0, 0.001, 0.01, 0.5, 0, 1, 0.02])[:, None, None]
    )
    plan = hs.SievePlan.from_masks(masks, [150, 77])
    batch = random_batch(0, lengths=[150, 77])
    query, key = queries_keys(batch, 2, 1, 24, 0)
    for options in ({}, {"causal": True}):
        want = wanted(query, key, plan, per_token=True, **options)
        got = scored(query, key, plan, per_token=True, **options)
        assert [relative(g, w) <= FLOAT32 for g, w in zip(got, want, strict=True)] == [True, True]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("size", [64, 96])
def test_logits_that_rise_along_the_keys_agree_with_the_reference(size, dtype):
    """Steps of a top below and above what may be left out; sharp rows at the steepest."""
    batch = random_batch(13, lengths=[200, 131])
    query, key = queries_keys(batch, 2, 2, size, 13, torch.float32)
    query[..., 1:] *= 0.1
    query[..., 0] = 1
    tolerance = FLOAT32 if dtype == torch.float32 else HALF
    for step in (0.01, 0.05, 0.2, -0.05):
        key[..., 0] = step * torch.arange(200)
        given = query.to(dtype), key.to(dtype), batch.plan()
        assert relative(scored(*given, scale=1.0), wanted(*given, scale=1.0)) <= tolerance


@pytest.mark.parametrize("window", [2**31 - 1, 2**32, 2**62])
def test_a_window_beyond_32_bits_reaches_all_tokens(window):
    batch = random_batch(15, lengths=[40, 9])
    query, key = queries_keys(batch, 1, 1, 16, 15)
    for causal in (False, True):
        plan = batch.plan(["local", "block"])
        want, got = (
            backends.score_qk(query, key, plan, backends.Visibility(causal, each), backend="cuda")
            for each in (None, window)
        )
        assert torch.equal(got.scores, want.scores)
        assert not got.faults.any()


def test_runs_of_many_tiles_agree_with_the_reference():
    batch = random_batch(14, lengths=[1300])
    query, key = queries_keys(batch, 1, 1, 16, 14, torch.bfloat16)
    plan = batch.plan(["block", "block_plain", "delimiter", "local", "offset:-700"])
    for causal in (False, True):
        options = {"causal": causal, "per_token": True}
        want, got = wanted(query, key, plan, **options), scored(query, key, plan, **options)
        assert [relative(g, w) <= FLOAT32 for g, w in zip(got, want, strict=True)] == [True, True]


def test_labels_with_many_values_agree_with_the_reference():
    tokens = np.random.default_rng(1).integers(0, 20, (2, 150))
    duplicate = hs.Role("duplicate", lambda batch: hs.Labels(tokens, tokens), band=(-500, -1))
    batch = random_batch(2, lengths=[150, 101])
    query, key = queries_keys(batch, 2, 2, 16, 2, torch.float16)
    plan = batch.plan([duplicate, "block_plain"])
    assert relative(scored(query, key, plan), wanted(query, key, plan)) <= FLOAT32


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_order_of_threads_does_not_change_the_bits(emulated_cuda, dtype):
    batch = random_batch(5, lengths=[140, 61])
    query, key = queries_keys(batch, 2, 1, 32, 5, dtype)
    attention = torch.softmax(torch.randn(2, 2, 140, 140).masked_fill(hidden(batch), -1e9), -1)
    seen = []
    for order in ORDERS:
        emulated_cuda.set(order)
        seen.append(scored(query, key, batch.plan()).nan_to_num(-1))
        seen.append(hs.sieve_scores(attention, batch.plan(), backend="cuda").nan_to_num(-1))
    assert all(torch.equal(a, b) for a, b in zip(seen[2:], seen, strict=False))


@pytest.mark.parametrize(("heads", "kv_heads"), [(5, 5), (6, 2), (8, 4)])
def test_more_sequences_and_heads_than_a_grid_takes_agree_with_the_reference(heads, kv_heads):
    """The emulated grid takes three of each, a real one 65535."""
    batch = random_batch(4, batch=5, tokens=40)
    query, key = queries_keys(batch, heads, kv_heads, 16, 4, torch.bfloat16)
    bias = made_bias(batch, heads, 4, "one")
    plan = batch.plan()
    for options in ({}, {"causal": True, "bias": bias}):
        want = wanted(query, key, plan, per_token=True, **options)
        got = scored(query, key, plan, per_token=True, **options)
        assert [relative(g, w) <= FLOAT32 for g, w in zip(got, want, strict=True)] == [True, True]
    attention = torch.softmax(torch.randn(5, heads, 40, 40).masked_fill(hidden(batch), -1e9), -1)
    attention[3, heads - 1, 0, 0] = float("nan")
    raw = raw_attention(attention, plan)
    assert raw.faults.nonzero().tolist() == [[3, heads - 1]]


def hidden(batch):
    return torch.from_numpy(np.arange(batch.shape[1]) >= batch.lengths[:, None])[:, None, None]


def test_rows_at_any_address_give_the_same_bits():
    batch = random_batch(6, lengths=[50, 41])
    query, key = queries_keys(batch, 2, 2, 16, 6, torch.bfloat16)
    want = scored(query, key, batch.plan())
    shifted = [torch.zeros(2, 2, 50, 19, dtype=each.dtype) for each in (query, key)]
    for room, each in zip(shifted, (query, key), strict=True):
        room[..., 3:] = each
    got = scored(*(room[..., 3:] for room in shifted), batch.plan())
    assert torch.equal(got.nan_to_num(-1), want.nan_to_num(-1))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_given_attention_at_any_address_gives_the_same_bits(dtype):
    batch = random_batch(7, lengths=[64, 41])
    attention = torch.softmax(torch.randn(2, 2, 64, 64).masked_fill(hidden(batch), -1e9), -1)
    attention = attention.to(dtype)
    seen = []
    for shift in (0, 1, 8):
        room = torch.full((2, 2, 64, 80), float("nan"), dtype=dtype)
        room[..., shift : 64 + shift] = attention
        view = room[..., shift : 64 + shift]
        seen.append(hs.sieve_scores(view, batch.plan(), backend="cuda").nan_to_num(-1))
    assert torch.equal(seen[0], seen[1])
    assert torch.equal(seen[0], seen[2])
    want = hs.sieve_scores(attention, batch.plan(), backend="reference").nan_to_num(-1)
    assert relative(seen[0], want) <= FLOAT32


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_given_attention_on_thousands_of_keys_agrees_with_the_reference(dtype):
    """The lanes of a warp look at 32 tiles at once: rows of more than 2048 keys do it again."""
    cross = random_cross(3, lengths=[5, 3], source_lengths=[4300, 2050])
    plan = cross.plan()
    attention = torch.rand(2, 1, 5, 4300, dtype=torch.float64) ** 8
    attention[1, :, :, 2050:] = 0
    attention = (attention / attention.sum(-1, keepdim=True)).to(dtype)
    want = hs.sieve_scores(attention.double(), plan, backend="reference", per_token=True)
    got = hs.sieve_scores(attention, plan, backend="cuda", per_token=True)
    assert [relative(g, w) <= FLOAT32 for g, w in zip(got, want, strict=True)] == [True, True]


@pytest.mark.parametrize("peak", [3, 590])
def test_the_entropy_of_attention_with_one_large_probability_keeps_its_digits(peak):
    plan, attention = random_batch(1, lengths=[600]).plan("block_plain,block"), peaked(600, peak)
    want = hs.sieve_scores(attention.double(), plan, backend="reference", per_token=True)
    entropy = want[1][0, 1, 0] / want[1][0, 0, 0]
    assert float(entropy.nan_to_num(1).min()) < 1e-3
    got = hs.sieve_scores(attention, plan, backend="cuda", per_token=True)
    assert [relative(g, w) <= FLOAT32 for g, w in zip(got, want, strict=True)] == [True, True]


@pytest.mark.parametrize("peak", [3, 590])
def test_the_entropy_of_queries_and_keys_with_one_large_probability_keeps_its_digits(peak):
    plan, logits = random_batch(1, lengths=[600]).plan("block_plain,block"), peaks(600, peak)
    query, key = torch.zeros(2, 1, 1, 600, 16)  # the logits are those of the bias
    want = wanted(query, key, plan, bias=logits, per_token=True)
    got = scored(query, key, plan, bias=logits.float(), per_token=True)
    assert [relative(g, w) <= FLOAT32 for g, w in zip(got, want, strict=True)] == [True, True]


def test_a_misaligned_vector_load_is_an_error():
    batch = random_batch(7, lengths=[64])
    attention = torch.softmax(torch.randn(1, 1, 64, 64), -1)
    plan = batch.plan(["delimiter"])
    raw_attention(attention, plan)
    (loaded,) = cuda._loaded[plan.arrays(backends.Visibility())].values()
    labels = loaded.plan.key_label
    room = torch.zeros(labels.numel() + 1, dtype=labels.dtype)
    room[1:] = labels.flatten()
    shifted = loaded.plan._replace(key_label=room[1:].view(labels.shape))
    handle = cuda._cuda.Plan(shifted)
    cuda._loaded[plan.arrays(backends.Visibility())] = {
        where: loaded._replace(plan=shifted, handle=handle)
        for where in cuda._loaded[plan.arrays(backends.Visibility())]
    }
    with pytest.raises(hs.BackendError, match="a load is not aligned"):
        raw_attention(attention, plan)


def raw_qk(query, key, plan):
    visibility = backends.Visibility()
    return backends.score_qk(query, key, plan, visibility, backend="cuda", per_token=True)


def raw_attention(attention, plan):
    return backends.score_attention(
        attention, plan, backends.Visibility(), backend="cuda", per_token=True
    )


def problem_qk(dtype):
    """Faults in one warp, pairs and labels in all."""
    batch = random_batch(8, lengths=[130])
    query, key = queries_keys(batch, 2, 1, 40, 8, dtype)
    query[0, 0, 45, 3] = float("inf")
    masks = np.random.default_rng(0).random((1, 2, 130, 130)) < 0.05
    plans = [batch.plan(["local", "block", "delimiter"]), hs.SievePlan.from_masks(masks)]
    return lambda: [raw_qk(query, key, plan) for plan in plans]


def problem_attention():
    batch = random_batch(9, lengths=[70])
    attention = torch.softmax(torch.randn(1, 1, 70, 70), -1)
    attention = attention.repeat(1, 4, 1, 1)
    attention[0, 1, 9, 3] = float("nan")
    attention[0, 2, 17] = torch.tensor([1.5, -0.5] + [0.0] * 68)
    attention[0, 3, 25] *= 1.2
    plan = batch.plan(["local", "block", "delimiter", "sink"])
    return lambda: [raw_attention(attention, plan)]


def bits(problem):
    """Results of a problem; a word where the kernel broke a rule of the hardware."""
    try:
        results = [[each for each in raw if each is not None] for raw in problem()]
    except hs.BackendError as error:
        return str(error)
    return [torch.cat([each.flatten().double() for each in result]) for result in results]


def differ(got, want):
    if isinstance(got, str):
        return True
    pairs = zip(got, want, strict=True)
    return not all(torch.equal(g.nan_to_num(-1), w.nan_to_num(-1)) for g, w in pairs)


def test_removing_any_barrier_changes_the_scores(emulated_cuda):
    """A barrier left out changes a result, whichever it is: so would a race be seen."""
    problems = [problem_qk(torch.bfloat16), problem_qk(torch.float32), problem_attention()]
    wanted = [bits(problem) for problem in problems]
    sites = emulated_cuda.sites()
    assert len(sites) >= 12
    unseen = set(sites)
    for number, site in enumerate(sites):
        for order in ORDERS:
            for problem, want in zip(problems, wanted, strict=True):
                emulated_cuda.set(order, number)
                if site in unseen and differ(bits(problem), want):
                    unseen.remove(site)
    emulated_cuda.set()
    assert unseen == set()
    assert not any(differ(bits(p), want) for p, want in zip(problems, wanted, strict=True))


def test_kernel_sizes_equal_those_in_python():
    for name in ("TILE_KEYS", "MOST_ROWS", "ROLES_AT_ONCE", "PIECE_RUNS"):
        assert getattr(cuda._cuda, name) == getattr(device_plan, name)


def test_tile_labels_mark_uniform_mixed_and_unlabelled_tiles():
    key = np.full((2, 1, 192), 5)
    key[0, 0, 70] = 6
    key[1] = -1
    got = device_plan.tile_labels(key, np.array([129]))
    assert got.tolist() == [[[5, -1], [-2, -1], [5, -1]]]
    key[0, 0, 129] = 7  # padding goes with any label
    assert device_plan.tile_labels(key, np.array([129])).tolist() == got.tolist()


def test_tile_roles_mark_fresh_and_single_labels():
    labels = np.array([[[7, -1], [7, 5], [-2, 5], [-1, -2], [5, -2]]])
    fresh, one = [1, 2, 1, 2, 3], [1, 3, 2, 0, 1]
    assert device_plan.tile_roles(labels).tolist() == [
        [list(map(list, zip(fresh, one, strict=True)))]
    ]
    passes = device_plan.tile_roles(np.full((1, 2, 40), 3))
    assert passes.tolist() == [[[[-1, -1], [0, -1]]], [[[255, 255], [0, 255]]]]


@given(seed=st.integers(0, 10**6), heads=st.integers(1, 40), causal=st.booleans())
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_position_control_gives_the_bits_of_the_host(seed, heads, causal):
    encoded = random_batch(seed, batch=3, tokens=25).encoded()
    roles = parse_roles("local,nsubj,obj,amod@both,advmod")
    found = BatchPlan.of(roles, encoded).under(backends.Visibility(causal))
    rng = np.random.default_rng(seed)
    batch, columns = found.arrays.takes_part.shape
    scores = rng.random((batch, columns, heads), np.float32)
    scores[rng.random(scores.shape) < 0.01] = np.nan
    counted = rng.random(batch) < 0.8
    want = control_position(found.comparison, scores, counted, len(roles))
    arrays = {f.name: getattr(found.comparison, f.name) for f in fields(found.comparison)}
    columns = {name: torch.from_numpy(array) for name, array in arrays.items()}
    given = torch.from_numpy(scores), torch.from_numpy(counted)
    excess, sums = backends.control_position(cuda, columns, *given, len(roles))
    np.testing.assert_array_equal(excess.numpy(), want.excess)
    np.testing.assert_array_equal(sums.numpy(), want.sums)


def test_a_plan_on_the_device_is_used_by_all_layers_and_dropped_with_its_arrays():
    batch = random_batch(11, batch=2, tokens=20)
    plan = batch.plan(ROLES)
    arrays = plan.arrays(backends.Visibility())
    query, key = queries_keys(batch, 2, 1, 16, 0)
    want = scored(query, key, plan)
    (loaded,) = cuda._loaded[arrays].values()
    assert torch.equal(scored(query, key, plan).nan_to_num(-1), want.nan_to_num(-1))
    assert list(cuda._loaded[arrays].values()) == [loaded]
    before = len(cuda._loaded)
    del arrays, plan
    assert len(cuda._loaded) == before - 1
