"""Step-down maxT: against all flips in plain loops, scipy's permutation test, and itself."""

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats
from scipy.special import comb

from headscore.options import FLIPS
from headscore.statistics import max_t as module
from headscore.statistics.adjust import adjust
from headscore.statistics.max_t import adjust_units, level_of_units, max_t

NAN = float("nan")


def certain(n):
    """P-values that leave all to the flips."""
    return np.full(n, 1e-300)


def statistic(u):
    """z of the sums of one cell, from the formulas of the module's docstring, number by number."""
    total, square = sum(u), sum(x * x for x in u)
    if square == 0:
        return 0.0
    n = sum(x != 0 for x in u)
    alike = min(math.pi / 2 * sum(abs(x) for x in u) ** 2 / square, n)
    df, left = alike - 1, 1 - total**2 / square / alike
    limit = stats.norm.isf(0.5**n)
    if left < 1e-12:
        return math.copysign(limit, total)
    z = math.sqrt(-df * math.log(left)) * (8 * df + 1) / (8 * df + 3)
    return math.copysign(min(z, limit), total)


def brute_force(p, sums, two_sided):
    """Adjusted p-values by the definition: every flip, every step, one cell at a time."""
    n_units, n_cells = sums.shape

    def of(u):
        z = statistic(u)
        return abs(z) if two_sided else z

    observed = [
        min(of(sums[:, c]), stats.norm.isf(p[c] / 2 if two_sided else p[c])) for c in range(n_cells)
    ]
    flips = [np.array(signs) for signs in product([1, -1], repeat=n_units)]
    flipped = [[of(signs * sums[:, c]) for c in range(n_cells)] for signs in flips]
    left, adjusted, largest = set(range(n_cells)), np.empty(n_cells), 0.0
    for cell in sorted(left, key=lambda c: -observed[c]):
        exceed = [max(z[c] for c in left) >= observed[cell] - 1e-9 for z in flipped]
        largest = max(largest, sum(exceed) / len(exceed))
        adjusted[cell] = largest
        left.remove(cell)
    return adjusted


def sums_of(rng, units, cells, effect=1.0):
    """Skewed sums of units of unequal sizes, alike between cells, with effects in some of them."""
    common = rng.normal(0, 1, (units, 1))
    noise = 0.6 * common + 0.8 * (rng.gamma(1, 1, (units, cells)) - 1)
    return rng.pareto(2, (units, 1)) * (noise + effect * (np.arange(cells) % 3 == 0))


@pytest.mark.parametrize("two_sided", [False, True])
@pytest.mark.parametrize(("units", "seed"), [(3, 0), (8, 1), (8, 2), (9, 3)])
def test_agrees_with_all_flips_in_plain_loops(units, seed, two_sided):
    rng = np.random.default_rng(seed)
    sums = sums_of(rng, units, 5)
    sums[:2, 1] = 0.0  # takes no part in two units
    sums[:, 4] = 0.0  # lies at the threshold
    p = np.array([1e-9, 0.3, 1e-4, 0.02, 1.0])
    for given in (p, certain(5)):
        found = max_t(given, sums, two_sided=two_sided)
        expected = np.maximum(brute_force(given, sums, two_sided), given)
        np.testing.assert_allclose(found, expected, rtol=1e-12)
    assert len(set(found)) > 1


@pytest.mark.parametrize(("alternative", "two_sided"), [("greater", False), ("two-sided", True)])
def test_one_cell_agrees_with_the_permutation_test_of_scipy(alternative, two_sided):
    u = np.random.default_rng(4).gamma(1, 1, 11) - 0.6
    oracle = stats.permutation_test(
        (u,), np.sum, permutation_type="samples", alternative=alternative, n_resamples=np.inf
    )
    found = max_t(certain(1), u[:, None], two_sided=two_sided)
    assert found[0] == pytest.approx(oracle.pvalue, rel=1e-12)


@pytest.mark.parametrize("shift", [-0.8, 0.1, 0.5])
def test_of_normal_or_equally_large_sums_the_statistic_is_that_of_the_t_test(shift):
    normal = np.random.default_rng(1).normal(shift, 1, 200)
    for u in (np.repeat([1.0, -1.0], [17, 8]), normal):
        t, df = stats.ttest_1samp(u, 0).statistic, len(u) - 1
        z = module._Flipped.of_sums(u[:, None], False).as_observed()[0]
        assert z == pytest.approx(np.sign(t) * stats.norm.isf(stats.t.sf(abs(t), df)), rel=0.02)


def test_exact_level_under_symmetry_whatever_the_sizes_of_units():
    # Every sign pattern of the units is as likely: among them, at most alpha reject anything.
    sums = sums_of(np.random.default_rng(5), 8, 4, effect=0.0)
    patterns = np.array(list(product([1, -1], repeat=8)))
    least = np.array([max_t(certain(4), signs[:, None] * sums).min() for signs in patterns])
    for alpha in (0.01, 0.05, 0.2, 0.5):
        rejected = (least <= alpha).mean()
        assert alpha - 0.03 < rejected <= alpha


