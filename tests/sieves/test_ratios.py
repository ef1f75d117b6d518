"""Ratios of scores to the position control agree with the loops on every backend."""

import numpy as np
import pytest
import torch
from helpers import loops
from helpers.batches import loop_attention, random_batch
from hypothesis import given
from hypothesis import strategies as st

import headscore as hs
from headscore import backends
from headscore.backends.contract import Visibility
from headscore.sieves import ratios
from headscore.sieves.position import PositionPlan

ROLES = "local nsubj obj amod@both advmod@head2dep nsubj:* syntactic".split()
VISIBILITIES = [
    Visibility(),
    Visibility(causal=True),
    Visibility(window=4),
    Visibility(causal=True, window=5),
]


def loop_ratios(batch, attention__bhqk, roles, visibility):
    """Log ratios (batch, role, head) by plain loops, NaN = nothing is compared."""
    n_batch, heads = attention__bhqk.shape[:2]
    ratios = np.full((n_batch, len(roles), heads), np.nan)
    for b in range(n_batch):
        n = int(batch.lengths[b])
        special, segments = batch.special[b, :n].tolist(), batch.segments[b, :n].tolist()
        pairs = {relation: words[b] for relation, words in batch.pairs.items()}
        for h in range(heads):
            rows = attention__bhqk[b, h, :n, :n].tolist()
            for r, role in enumerate(roles):
                if loops.sieves(role, special, segments) is not None:
                    continue  # looks at sets of keys: nothing to compare
                ratio = loops.beyond_position(rows, role, special, segments, pairs, *visibility)
                if ratio is not None:
                    ratios[b, r, h] = ratio
    return ratios


def control_of(batch, roles=ROLES):
    encoded = batch.encoded()
    return PositionPlan.of(hs.SievePlan.compile(roles, encoded), encoded)


def ratios_of(control, query, key, visibility, backend="auto"):
    raw = backends.score_qk(
        torch.from_numpy(query), torch.from_numpy(key), control, visibility, backend=backend
    )
    compared = ratios.compare(control, visibility)
    return ratios.log_ratios(control, raw.scores.numpy()[:, :, None], compared)[:, :, 0]


def assert_near(got, want):
    assert (np.isnan(got) == np.isnan(want)).all()
    np.testing.assert_allclose(np.nan_to_num(got), np.nan_to_num(want), atol=2e-5)


@pytest.mark.parametrize("visibility", VISIBILITIES)
@pytest.mark.parametrize("seed", range(4))
def test_every_backend_agrees_with_the_loops(backend, visibility, seed):
    batch = random_batch(seed, batch=3, tokens=24)
    query, key = np.random.default_rng(seed).normal(size=(2, 3, 2, 24, 8)).astype(np.float32)
    attention = loop_attention(
        query, key, batch.lengths, scale=8**-0.5, causal=visibility.causal, window=visibility.window
    )
    got = ratios_of(control_of(batch), query, key, visibility, backend)
    want = loop_ratios(batch, attention, ROLES, visibility)
    assert_near(got, want)
    assert np.isfinite(want).any()


@pytest.mark.parametrize("visibility", VISIBILITIES)
def test_columns_do_not_change_the_scores_of_the_roles(backend, visibility):
    batch = random_batch(5, batch=4, tokens=30)
    control = control_of(batch)
    query, key = np.random.default_rng(5).normal(size=(2, 4, 2, 30, 16)).astype(np.float32)
    tensors = torch.from_numpy(query), torch.from_numpy(key)
    with_columns, without = (
        backends.score_qk(*tensors, plan, visibility, backend=backend).scores
        for plan in (control, control.plan)
    )
    assert with_columns.shape[1] == len(control.names) > len(ROLES)
    torch.testing.assert_close(with_columns[:, : len(ROLES)], without, rtol=1e-6, atol=1e-7)


@given(st.integers(0, 10_000), st.sampled_from(VISIBILITIES))
def test_random_attention_agrees_with_the_loops(seed, visibility):
    batch = random_batch(seed)
    n, tokens = batch.shape
    rng = np.random.default_rng(seed)
    query, key = rng.normal(size=(2, n, 1, tokens, 4)).astype(np.float32)
    attention = loop_attention(
        query, key, batch.lengths, scale=0.5, causal=visibility.causal, window=visibility.window
    )
    got = hs.score_attentions(
        [attention.astype(np.float32)],
        batch.encoded(),
        ROLES,
        causal=visibility.causal,
        window=visibility.window,
    )
    assert_near(got.beyond[:, :, 0], loop_ratios(batch, attention, ROLES, visibility))


def test_a_sequence_alone_has_the_same_bits_as_in_a_batch():
    batch = random_batch(8, batch=4, tokens=28)
    control = control_of(batch)
    query, key = np.random.default_rng(8).normal(size=(2, 4, 3, 28, 8)).astype(np.float32)
    together = ratios_of(control, query, key, Visibility())
    encoded = batch.encoded()
    for b in range(4):
        own = encoded.take(np.array([b]))
        alone = PositionPlan.of(hs.SievePlan.compile(ROLES, own), own)
        at = np.s_[b : b + 1, :, : alone.tokens]
        got = ratios_of(alone, query[at].copy(), key[at].copy(), Visibility())
        np.testing.assert_array_equal(got[0], together[b])


def test_ratios_of_sampled_entries_agree_with_the_loops(backend):
    batch = random_batch(9, lengths=[400, 90])
    query, key = np.random.default_rng(9).normal(size=(2, 2, 1, 400, 8)).astype(np.float32)
    attention = loop_attention(query, key, batch.lengths, scale=8**-0.5)
    got = ratios_of(control_of(batch), query, key, Visibility(), backend)
    want = loop_ratios(batch, attention, ROLES, Visibility())
    assert_near(got, want)
    assert np.isfinite(want[0]).any()
