"""The tests of each cell, up and down: against published numbers, scipy, loops and simulation."""

import json
import math
from pathlib import Path

import numpy as np
import pytest
from helpers.cells import cell, run, status_of
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

import headscore as hs
from headscore.statistics.criterion import Criterion
from headscore.statistics.t_test import t_test
from headscore.statistics.units import sequences

PUBLISHED = json.loads(
    (Path(__file__).parents[1] / "helpers" / "published.json").read_text(encoding="utf-8")
)


SLEEP_1, SLEEP_2 = (np.array(PUBLISHED["sleep"][name]) for name in ("group_1", "group_2"))


def test_student_sleep_data_as_printed_by_r():
    printed = PUBLISHED["sleep"]["one_sided"]
    tested = run(SLEEP_1[:, None], tau=0.0).tested
    assert tested.statistic.item() == pytest.approx(printed["statistic"], abs=5e-5)
    assert tested.df.item() == printed["df"]
    assert tested.pvalue.item() == pytest.approx(printed["pvalue"], abs=5e-5)
    assert tested.ci_low.item() == pytest.approx(printed["ci_low"], abs=5e-8)


def test_student_sleep_differences_as_printed_by_r():
    printed = PUBLISHED["sleep"]["paired"]
    tested = run((SLEEP_2 - SLEEP_1)[:, None], tau=0.0, alpha=0.025).tested
    assert tested.statistic.item() == pytest.approx(-printed["statistic"], abs=5e-5)
    assert 2 * tested.pvalue.item() == pytest.approx(printed["pvalue"], abs=5e-7)
    assert tested.ci_low.item() == pytest.approx(-printed["ci"][1], abs=5e-8)


@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_agrees_with_scipy(alpha):
    values = np.random.default_rng(3).gamma(5, 0.7, (37, 60)).astype(np.float32)
    tested = run(values, tau=3.3, alpha=alpha).tested
    expected = stats.ttest_1samp(values.astype(float), 3.3, axis=0, alternative="greater")
    bound = expected.confidence_interval(1 - alpha).low
    np.testing.assert_allclose(tested.statistic.ravel(), expected.statistic, rtol=1e-8)
    np.testing.assert_allclose(tested.pvalue.ravel(), expected.pvalue, rtol=1e-7)
    np.testing.assert_allclose(tested.ci_low.ravel(), bound, rtol=1e-9)
    assert (tested.df == 36).all()


def test_clusters_of_one_agree_with_scipy():
    values = np.random.default_rng(3).gamma(5, 0.7, (37, 60))
    tested = run(values, tau=3.3, codes=np.random.default_rng(4).permutation(37)).tested
    expected = stats.ttest_1samp(values, 3.3, axis=0, alternative="greater")
    np.testing.assert_allclose(tested.statistic.ravel(), expected.statistic, rtol=1e-9)
    np.testing.assert_allclose(tested.pvalue.ravel(), expected.pvalue, rtol=1e-8)


def test_cells_with_different_n_are_each_tested_with_their_own():
    values = np.random.default_rng(4).normal(3.2, 1, (35, 12))
    for head in range(12):
        values[: 2 * head, head] = np.nan
    tested = run(values).tested
    for head in range(12):
        expected = stats.ttest_1samp(values[2 * head :, head], 3.0, alternative="greater")
        assert tested.df[0, 0, head] == 34 - 2 * head
        assert tested.pvalue[0, 0, head] == pytest.approx(expected.pvalue, rel=1e-7)


def test_ddof_0_gives_a_larger_statistic():
    values = np.random.default_rng(5).normal(3.5, 1, (10, 1))
    one, zero = run(values).tested, run(values, ddof=0).tested
    ratio = (zero.statistic / one.statistic).item()
    assert ratio == pytest.approx((10 / 9) ** 0.5, rel=1e-9)
    assert zero.df.item() == 9


def of_cell(tau=3.0, **changes):
    """The test of one cell that was not made of scores."""
    cells, criterion = cell(**changes), Criterion.of_mean(np.array([tau]))
    return t_test(cells, sequences(cells, criterion), status_of("ok"), criterion)


@pytest.mark.parametrize(
    ("t", "n", "expected"),
    # mpmath 1.3, betainc(df/2, 1/2, 0, df/(df + t^2), regularized=True)/2 at 40 digits.
    [
        (8, 10, 1.1067408404700077e-05),
        (40, 801, 2.4462608183838347e-193),
        (50, 1001, 1.3793362061625825e-274),
    ],
)
def test_far_tail_does_not_underflow(t, n, expected):
    tested = of_cell(n=n, mean=1 + t / n**0.5, tau=1.0)
    assert tested.pvalue.item() == pytest.approx(expected, rel=1e-4)