def test_drawn_flips_agree_with_the_binomial_tail():
    # Equal units: the p-value of k units of 40 below the threshold is binomial.
    for below in (8, 13, 17):
        u = np.where(np.arange(40) < below, -1.0, 1.0)
        exact = sum(comb(40, k) for k in range(below + 1)) / 2**40
        error = math.sqrt(exact * (1 - exact) / FLIPS)
        assert max_t(certain(1), u[:, None])[0] == pytest.approx(exact, abs=4 * error + 1 / FLIPS)
    assert max_t(certain(1), np.ones((40, 1)))[0] == 1 / FLIPS


def test_copies_of_a_cell_count_as_one_and_independent_cells_do_not():
    rng = np.random.default_rng(6)
    u = rng.normal(0.45, 1, (40, 1))
    alone = max_t(certain(1), u)[0]
    assert 0.0001 < alone < 0.05
    np.testing.assert_array_equal(max_t(certain(50), np.repeat(u, 50, axis=1)), alone)
    others = np.concatenate([u, rng.normal(0, 1, (40, 49))], axis=1)
    among = max_t(certain(50), others)[0]
    holm = adjust(np.full(50, alone))[0]
    assert 5 * alone < among <= 1.2 * holm


def test_a_larger_p_value_takes_the_place_of_that_of_the_flips():
    sums = sums_of(np.random.default_rng(7), 10, 6, effect=3.0)
    alone = max_t(certain(6), sums)
    p = np.array([0.2, 1e-300, 1e-300, 0.9, 1e-300, 1e-300])
    found = max_t(p, sums)
    assert (found >= alone).all()
    assert (found >= p).all()
    assert found[0] > alone[0]


@pytest.mark.parametrize("two_sided", [False, True])
def test_cells_without_a_test_stay_so_and_do_not_count(two_sided):
    sums = sums_of(np.random.default_rng(8), 9, 6)
    p = np.array([[NAN, 0.01, 1e-5], [0.2, NAN, 1e-3]])
    known = ~np.isnan(p)
    found = max_t(p, sums.reshape(9, 2, 3), two_sided=two_sided)
    np.testing.assert_array_equal(np.isnan(found), ~known)
    alone = max_t(p[known], sums.reshape(9, 2, 3)[:, known], two_sided=two_sided)
    np.testing.assert_array_equal(found[known], alone)
    assert np.isnan(max_t(np.full(3, NAN), np.ones((9, 3)))).all()


def test_order_and_blocks_do_not_change_a_bit(monkeypatch):
    rng = np.random.default_rng(9)
    sums, p = sums_of(rng, 30, 40), rng.uniform(0, 0.01, 40)
    found = max_t(p, sums)
    order = rng.permutation(40)
    np.testing.assert_array_equal(max_t(p[order], sums[:, order]), found[order])
    np.testing.assert_array_equal(max_t(p, sums * 2.0**-40), found)
    empty = np.zeros((5, 40))  # units that take no part anywhere draw no signs
    np.testing.assert_array_equal(max_t(p, np.concatenate([empty, sums])), found)


def test_sums_are_exact_in_any_order():
    # What a BLAS adds up in another order for another number of threads must not change a bit.
    sums = sums_of(np.random.default_rng(10), 400, 7) * 10.0 ** np.arange(-3, 4)
    flipped = module._Flipped.of_sums(sums, False)
    whole = flipped.whole__uc
    assert (whole == np.rint(whole)).all()
    assert np.abs(whole).sum(axis=0).max() < 2**52
    signs = next(module._signs(400))
    exact = [[sum(int(x) for x in row * whole[:, c]) for c in range(7)] for row in signs[:20]]
    assert (signs[:20] @ whole).tolist() == exact
    np.testing.assert_allclose(whole / whole[0], sums / sums[0], rtol=1e-9)


def test_the_first_flip_changes_nothing_and_signs_are_fair():
    for units in (4, 13, 14, 300):
        blocks = list(module._signs(units))
        signs = np.concatenate(blocks)
        assert (signs[0] == 1).all()
        assert len(signs) == (2**units if units <= 13 else FLIPS)
        assert set(np.unique(signs)) == {-1.0, 1.0}
        assert np.abs(signs.mean(axis=0)).max() < 5 / math.sqrt(len(signs))
    assert len({tuple(row) for row in np.concatenate(list(module._signs(13)))}) == 2**13


def test_other_methods_need_no_sums():
    p = np.array([0.01, 0.2, NAN])
    np.testing.assert_array_equal(adjust_units(p, "bh", None), adjust(p, "bh"))
    assert level_of_units(p, adjust(p), 0.05, "holm") == 0.05


def test_level_in_use_counts_independent_tests():
    p = np.array([1e-6, 0.004, 0.5, NAN])
    adjusted = np.array([0.001, 1 - (1 - 0.004) ** 30, 0.9, NAN])
    assert level_of_units(p, adjusted, 0.05, "maxt") == pytest.approx(0.05 / 30)
    assert level_of_units(p[:1], adjusted[:1], 0.05, "maxt") == 0.05
    assert level_of_units(np.array([0.7]), np.array([1.0]), 0.05, "maxt") <= 0.05
    assert level_of_units(np.array([NAN]), np.array([NAN]), 0.05, "maxt") == 0.05
