"""SievePlan: weights, tokens that take part, and attainable scores under every visibility."""

import itertools

import numpy as np
import pytest
from helpers import loops
from helpers.batches import ROLES, random_batch
from helpers.planning import overlap_of, visible_range
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize

import headscore as hs
from headscore.backends.contract import Visibility
from headscore.errors import InputError, UsageError
from headscore.roles.role import Labels, Pairs, Role

visibilities = st.builds(Visibility, st.booleans(), st.none() | st.integers(1, 7)) | st.just(
    Visibility(False, 0)
)
seeds = st.integers(0, 10**6)
PLAIN = [role for role in ROLES if role != "block"]


def weights(plan, visibility):
    """W (batch, role, T, T): without entropy a score is the sum of W times attention."""
    arrays = plan.arrays(visibility)
    begin, end = visible_range(plan.lengths, plan.tokens, visibility)
    at = np.arange(plan.tokens)
    seen = (begin[..., None] <= at) & (at < end[..., None])
    dense = np.zeros((plan.batch, len(plan.names), plan.tokens, plan.tokens))
    for n, role in enumerate(arrays.label_role):
        low, high = arrays.band[n]
        same = arrays.query_label[n][:, :, None] == arrays.key_label[n][:, None, :]
        inside = same & (low <= at - at[:, None]) & (at - at[:, None] <= high) & seen
        dense[:, role] += inside * arrays.row_weight[n][:, :, None].astype(float)
    for row, (start, stop) in enumerate(itertools.pairwise(arrays.pair_offsets)):
        b, i = divmod(row, plan.tokens)
        where = (b, arrays.pair_role[start:stop], i, arrays.pair_key[start:stop])
        np.add.at(dense, where, arrays.pair_weight[start:stop])
    return dense, seen


def loop_score(batch, b, role, rows, visibility):
    """What the loops say of one head's rows, NaN = takes no part."""
    n = len(rows)
    pairs = {relation: words[b] for relation, words in batch.pairs.items()}
    marks = batch.special[b, :n].tolist(), batch.segments[b, :n].tolist()
    score = loops.score(rows.tolist(), role, *marks, pairs, *visibility)
    return np.nan if score is None else score


def random_rows(rng, seen):
    """Attention (T, T) of one head over the visible keys."""
    rows = rng.random(seen.shape) ** 4 * seen
    return rows / rows.sum(1, keepdims=True)


@given(seeds, visibilities)
def test_weights_give_the_score_of_the_loops(seed, visibility):
    batch = random_batch(seed)
    plan = batch.plan(PLAIN)
    dense, seen = weights(plan, visibility)
    rng = np.random.default_rng(seed)
    for b, n in enumerate(batch.lengths):
        rows = random_rows(rng, seen[b, :n, :n])
        for r, role in enumerate(PLAIN):
            wanted = loop_score(batch, b, role, rows, visibility)
            assert plan.arrays(visibility).takes_part[b, r] == ~np.isnan(wanted)
            got = (dense[b, r, :n, :n] * rows).sum()
            assert got == pytest.approx(np.nan_to_num(wanted), rel=1e-5, abs=1e-7)
    padding = np.arange(plan.tokens) >= batch.lengths[:, None]
    assert not (dense.sum(3) * padding[:, None]).any()
    assert not (dense.sum(2) * padding[:, None]).any()


@given(seeds, visibilities)
def test_uniform_attention_scores_one(seed, visibility):
    plan = random_batch(seed).plan(PLAIN)
    dense, seen = weights(plan, visibility)
    uniform = seen / np.maximum(seen.sum(-1, keepdims=True), 1)
    got = np.einsum("brqk,bqk->br", dense, uniform)
    np.testing.assert_allclose(got, plan.arrays(visibility).takes_part.astype(float), rtol=1e-6)


@given(seeds, visibilities)
def test_attainable_is_the_score_of_the_best_attention(seed, visibility):
    batch = random_batch(seed)
    plan = batch.plan(PLAIN)
    arrays = plan.arrays(visibility)
    dense, seen = weights(plan, visibility)
    rng = np.random.default_rng(seed)
    assert (np.isnan(arrays.attainable) == ~arrays.takes_part).all()
    for b, n in enumerate(batch.lengths):
        some = random_rows(rng, seen[b, :n, :n])
        for r, role in enumerate(PLAIN):
            best = np.eye(n)[np.where(seen[b, :n, :n], dense[b, r, :n, :n], -1).argmax(1)]
            wanted = loop_score(batch, b, role, best, visibility)
            np.testing.assert_allclose(arrays.attainable[b, r], wanted, rtol=1e-5)
            assert not loop_score(batch, b, role, some, visibility) > wanted * (1 + 1e-6)


