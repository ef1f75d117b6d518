"""Transformations of t: Hall's against its formula, the cautious one by its properties."""

import math
import warnings

import numpy as np
import pytest
from helpers.cells import run
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from headscore.statistics.skewness import (
    HIGH,
    LEAST_SHARE,
    MIDDLE,
    cautious,
    cautious_ratio,
    hall,
    hall_inverse,
)

NAN = float("nan")


def hall_by_loop(scores, tau):
    """Hall (1992) as in the docs: S = (mean - tau)/s, skewness g = sqrt(n) M3 / M2^1.5."""
    n = len(scores)
    mean = sum(scores) / n
    m2 = sum((x - mean) ** 2 for x in scores)
    m3 = sum((x - mean) ** 3 for x in scores)
    big_s = (mean - tau) / (m2 / (n - 1)) ** 0.5
    g = n**0.5 * m3 / m2**1.5
    t = n**0.5 * (big_s + g * big_s**2 / 3 + g**2 * big_s**3 / 27 + g / (6 * n))
    return stats.t.sf(t, n - 1)


@pytest.mark.parametrize("n", [8, 20, 200])
def test_pvalue_of_sequences_agrees_with_the_formula(n):
    values = np.random.default_rng(n).gamma(1.2, 3, (n, 40))
    expected = [hall_by_loop(values[:, head], 3.0) for head in range(40)]
    np.testing.assert_allclose(run(values).tested.pvalue_skew.ravel(), expected, rtol=1e-6)


def test_pvalue_of_clusters_of_one_size_agrees_with_the_formula_of_their_means():
    values = np.random.default_rng(1).gamma(1.2, 3, (60, 10))
    found = run(values, codes=np.repeat(range(12), 5)).tested.pvalue_skew.ravel()
    means = values.reshape(12, 5, 10).mean(axis=1)
    np.testing.assert_allclose(found, [hall_by_loop(x, 3.0) for x in means.T], rtol=1e-6)


def test_symmetric_scores_keep_their_pvalue():
    tested = run(np.linspace(2.5, 4.5, 9)[:, None]).tested
    assert tested.pvalue_skew.item() == pytest.approx(tested.pvalue.item(), rel=1e-12)


@given(
    t=st.floats(-50, 50),
    step=st.floats(1e-3, 10),
    a=st.floats(-1, 1),
    c=st.floats(-1, 1),
)
def test_transformed_statistic_rises_with_t(t, step, a, c):
    low, high = hall(np.array([t, t + step]), np.array(a), np.array(c))
    assert high > low - 1e-9 * max(abs(low), 1)


def test_unknown_skewness_leaves_t_alone():
    assert hall(np.array([-2.0, 3.0]), np.array(NAN)).tolist() == [-2, 3]


def ratio_t(y, n):
    """The t-statistic of sum y / sum n, with the variance of its residuals."""
    residuals = y - y.sum() / n.sum() * n
    return y.sum() / math.sqrt((residuals**2).sum())


@pytest.mark.parametrize("seed", range(3))
def test_size_asymmetry_is_the_second_order_of_the_t_of_a_ratio(seed):
    # Clusters of sizes n with sums y of mean 0. Weights 1 + h w move the mean of the sums away from
    # 0, as another sample would; then t = t_0 + c t_0^2 + O(h^3) with t_0 that of the plain mean.
    rng = np.random.default_rng(seed)
    n = rng.integers(1, 20, 40).astype(float)
    y = rng.gamma(1, 1, 40) * n**0.5
    y -= y.mean()
    scores = np.repeat(y / n, n.astype(int))
    codes = np.repeat(range(40), n.astype(int))
    c = run(scores[:, None] + 9, codes=codes).units.size_asymmetry.item()
    assert abs(c) > 0.01
    weight = rng.normal(0, 1, 40)
    second = []
    for h in (-1e-4, 1e-4):
        moved = y * (1 + h * weight)
        plain = moved.sum() / math.sqrt(((moved - moved.mean()) ** 2).sum())
        second.append((ratio_t(moved, n) - plain) / plain**2)
    assert np.mean(second) == pytest.approx(c, rel=1e-2)


def test_under_skewness_the_transformation_keeps_the_level_and_t_does_not():
    # Scores near their bound: 3.525 Beta(4, 0.7), of mean 3 and skewness -1.41.
    values = 3.525 * np.random.default_rng(13).beta(4, 0.7, (50, 20_000))
    assert stats.skew(values.ravel()) == pytest.approx(-1.41, abs=0.01)
    tested = run(values).tested
    error = (0.05 * 0.95 / 20_000) ** 0.5
    assert (tested.pvalue <= 0.05).mean() > 0.05 + 10 * error
    assert abs((tested.pvalue_skew <= 0.05).mean() - 0.05) < 4 * error


# --- below tau


def safe(t, b, testable=np.True_):
    """The cautious t of heads of one role."""
    t, b = (np.array(each, float).reshape(1, 1, -1) for each in (t, b))
    return cautious(t, b, np.broadcast_to(testable, t.shape)).ravel()