def test_uniform_attention_is_not_significant_at_tau_1():
    rng = np.random.default_rng(6)
    scores = (1 + rng.integers(-1, 4, (200, 8)) * np.float32(2**-24)).astype(np.float32)
    found = run(scores, tau=1.0)
    naive = stats.ttest_1samp(scores.astype(float), 1.0, axis=0)
    assert (naive.pvalue < 1e-4).all()
    assert (found.status == "ok").all()
    assert (found.tested.pvalue > 0.2).all()
    assert (found.tested.pvalue_below > 0.2).all()


def test_the_floor_is_relative_to_the_magnitude_where_one_is_given():
    cells, criterion = cell(sd=0.0, mean=3.0001), Criterion.of_mean(np.array([3.0]))
    units, status = sequences(cells, criterion), status_of("ok")
    usual, of_large = (
        t_test(cells, units, status, criterion, magnitude=size)
        for size in (None, np.full((1, 1, 1), 300.0))
    )
    assert usual.statistic.item() == pytest.approx(1e-4 / 3.0001e-6, rel=1e-6)
    assert of_large.statistic.item() == pytest.approx(1e-4 / 3e-4, rel=1e-6)


def test_pvalues_are_uniform_where_the_mean_is_tau():
    values = np.random.default_rng(7).normal(3, 0.8, (8, 4000)).astype(np.float32)
    p = run(values).tested.pvalue.ravel()
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert abs((p <= 0.05).mean() - 0.05) < 4 * (0.05 * 0.95 / p.size) ** 0.5
    naive = run(values, ddof=0).tested.pvalue.ravel()
    assert stats.kstest(naive, "uniform").pvalue < 0.01


def test_bound_exceeds_tau_exactly_where_p_is_below_alpha():
    tested = run(np.random.default_rng(8).normal(3.3, 1, (20, 500))).tested
    np.testing.assert_array_equal(tested.ci_low > 3, tested.pvalue < 0.05)
    assert 0.1 < (tested.ci_low > 3).mean() < 0.9


# --- safe p-values of both directions


@given(st.integers(0, 1000))
def test_safe_pvalues_agree_with_the_formula(seed):
    rng = np.random.default_rng(seed)
    values = rng.gamma(1.5, 1.9, (25, 1))
    x, tested = values[:, 0], run(values).tested
    size = max(x.mean(), 3.0)
    t = (x.mean() - 3) / math.hypot(x.std(ddof=1) / 5, 0.0025 * size)
    b = stats.skew(x) / 5 / 3
    relative = math.hypot(x.std(ddof=1) / 5 / x.mean(), 0.0025)
    by_ratio = math.log(max(x.mean() / 3, 0.1)) / relative
    below, above = max(t, saturating(by_ratio, b)), saturating(-t, -b)
    assert tested.pvalue_below.item() == pytest.approx(stats.t.cdf(below, 24), rel=1e-5)
    assert tested.pvalue_above.item() == pytest.approx(stats.t.cdf(above, 24), rel=1e-5)


def saturating(t, b):
    return (math.exp(2 * b * t) - 1) / (2 * b) if b > 0 else t


@pytest.mark.parametrize("sign", [1, -1])
def test_means_within_a_quarter_per_cent_of_tau_are_on_neither_side(sign):
    values = 3 - sign * np.outer(np.linspace(0.9999, 1.0001, 50), [0.005, 0.0075, 0.03])
    tested = run(values).tested
    assert (sign * tested.statistic < -100).all()
    found = tested.pvalue_below if sign > 0 else tested.pvalue_above
    assert (found > [[[0.2, 0.1, 0.0]]]).all()
    assert found[0, 0, 2] < 0.001