@given(seeds, visibilities)
def test_tokens_take_part_if_their_row_has_weight(seed, visibility):
    batch = random_batch(seed)
    plan = batch.plan()
    arrays = plan.arrays(visibility)
    dense, _ = weights(plan, visibility)
    assert (arrays.token_takes_part == (dense > 0).any(3)).all()
    assert (arrays.takes_part == arrays.token_takes_part.any(2)).all()


@given(seeds, visibilities)
def test_entries_are_sorted_by_row_and_key(seed, visibility):
    arrays = random_batch(seed).plan().arrays(visibility)
    rows = np.repeat(np.arange(len(arrays.pair_offsets) - 1), np.diff(arrays.pair_offsets))
    order = list(zip(rows.tolist(), arrays.pair_key.tolist(), strict=True))
    assert order == sorted(order)
    assert (arrays.pair_weight >= 0).all()


@given(
    st.integers(1, 9),
    st.integers(1, 9),
    st.sampled_from([(1, 1, 1), (1, 2, 1), (0, 1, 1), (2, 1, 0)]),
)
def test_attainable_of_block_without_entropy_matches_the_formula(n_a, n_b, specials):
    first, between, last = specials
    special = [*[1] * first, *[0] * n_a, *[1] * between, *[0] * n_b, *[1] * last]
    segments = np.repeat([0, 1], [first + n_a + between, n_b + last])
    encoded = hs.Encoded.from_arrays([special], None, [special], [segments])
    plan = hs.SievePlan.compile("block_plain,block", encoded)
    plain, with_entropy = plan.arrays(Visibility()).attainable[0]
    assert plain == pytest.approx(2 + first / n_a + (between + last) / n_b, rel=1e-6)
    assert np.log(len(special)) < with_entropy <= plain * np.log(len(special))


def best_with_entropy(n_sieve, n_visible):
    """Largest (share of attention in the sieve) * entropy, by search over all rows."""

    def loss(logits):
        row = np.exp(logits - logits.max())
        row /= row.sum()
        return row[:n_sieve].sum() * (row * np.log(np.maximum(row, 1e-300))).sum()

    starts = np.random.default_rng(0).normal(size=(3, n_visible))
    return -min(minimize(loss, start).fun for start in starts)


@pytest.mark.parametrize(
    ("special", "segments", "visibility"),
    [
        ("x..x.x", "000111", Visibility()),
        ("..x...", "000111", Visibility()),
        ("x.x..x.", "0001111", Visibility(True)),
        ("x.x..x.", "0001111", Visibility(False, 2)),
        ("x.x..x.", "0001111", Visibility(True, 3)),
    ],
)
def test_attainable_of_block_with_entropy_agrees_with_the_loops(special, segments, visibility):
    special, segments = [mark == "x" for mark in special], [int(s) for s in segments]
    n = len(special)
    rows = []
    for i, sieve in enumerate(loops.sieves("block", special, segments)):
        keys = loops.visible(i, n, *visibility)
        inside = set(sieve) & set(keys)
        if inside:
            best = best_with_entropy(len(inside), len(keys))
            rows.append(best * len(keys) / len(inside))
    encoded = hs.Encoded.from_arrays([[1] * n], None, [special], [segments])
    attainable = hs.SievePlan.compile("block", encoded).arrays(visibility).attainable
    assert attainable.item() == pytest.approx(np.mean(rows), rel=1e-5)


@given(seeds)
def test_entropy_of_pair_roles_stays_below_its_bound(seed):
    """For a drawn sieve the bound is the plain one times the largest entropy."""
    rng = np.random.default_rng(seed)
    mask = rng.random((1, 5, 5)) < 0.4
    mask[0, 0, 0] = True
    drawn = Role("drawn", lambda batch: mask, times_entropy=True)
    plan = hs.SievePlan.compile(
        [drawn, Role("plain", lambda batch: mask)], hs.Encoded.from_arrays([[1] * 5])
    )
    entropic, plain = plan.arrays(Visibility()).attainable[0]
    assert entropic == pytest.approx(plain * np.log(5), rel=1e-6)
    rows = random_rows(rng, np.ones((5, 5)))
    assert hs.sieve_scores(rows[None, None], plan).reshape(-1)[0] <= entropic