@given(t=st.floats(-400, 400), b=st.floats(-1, 1))
def test_cautious_t_is_no_less_than_t_and_than_its_bound(t, b):
    found = safe([t], [b]).item()
    assert found >= t
    if b > 1e-9:
        assert found >= -1 / (2 * b)
    else:
        assert found == pytest.approx(t, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("b", [1e-12, 1e-6, 1e-3])
def test_cautious_t_becomes_t_as_skewness_vanishes(b):
    assert safe([-3.0, 2.0], [b, b]) == pytest.approx([-3.0, 2.0], rel=4 * b + 1e-8)


def test_cautious_t_by_hand():
    # b = 1/2: exp(t) - 1, and never below -1.
    assert safe([-math.log(4), 0.0, -50.0], [0.5] * 3) == pytest.approx([-0.75, 0.0, -1.0])


def expected(t, b):
    """The cautious t of heads with this b, or that borrow it."""
    return np.expm1(2 * b * t) / (2 * b)


@pytest.mark.parametrize("n", [1, 2, 9, 10, 11, 144])
def test_heads_borrow_a_high_quantile_of_the_skewness_of_their_role(n):
    b = np.random.default_rng(n).permutation(np.arange(1, n + 1) / 200)
    found = safe(np.full(n, -5.0), b)
    np.testing.assert_allclose(found, expected(-5.0, np.maximum(b, np.quantile(b, HIGH))))


def test_heads_borrow_from_their_own_other_roles():
    # Head 0 of layer 1 is skewed in one of six roles: it may be so in the others.
    b = np.full((6, 2, 30), 0.01)
    b[2, 1, 0] = 0.8
    t = np.full(b.shape, -4.0)
    found = cautious(t, b, np.ones(b.shape, bool))
    of_head = np.quantile(b[:, 1, 0], HIGH)
    np.testing.assert_allclose(np.delete(found[:, 1, 0], 2), expected(-4.0, of_head))
    np.testing.assert_allclose(found[2, 1, 0], expected(-4.0, 0.8))
    np.testing.assert_allclose(found[:, 0], expected(-4.0, 0.01))
    np.testing.assert_allclose(found[:, 1, 1:], expected(-4.0, 0.01))


def test_heads_borrow_within_their_role():
    b = np.zeros((2, 2, 30))
    b[1, :, :6] = 0.4
    found = cautious(np.full(b.shape, -4.0), b, np.ones(b.shape, bool))
    np.testing.assert_allclose(found[1], expected(-4.0, 0.4))
    np.testing.assert_allclose(found[0, :, 6:], -4, rtol=1e-6)


def test_untestable_heads_lend_nothing():
    testable = np.array([True, True, False, True])
    found = safe([-4.0] * 4, [0.0, -0.2, 0.9, NAN], testable)
    np.testing.assert_allclose(found, -4, rtol=1e-6)
    nobody = safe([-4.0, -4.0], [0.3, 0.9], np.array([False, False]))
    np.testing.assert_allclose(nobody, -4, rtol=1e-6)


def test_a_large_t_does_not_overflow():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert safe([399.0, NAN], [1.0, 0.1]).tolist()[0] == math.inf


def test_a_mean_below_tau_is_not_found_in_a_sample_without_its_large_scores():
    # One score in 200 is 250: the mean is 3.24, and 60 % of the samples of 100 have none of them.
    rng = np.random.default_rng(2)
    large = rng.random((100, 2000)) < 1 / 200
    values = np.where(large, 250.0, rng.gamma(4, 0.5, large.shape))
    found = run(values)
    naive = stats.t.cdf(found.tested.statistic, found.tested.df)
    assert (naive <= 0.05).mean() > 0.5
    assert (found.tested.pvalue_below <= 0.05).mean() < 0.01
    # Heads that are not skewed, in a role without such heads, are found.
    plain = run(rng.gamma(4, 0.5, (100, 200)))
    assert (plain.tested.pvalue_below <= 0.05).all()


# --- means of scores of at least 0


def test_ratio_is_measured_by_the_largest_relative_error():
    rng = np.random.default_rng(3)
    relative, ratio = rng.uniform(0.05, 0.4, (3, 2, 5)), rng.uniform(0.02, 1.5, (3, 2, 5))
    b = rng.uniform(-0.1, 0.1, (3, 2, 5))
    testable = rng.random((3, 2, 5)) < 0.8
    found = cautious_ratio(ratio, relative, b, testable)

    def borrowed(x, at, share):
        role, layer, head = at
        of_role = np.quantile(x[role][testable[role]], share)
        of_head = np.quantile(x[:, layer, head][testable[:, layer, head]], share)
        return max(x[role, layer, head], of_role, of_head)

    for at in np.argwhere(testable):
        t = math.log(max(ratio[tuple(at)], LEAST_SHARE)) / borrowed(relative, at, HIGH)
        size = max(borrowed(b, at, MIDDLE), 1e-9)
        wanted = max(t, math.expm1(2 * size * t) / (2 * size))
        assert found[tuple(at)] == pytest.approx(wanted, rel=1e-6, abs=1e-9)


def test_a_mean_of_next_to_nothing_counts_as_a_tenth_of_tau():
    alone = np.full((1, 1, 1), True)
    one = np.full((1, 1, 1), 0.1)
    t = [cautious_ratio(one * ratio * 10, one, one * 0, alone).item() for ratio in (1e-9, 0.1)]
    assert t == [pytest.approx(math.log(0.1) / 0.1)] * 2


def test_skewness_bounds_the_ratio():
    alone = np.full((1, 1, 1), True)
    one = np.ones((1, 1, 1))
    found = cautious_ratio(one * 0.2, one * 1e-3, one * 0.5, alone)
    assert found.item() == pytest.approx(-1)  # -1 / (2 b)


@pytest.mark.parametrize("size_asymmetry", [0.0, 0.1])
def test_the_inverse_of_hall_gives_back_the_statistic(size_asymmetry):
    t, asymmetry = np.meshgrid(np.linspace(-8, 8, 33), [-0.9, -1e-3, -1e-12, 0, 1e-10, 0.05, 0.9])
    there = hall(t, asymmetry, size_asymmetry)
    np.testing.assert_allclose(hall_inverse(there, asymmetry, size_asymmetry), t, atol=1e-4)
    np.testing.assert_array_equal(hall_inverse(np.array([1.5]), np.array([NAN])), [1.5])
