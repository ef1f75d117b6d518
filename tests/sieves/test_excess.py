"""Scores of word pairs above what position gives agree with the loops on every backend."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers import loops
from helpers.batches import loop_attention, random_batch
from helpers.planning import plan_of
from hypothesis import given
from hypothesis import strategies as st

import headscore as hs
from headscore import backends
from headscore.backends.contract import Visibility
from headscore.sieves.excess import control_position
from headscore.sieves.odds import FACTORS, UNIT

ROLES = "local nsubj obj amod@both advmod@head2dep nsubj:* syntactic".split()
VISIBILITIES = [
    Visibility(),
    Visibility(causal=True),
    Visibility(window=4),
    Visibility(causal=True, window=5),
]


def listed_pairs(batch, seed):
    """Word pairs of no parse, of one or two tokens each: per sequence [(queries, keys), ...]."""
    rng = np.random.default_rng(seed)

    def pair(n):
        query = int(rng.integers(0, n))
        key = min(n - 1, max(0, query + int(rng.integers(-4, 5))))
        sizes = rng.integers(1, 3, 2).tolist()
        return [list(range(at, min(n, at + m))) for at, m in zip((query, key), sizes, strict=True)]

    drawn = [[pair(n) for _ in range(8)] for n in batch.lengths.tolist()]
    return [[(q, k) for q, k in groups if not set(q) & set(k)] for groups in drawn]


def loop_control(batch, attention__bhqk, roles, visibility, listed=None):
    """Excess (batch, role, head) and sums (row, role, head) by plain loops.

    The excess is NaN where nothing is compared; `listed` are the word pairs of a last role.
    """
    n_batch, heads = attention__bhqk.shape[:2]
    n_roles = len(roles) + (listed is not None)
    excess = np.full((n_batch, n_roles, heads), np.nan)
    sums = np.zeros((2 + len(FACTORS), n_roles, heads))
    for b in range(n_batch):
        n = int(batch.lengths[b])
        special, segments = batch.special[b, :n].tolist(), batch.segments[b, :n].tolist()
        pairs = {relation: words[b] for relation, words in batch.pairs.items()}
        words = [
            # A role that looks at sets of keys has no word pairs.
            [] if loops.sieves(role, special, segments) else loops.relation_pairs(role, pairs)
            for role in roles
        ]
        if listed is not None:
            words.append(listed[b])
        for h in range(heads):
            rows = attention__bhqk[b, h, :n, :n].tolist()
            for r, each in enumerate(words):
                found = loops.position_control(rows, each, special, segments, pairs, *visibility)
                if found is not None:
                    excess[b, r, h] = found[0]
                    sums[:, r, h] += found[1]
    return excess, sums


def control_of(batch, roles=ROLES):
    return plan_of(roles, batch.encoded())


def compared(control, query, key, visibility, backend="auto", counted=None):
    """Excess (batch, role, head) and sums (row, role, head) of one layer."""
    raw = backends.score_qk(
        torch.from_numpy(query), torch.from_numpy(key), control, visibility, backend=backend
    )
    comparison = control.under(visibility).comparison
    return control_position(comparison, raw.scores.numpy(), counted, len(control.roles))


def assert_near(got, want, tolerance=2e-5):
    for mine, theirs, unit in zip(got, want, (1, UNIT), strict=True):
        assert (np.isnan(mine) == np.isnan(theirs)).all()
        mine, theirs = np.nan_to_num(mine * unit), np.nan_to_num(theirs)
        np.testing.assert_allclose(mine, theirs, rtol=tolerance, atol=2 * tolerance)


def random_queries(seed, batch, heads=2, size=8, spread=1.0):
    shape = (2, len(batch.lengths), heads, batch.shape[1], size)
    return (np.random.default_rng(seed).normal(size=shape) * spread).astype(np.float32)


@pytest.mark.parametrize("visibility", VISIBILITIES)
@pytest.mark.parametrize("seed", range(4))
def test_every_backend_agrees_with_the_loops(backend, visibility, seed):
    batch = random_batch(seed, batch=3, tokens=24)
    query, key = random_queries(seed, batch, spread=2)
    attention = loop_attention(
        query, key, batch.lengths, scale=8**-0.5, causal=visibility.causal, window=visibility.window
    )
    pairs = listed_pairs(batch, seed)
    role = hs.roles.from_pairs("listed", {str(b): each for b, each in enumerate(pairs)})
    got = compared(control_of(batch, [*ROLES, role]), query, key, visibility, backend)
    want = loop_control(batch, attention, ROLES, visibility, pairs)
    assert_near(got, want)
    assert np.isfinite(want[0][:, 1:-1]).any()
    assert np.isfinite(want[0][:, -1]).any()


@pytest.mark.parametrize("visibility", VISIBILITIES)
def test_columns_do_not_change_the_scores_of_the_roles(backend, visibility):
    batch = random_batch(5, batch=4, tokens=30)
    control = control_of(batch)
    tensors = [torch.from_numpy(each) for each in random_queries(5, batch, size=16)]
    with_columns, without = (
        backends.score_qk(*tensors, plan, visibility, backend=backend).scores
        for plan in (control, control.sieves)
    )
    assert with_columns.shape[1] > without.shape[1] == len(ROLES)
    torch.testing.assert_close(with_columns[:, : len(ROLES)], without, rtol=1e-6, atol=1e-7)


@given(st.integers(0, 10_000), st.sampled_from(VISIBILITIES))
def test_random_attention_agrees_with_the_loops(seed, visibility):
    batch = random_batch(seed)
    query, key = random_queries(seed, batch, heads=1, size=4)
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
    want = loop_control(batch, attention, ROLES, visibility)
    assert_near((got.excess[:, :, 0], got.position_sums[:, :, 0]), want)


@pytest.mark.parametrize("visibility", VISIBILITIES)
def test_other_roles_do_not_change_the_control_of_a_role(visibility):
    batch = random_batch(6, batch=4, tokens=26)
    query, key = random_queries(6, batch)
    pairs = listed_pairs(batch, 6)
    role = hs.roles.from_pairs("listed", {str(b): each for b, each in enumerate(pairs)})
    together = compared(control_of(batch, [*ROLES, role]), query, key, visibility)
    for number, each in enumerate([*ROLES, role]):
        excess, sums = compared(control_of(batch, [each]), query, key, visibility)
        want = together[0][:, number], together[1][:, number] * UNIT
        assert_near((excess[:, 0], sums[:, 0]), want, tolerance=1e-6)
    # Roles of the parse share all their comparison entries: not a bit differs among them.
    few, many = (
        compared(control_of(batch, roles), query, key, visibility) for roles in (ROLES[1:3], ROLES)
    )
    np.testing.assert_array_equal(few[0], many[0][:, 1:3])
    np.testing.assert_array_equal(few[1], many[1][:, 1:3])


def test_a_role_of_listed_pairs_without_a_parse_leaves_out_its_own_pairs():
    attention = np.full((1, 1, 6, 6), 0.1, np.float32)
    for i, j, share in ((0, 1, 0.5), (3, 4, 0.3), (2, 1, 0.05), (5, 4, 0.2)):
        attention[0, 0, i, j] = share
    attention += np.eye(6, dtype=np.float32) * (1 - attention.sum(-1, keepdims=True))
    encoded = hs.Encoded.from_arrays([[5, 6, 7, 8, 9, 10]])
    # At offset 1 the pair (0, 1) and the reverse of (4, 3) are left out: (1, 2), (2, 3), (4, 5).
    role = hs.roles.from_pairs("listed", {"0": [([0], [1]), ([4], [3])]})
    scores = hs.score_attentions([attention], encoded, [role])
    sums = scores.position_sums[:, 0, 0, 0] * UNIT
    # At offset -1: (2, 1), (3, 2) and (5, 4).
    elsewhere = [0.1, (0.05 + 0.1 + 0.2) / 3]
    np.testing.assert_allclose(sums[0], 6 * (0.5 + 0.1) / 2, atol=1e-6)
    np.testing.assert_allclose(sums[1], 6)
    np.testing.assert_allclose(sums[4], 6 * np.mean(elsewhere), atol=1e-6)


@pytest.mark.parametrize("factor", [0.25, 1.0, 1.5, 8.0])
def test_attention_with_a_multiple_of_the_odds_of_its_offset_is_found(factor):
    n, offset_share = 9, 0.2
    pairs = [(1, 2), (4, 5)]
    attention = np.full((1, 1, n, n), 0.0)
    for i in range(n - 1):
        odds = offset_share / (1 - offset_share) * (factor if (i, i + 1) in pairs else 1)
        attention[0, 0, i, i + 1] = odds / (1 + odds)
    attention[0, 0, range(n), range(n)] = 1 - attention[0, 0].sum(-1)
    encoded = hs.Encoded.from_arrays(
        np.ones((1, n), int), pairs={"amod": [[([i], [j]) for i, j in pairs]]}
    )
    scores = hs.score_attentions([attention.astype(np.float32)], encoded, "amod")
    sums = scores.position_sums[:, 0, 0, 0] * UNIT
    np.testing.assert_allclose(sums[0], scores.values[0, 0, 0, 0], rtol=1e-6)
    np.testing.assert_allclose(sums[4], n * offset_share, rtol=1e-6)
    if factor in FACTORS:
        at = 2 + FACTORS.tolist().index(factor)
        np.testing.assert_allclose(sums[at], sums[0], rtol=1e-6)
        assert ((sums[2:] > sums[0] + 1e-5) == np.greater(FACTORS, factor)).all()
    np.testing.assert_allclose(
        scores.excess[0, 0, 0, 0], sums[0] - n * loops.scaled(offset_share, 1.5), atol=2e-6
    )
    assert (abs(scores.excess[0, 0, 0, 0]) < 1e-6) == (factor == 1.5)


def test_a_pair_without_a_comparison_is_left_out_of_both_sides():
    # Offset 3 has only the pair's own entry; (0, 1) has (1, 2) and (2, 3) beside it.
    encoded = hs.Encoded.from_arrays(
        np.ones((1, 4), int), pairs={"obj": [[([0], [3]), ([0], [1])]], "det": [[([2], [3])]]}
    )
    attention = np.array([[0.1, 0.4, 0.2, 0.3]] * 4, np.float32)[None, None]
    scores = hs.score_attentions([attention], encoded, "obj")
    sums = scores.position_sums[:, 0, 0, 0] * UNIT
    np.testing.assert_allclose(sums[[0, 1, 4]], [4 * 0.4, 4, 4 * 0.2], atol=1e-6)
    plan = plan_of("obj", encoded)
    assert plan.under(Visibility()).left_out == 1


def test_entries_without_a_comparison_do_not_count_as_keys_or_rows():
    # A word of two pieces looks at one of two pieces: offsets 3, 4, 2 and 3. Of the last two tokens
    # one is special, so that offset 4 has no entry but (0, 4).
    encoded = hs.Encoded.from_arrays(
        np.ones((1, 6), int),
        special=[[False] * 5 + [True]],
        pairs={"obj": [[([0, 1], [3, 4])]]},
    )
    rng = np.random.default_rng(0)
    attention = rng.dirichlet(np.ones(6), 6).astype(np.float32)[None, None]
    scores = hs.score_attentions([attention], encoded, "obj")
    rows = attention[0, 0].astype(float)
    # Offset 3: (0, 3) and (1, 4) are arcs, nothing is left. Offset 2: (0, 2), (2, 4) for (1, 3).
    sums = scores.position_sums[:, 0, 0, 0] * UNIT
    want = [6 * rows[1, 3], 6, 6 * (rows[0, 2] + rows[2, 4]) / 2]
    np.testing.assert_allclose(sums[[0, 1, 4]], want, atol=2e-6)


def test_where_all_entries_are_compared_the_first_sum_is_the_score():
    batch = random_batch(7, lengths=[60, 50, 40])
    batch = replace(batch, special=np.zeros_like(batch.special), segments=batch.segments * 0)
    control = control_of(batch)
    query, key = random_queries(7, batch)
    raw = backends.score_qk(*map(torch.from_numpy, (query, key)), control, Visibility())
    whole = np.setdiff1d(np.arange(len(ROLES)), _roles_with_entries_left_out(control))
    _, sums = compared(control, query, key, Visibility())
    want = raw.scores[:, : len(ROLES)].numpy().sum(axis=0)
    assert len(whole) > 2
    np.testing.assert_allclose(sums[0, whole] * UNIT, want[whole] * (whole > 0)[:, None], rtol=1e-5)


def _roles_with_entries_left_out(control):
    found = control.under(Visibility()).comparison
    unit = np.repeat(np.arange(len(found.unit_role)), np.diff(found.unit_offsets))
    members = np.bincount(
        found.unit_role[unit], weights=np.diff(found.pair_offsets), minlength=len(ROLES)
    )
    return np.flatnonzero(members != np.bincount(control.sieves.entry_role, minlength=len(ROLES)))


def test_a_sequence_alone_has_the_same_bits_as_in_a_batch():
    batch = random_batch(8, batch=4, tokens=28)
    control = control_of(batch)
    query, key = random_queries(8, batch, heads=3)
    together, sums = compared(control, query, key, Visibility())
    encoded = batch.encoded()
    added = np.zeros_like(sums)
    for b in range(4):
        own = encoded.take(np.array([b]))
        alone = plan_of(ROLES, own)
        at = np.s_[b : b + 1, :, : alone.tokens]
        got, part = compared(alone, query[at].copy(), key[at].copy(), Visibility())
        np.testing.assert_array_equal(got[0], together[b])
        added += part
    np.testing.assert_array_equal(added, sums)
    assert sums.any()


def test_sequences_that_are_not_counted_add_nothing():
    batch = random_batch(8, batch=4, tokens=28)
    control = control_of(batch)
    query, key = random_queries(8, batch, heads=3)
    counted = np.array([True, False, True, False])
    excess, sums = compared(control, query, key, Visibility(), counted=counted)
    assert np.isnan(excess[~counted]).all()
    whole, _ = compared(control, query, key, Visibility())
    np.testing.assert_array_equal(excess[counted], whole[counted])
    rest = compared(control, query, key, Visibility(), counted=~counted)[1]
    every = compared(control, query, key, Visibility())[1]
    np.testing.assert_array_equal(sums + rest, every)


def test_sampled_entries_agree_with_the_loops(backend):
    batch = random_batch(9, lengths=[400, 90])
    query, key = random_queries(9, batch, heads=1)
    attention = loop_attention(query, key, batch.lengths, scale=8**-0.5)
    got = compared(control_of(batch), query, key, Visibility(), backend)
    want = loop_control(batch, attention, ROLES, Visibility())
    assert_near(got, want)
    assert np.isfinite(want[0][0]).any()