@given(seeds, visibilities)
def test_masks_agree_with_the_loops(seed, visibility):
    rng = np.random.default_rng(seed)
    batch, tokens = rng.integers(1, 4), rng.integers(1, 9)
    lengths = rng.integers(1, tokens + 1, batch)
    masks = rng.random((batch, 3, tokens, tokens)) < np.array([0.5, 0.1, 0.0])[:, None, None]
    plan = hs.SievePlan.from_masks(masks, lengths)
    _, seen = weights(plan, visibility)
    attention = np.zeros((batch, 1, tokens, tokens))
    wanted = np.full((batch, 3), np.nan)
    for b, n in enumerate(lengths):
        rows = random_rows(rng, seen[b, :n, :n])
        attention[b, 0, :n, :n] = rows
        for r in range(3):
            score = loops.mask_score(rows.tolist(), masks[b, r].tolist(), *visibility)
            wanted[b, r] = np.nan if score is None else score
    options = {"causal": visibility.causal, "window": visibility.window}
    got = hs.sieve_scores(attention, plan, **options)[..., 0]
    np.testing.assert_allclose(got, wanted, rtol=1e-5)
    assert np.isnan(got[:, 2]).all()


@given(seeds)
def test_labels_masks_and_lists_of_one_sieve_agree(seed):
    rng = np.random.default_rng(seed)
    lengths, query, key = np.array([4, 6]), *rng.integers(-1, 3, (2, 2, 6))
    mask = (query[:, :, None] == key[:, None, :]) & (query[:, :, None] >= 0)
    real = np.arange(6) < lengths[:, None]
    entries = (mask & real[:, :, None] & real[:, None, :]).nonzero()
    pairs = Pairs(entries[0], np.zeros_like(entries[0]), *entries[1:])
    every = np.arange(len(entries[0]))
    shuffled = rng.permutation(np.concatenate([every, every[::2]]))  # no order, some twice
    again = Pairs(*(column[shuffled] for column in vars(pairs).values()))
    roles = [
        Role(f"role{n}", lambda batch, sieve=sieve: sieve)
        for n, sieve in enumerate([Labels(query, key), mask, pairs, again])
    ]
    plan = hs.SievePlan.compile(roles, hs.Encoded.from_arrays(np.ones((2, 6), int), lengths))
    dense, _ = weights(plan, Visibility())
    for r in (1, 2, 3):
        np.testing.assert_allclose(dense[:, 0], dense[:, r], rtol=1e-6)


def test_attainable_of_a_sequence_does_not_depend_on_its_batch():
    batch = random_batch(11, batch=4, tokens=12)
    together = batch.plan().arrays(Visibility())
    for b, n in enumerate(batch.lengths):
        alone = hs.SievePlan.compile(ROLES, batch.encoded().take(np.array([b])))
        assert alone.tokens == n
        np.testing.assert_array_equal(
            alone.arrays(Visibility()).attainable[0], together.attainable[b]
        )


def test_arrays_are_cached_contiguous_and_typed():
    plan = random_batch(2).plan()
    arrays = plan.arrays(Visibility(True, 3))
    assert plan.arrays(Visibility(True, 3)) is arrays
    assert plan.arrays(Visibility(True)) is not arrays
    types = {
        "lengths label_role query_label key_label band pair_role pair_key": np.int32,
        "row_weight pair_weight attainable": np.float32,
        "pair_offsets": np.int64,
        "times_entropy": np.uint8,
        "takes_part token_takes_part": np.bool_,
    }
    for names, dtype in types.items():
        for name in names.split():
            array = getattr(arrays, name)
            assert (name, array.dtype) == (name, dtype)
            assert array.flags.c_contiguous


def test_no_sequences_or_no_roles_give_empty_arrays():
    empty = hs.SievePlan.compile("paper", hs.Encoded.from_arrays(np.ones((0, 5), int)))
    assert (empty.batch, empty.tokens) == (0, 5)
    assert empty.arrays(Visibility()).attainable.shape == (0, 10)
    no_roles = hs.SievePlan.from_masks(np.zeros((2, 0, 3, 3), bool))
    assert hs.sieve_scores(np.full((2, 4, 3, 3), 1 / 3), no_roles).shape == (2, 0, 4)


def test_large_labels_stay_distinct():
    largest = 2**31 - 1
    query = np.array([[largest, largest - 1, 0]])
    plan = hs.SievePlan.compile(
        [Role("own", lambda batch: Labels(query, query))], hs.Encoded.from_arrays([[1, 2, 3]])
    )
    dense, _ = weights(plan, Visibility())
    np.testing.assert_allclose(dense[0, 0], np.eye(3))