@pytest.mark.parametrize("shape", [0.3, 1.0, 30.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_safe_pvalues_keep_their_level_for_scores_skewed_away_from_tau(sign, shape):
    # The sample misses the few scores that would bring its mean to the other side.
    values = 3 + sign * (np.random.default_rng(9).gamma(shape, 3 / shape, (60, 5000)) - 3)
    tested = run(values).tested
    p = tested.pvalue_below if sign > 0 else tested.pvalue_above
    for level in (0.05, 0.001):
        assert (p <= level).mean() < level + 4 * (level / p.size) ** 0.5
    if shape == 0.3:
        assert (stats.t.cdf(sign * tested.statistic, tested.df) <= 0.001).mean() > 0.01


def test_a_role_without_scores_changes_no_other_verdict():
    rng = np.random.default_rng(11)
    values = rng.gamma(3, 1, (40, 2, 1, 30))
    values[:, 1] = np.nan
    attainable = np.full((40, 2), 30.0)
    attainable[:, 1] = np.nan
    tables = [
        hs.test(
            hs.HeadScores.from_arrays(values[:, :n], roles, attainable=attainable[:, :n]),
            criterion="attained",
            tau=0.2,
        ).table
        for n, roles in ((1, ["a"]), (2, ["a", "b"]))
    ]
    assert tables[0]["verdict"].tolist() == tables[1]["verdict"][:30].tolist()
    assert (tables[0]["verdict"] == "has_not").all()


def test_both_directions_are_never_shown_at_once():
    values = np.random.default_rng(10).gamma(2, 1.5, (20, 500)) * np.linspace(0.5, 2, 500)
    tested = run(values).tested
    for above in (tested.pvalue, tested.pvalue_above):
        np.testing.assert_array_less(0.4, np.maximum(above, tested.pvalue_below))
        assert ((tested.pvalue_below < 0.05).any(), (above < 0.05).any()) == (True, True)


# --- equal scores


@pytest.mark.parametrize(
    ("score", "pvalue", "below"),
    [
        (2.0, 1.0, (9 / 10) ** 8),
        (2.9999, 1.0, (9 / 9.0001) ** 8),
        (3.0, 1.0, 1.0),
        (3.000002, 1.0, 1.0),  # equal but for rounding
        (2.999998, 1.0, 1.0),
        (3.0001, (3 / 3.0001) ** 8, 1.0),
        (4.0, (3 / 4) ** 8, 1.0),
        (12.0, (1 / 4) ** 8, 1.0),
    ],
)
def test_equal_scores_are_tested_by_markov(score, pvalue, below):
    found = run(np.full((8, 1), score), attainable=np.full(8, 12.0))
    assert found.status.item() == "zero_variance"
    assert found.tested.pvalue.item() == pytest.approx(pvalue, rel=1e-9)
    assert found.tested.pvalue_skew.item() == found.tested.pvalue.item()
    assert found.tested.pvalue_above.item() == found.tested.pvalue.item()
    assert found.tested.pvalue_below.item() == pytest.approx(below, rel=1e-9)
    assert np.isfinite(found.tested.statistic.item())


def test_equal_scores_below_tau_of_no_known_bound_show_nothing():
    tested = run(np.full((500, 1), 1.0)).tested
    assert (tested.pvalue.item(), tested.pvalue_below.item()) == (1, 1)


def test_markov_is_reached_by_the_least_favourable_scores():
    # H0 holds with equality for scores of c with a chance of tau / c, else 0: eight scores of c
    # have exactly the chance (tau / c)^8. Downwards: scores of c, else of the largest possible A.
    above, below = (run(np.full((8, 1), c), attainable=np.full(8, 12.0)).tested for c in (5.0, 1.0))
    assert above.pvalue.item() == pytest.approx(stats.binom.pmf(8, 8, 3 / 5))
    assert below.pvalue_below.item() == pytest.approx(stats.binom.pmf(8, 8, (12 - 3) / (12 - 1)))


@pytest.mark.parametrize("score", [3.5, 4.0, 4.3, 4.4, 9.0])
def test_bound_of_equal_scores_exceeds_tau_where_the_test_rejects(score):
    # 3 / c to the power of 8 is 0.05 at c = 4.363.
    tested = run(np.full((8, 1), score)).tested
    assert tested.ci_low.item() == pytest.approx(score * 0.05 ** (1 / 8))
    assert (tested.ci_low.item() > 3) == (tested.pvalue.item() <= 0.05) == (score > 4.363)


@pytest.mark.parametrize("score", [1.0, 5.0])
def test_equal_scores_of_unequal_clusters_count_by_the_largest(score):
    codes = np.repeat(range(9), [6, 1, 2, 3, 1, 2, 3, 1, 1])
    tested = run(np.full((20, 1), score), codes=codes, attainable=np.full(20, 12.0)).tested
    chance = 3 / 5 if score > 3 else 9 / 11
    found = tested.pvalue if score > 3 else tested.pvalue_below
    assert found.item() == pytest.approx(chance ** (20 / 6), rel=1e-9)
    # A bet of all on each cluster, by the same share, is never worth less.
    bets = 1 + np.bincount(codes) / 6 * (1 / chance - 1)
    assert found.item() >= 1 / bets.prod()


@pytest.mark.parametrize("excess", [2.0, -0.25])
def test_equal_excesses_are_tested_by_markov_under_criterion_attained(excess):
    attainable = np.random.default_rng(11).permutation(np.arange(4.0, 14.0))
    threshold = 1 + 0.5 * (attainable - 1)
    found = run((threshold + excess)[:, None], attainable=attainable, fraction=0.5)
    tested = found.tested
    assert found.status.item() == "zero_variance"
    scale, room = threshold.max(), 0.5 * (attainable.max() - 1)
    assert tested.pvalue.item() == pytest.approx((1 + max(excess, 0) / scale) ** -10, rel=1e-6)
    assert tested.pvalue_below.item() == pytest.approx(
        (1 + max(-excess, 0) / room) ** -10, rel=1e-6
    )