@given(seeds, visibilities)
def test_what_matters_of_labels_is_which_are_equal(seed, visibility):
    rng = np.random.default_rng(seed)
    lengths, tokens = rng.integers(1, 12, 3), 12
    encoded = hs.Encoded.from_arrays(np.ones((3, tokens), int), lengths)
    small = rng.integers(-1, 4, (2, 2, 3, tokens))  # two roles, query and key
    large = np.array([2**31 - 1, 2**30, 0, 2**20, -1])[small]

    def roles(labels):
        bands = [(-(2**30), 2**30), (-3, 1)]
        return [
            Role(f"role{n}", lambda _, n=n: Labels(*labels[n]), band=band)
            for n, band in enumerate(bands)
        ]

    mine, theirs = (
        hs.SievePlan.compile(roles(each), encoded).arrays(visibility) for each in (small, large)
    )
    np.testing.assert_array_equal(mine.row_weight, theirs.row_weight)
    np.testing.assert_array_equal(mine.attainable, theirs.attainable)
    np.testing.assert_array_equal(
        *(overlap_of(roles(each), encoded, visibility) for each in (small, large))
    )


def grid(shape=(2, 3), dtype=int):
    return np.zeros(shape, dtype)


@pytest.mark.parametrize(
    ("sieve", "message"),
    [
        (Labels(grid((2, 4)), grid()), "must give query labels of shape (2, 3), got (2, 4)"),
        (Labels(grid(), grid((2,))), "must give key labels of shape (2, 3), got (2,)"),
        (Labels(grid(), grid(dtype=float)), "must give key labels as integers, got float64"),
        (Labels(grid() + 2**31, grid()), "must give query labels below 2**31, got 2147483648"),
        (grid((2, 3, 3)), "must give Labels, Pairs or a bool mask of shape (2, 3, 3), got int64"),
        (grid((2, 3, 4), bool), "bool mask of shape (2, 3, 3), got bool (2, 3, 4)"),
        (None, "must give Labels, Pairs or a bool mask of shape (2, 3, 3), got object ()"),
        ([[True]], "bool mask of shape (2, 3, 3), got bool (1, 1)"),
        (Pairs.from_lists([[], [([0], [2])]]), "got query 0, key 2 in sequence 1"),
        (Pairs.from_lists([[([3], [0])]]), "positions inside their sequence, got query 3"),
        (Pairs.from_lists([[([0], [-1])]]), "got query 0, key -1 in sequence 0"),
        (Pairs.from_lists([[], [], [([0], [0])]]), "got query 0, key 0 in sequence 2"),
        (Pairs(*np.zeros((3, 2), int), np.zeros(1, int)), "query and key of one length, got [(2,)"),
        (Pairs(*np.zeros((4, 2, 1), int)), "one length, got [(2, 1), (2, 1), (2, 1), (2, 1)]"),
        (Pairs(*np.zeros((4, 2))), "must give its pairs as integers, got float64"),
    ],
)  # fmt: skip
def test_invalid_sieves_raise(sieve, message):
    encoded = hs.Encoded.from_arrays(np.ones((2, 3), int), [3, 2])
    with pytest.raises(InputError) as caught:
        hs.SievePlan.compile([Role("my_own", lambda batch: sieve)], encoded)
    assert str(caught.value).startswith("role 'my_own' must ")
    assert message in str(caught.value)


def test_pairs_of_a_batch_without_sequences_raise():
    encoded = hs.Encoded.from_arrays(np.ones((0, 3), int), np.zeros(0, int))
    with pytest.raises(InputError, match="got query 0, key 0 in sequence 0"):
        hs.SievePlan.compile([Role("r", lambda _: Pairs.from_lists([[([0], [0])]]))], encoded)


def test_an_unknown_role_raises():
    with pytest.raises(UsageError, match=r"got 'no role'"):
        hs.SievePlan.compile("no role", hs.Encoded.from_arrays([[1]]))


@pytest.mark.parametrize(
    ("masks", "options", "message"),
    [
        (grid((1, 1, 3, 3)), {}, "masks must be bool (batch, role, Tq, Tk), got int64"),
        (grid((1, 3, 3), bool), {}, "masks must be bool (batch, role, Tq, Tk), got bool (1, 3, 3)"),
        (grid((1, 1, 3, 4), bool), {"key_lengths": [5]}, "key_lengths must lie in 1..T = 4, got 5"),
        (grid((1, 2, 3, 3), bool), {"names": "a"}, "names must be 2 different names, got ['a']"),
        (grid((1, 2, 3, 3), bool), {"names": "aa"}, "names must be 2 different names, got ['a',"),
        (grid((2, 1, 3, 3), bool), {"lengths": [3]}, "lengths must be 2 integers, got int64 (1,)"),
        (grid((2, 1, 3, 3), bool), {"lengths": [3, 4]}, "1..T = 3, got 4 for sequence 1"),
    ],
)  # fmt: skip
def test_invalid_masks_raise(masks, options, message):
    with pytest.raises(InputError) as caught:
        hs.SievePlan.from_masks(masks, **options)
    assert message in str(caught.value)
