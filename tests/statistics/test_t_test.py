"""The test of each cell, against published numbers, scipy and simulation."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from helpers.cells import cell, run
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from headscore.declarations import named
from headscore.errors import UsageError, unknown_name
from headscore.options import AdjustOptions
from headscore.statistics.adjust import adjust, robust
from headscore.statistics.criterion import thresholds
from headscore.statistics.moments import moments
from headscore.statistics.status import ABSENT, STATUSES, statuses
from headscore.statistics.t_test import TTest, t_test

NAN = float("nan")
PUBLISHED = json.loads(
    (Path(__file__).parents[1] / "helpers" / "published.json").read_text(encoding="utf-8")
)


SLEEP_1, SLEEP_2 = (np.array(PUBLISHED["sleep"][name]) for name in ("group_1", "group_2"))


def test_student_sleep_data_as_printed_by_r():
    printed = PUBLISHED["sleep"]["one_sided"]
    _, _, tested = run(SLEEP_1[:, None], tau=0.0)
    assert tested.statistic.item() == pytest.approx(printed["statistic"], abs=5e-5)
    assert tested.df.item() == printed["df"]
    assert tested.pvalue.item() == pytest.approx(printed["pvalue"], abs=5e-5)
    assert tested.ci_low.item() == pytest.approx(printed["ci_low"], abs=5e-8)


def test_student_sleep_differences_as_printed_by_r():
    printed = PUBLISHED["sleep"]["paired"]
    _, _, tested = run((SLEEP_2 - SLEEP_1)[:, None], tau=0.0, alpha=0.025)
    assert tested.statistic.item() == pytest.approx(-printed["statistic"], abs=5e-5)
    assert 2 * tested.pvalue.item() == pytest.approx(printed["pvalue"], abs=5e-7)
    assert tested.ci_low.item() == pytest.approx(-printed["ci"][1], abs=5e-8)


@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_agrees_with_scipy(alpha):
    values = np.random.default_rng(3).gamma(5, 0.7, (37, 60)).astype(np.float32)
    _, _, tested = run(values, tau=3.3, alpha=alpha)
    expected = stats.ttest_1samp(values.astype(float), 3.3, axis=0, alternative="greater")
    bound = expected.confidence_interval(1 - alpha).low
    np.testing.assert_allclose(tested.statistic.ravel(), expected.statistic, rtol=1e-8)
    np.testing.assert_allclose(tested.pvalue.ravel(), expected.pvalue, rtol=1e-7)
    np.testing.assert_allclose(tested.ci_low.ravel(), bound, rtol=1e-9)
    assert (tested.df == 36).all()


def test_cells_with_different_n_are_each_tested_with_their_own():
    values = np.random.default_rng(4).normal(3.2, 1, (30, 12))
    for head in range(12):
        values[: 2 * head, head] = np.nan
    _, _, tested = run(values)
    for head in range(12):
        expected = stats.ttest_1samp(values[2 * head :, head], 3.0, alternative="greater")
        assert tested.df[0, 0, head] == 29 - 2 * head
        assert tested.pvalue[0, 0, head] == pytest.approx(expected.pvalue, rel=1e-7)


def test_ddof_0_gives_a_larger_statistic():
    values = np.random.default_rng(5).normal(3.5, 1, (10, 1))
    (_, _, one), (_, _, zero) = run(values), run(values, ddof=0)
    ratio = (zero.statistic / one.statistic).item()
    assert ratio == pytest.approx((10 / 9) ** 0.5, rel=1e-9)
    assert zero.df.item() == 9


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
    tested = t_test(cell(n=n, mean=1 + t / n**0.5), np.array([[["ok"]]], object), np.array([1.0]))
    assert tested.pvalue.item() == pytest.approx(expected, rel=1e-4)


def test_uniform_attention_is_not_significant_at_tau_1():
    rng = np.random.default_rng(6)
    rounding = rng.integers(-1, 4, (200, 8)) * np.float32(2**-24)
    _, status, tested = run((1 + rounding).astype(np.float32), tau=1.0)
    naive = stats.ttest_1samp((1 + rounding).astype(np.float32).astype(float), 1.0, axis=0)
    assert (naive.pvalue < 1e-4).all()
    assert (status == "ok").all()
    assert (tested.pvalue > 0.2).all()


def test_pvalues_are_uniform_where_the_mean_is_tau():
    values = np.random.default_rng(7).normal(3, 0.8, (4, 4000)).astype(np.float32)
    _, _, tested = run(values)
    p = tested.pvalue.ravel()
    assert stats.kstest(p, "uniform").pvalue > 0.01
    assert abs((p <= 0.05).mean() - 0.05) < 4 * (0.05 * 0.95 / p.size) ** 0.5
    _, _, naive = run(values, ddof=0)
    assert stats.kstest(naive.pvalue.ravel(), "uniform").pvalue < 1e-4


def test_bound_exceeds_tau_exactly_where_p_is_below_alpha():
    values = np.random.default_rng(8).normal(3.3, 1, (20, 500))
    _, _, tested = run(values)
    np.testing.assert_array_equal(tested.ci_low > 3, tested.pvalue < 0.05)
    assert 0.1 < (tested.ci_low > 3).mean() < 0.9


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "ok"),
        ({"attainable": NAN}, "ok"),
        ({"attainable": 3.0}, "unattainable"),
        ({"attainable": 2.0, "minimum": 1.5, "maximum": 1.5}, "unattainable"),
        ({"minimum": 4.0, "maximum": 4.0, "sd": 0.0}, "zero_variance"),
        ({"n": 1, "sd": NAN, "minimum": 4.0, "maximum": 4.0}, "insufficient_n"),
        ({"n": 1, "attainable": 2.0}, "insufficient_n"),
        ({"n": 0, "mean": NAN, "attainable": NAN}, "no_sieve"),
        ({"nonfinite": True}, "nonfinite"),
        ({"nonfinite": True, "n": 0}, "nonfinite"),
        ({"nonfinite": True, "n": 1}, "nonfinite"),
    ],
)
def test_status_is_the_first_that_applies(changes, status):
    assert statuses(cell(**changes), np.array([3.0])).item() == status


def test_scores_give_every_status():
    columns = {
        "ok": [4.0, 5.0, 6.0],
        "zero_variance": [4.0, 4.0, 4.0],
        "insufficient_n": [4.0, NAN, NAN],
        "no_sieve": [NAN, NAN, NAN],
        "nonfinite": [4.0, np.inf, 5.0],
    }
    _, status, tested = run(np.array([*columns.values()]).T)
    assert status.ravel().tolist() == list(columns)
    assert np.isnan(tested.pvalue.ravel()).tolist() == [False, False, True, True, True]
    assert np.isnan(tested.statistic.ravel()).tolist() == [False, False, True, True, True]
    _, status, tested = run([[2.5], [2.8]], attainable=[2.9, 3.0])
    assert status.item() == "unattainable"
    assert np.isnan(tested.pvalue.item())
    assert tested.ci_low.item() < 2.65
    _, status, _ = run([[4.0], [NAN]], attainable=[5.0, 5.0])
    assert status.item() == "nonfinite"
    assert {*columns, "unattainable", *ABSENT} == set(STATUSES)


def test_missing_heads_have_the_status_no_head_or_no_attention():
    values = np.full((3, 2, 3, 2), NAN, np.float32)
    values[:, 0, 0] = values[:, 0, 2, :1] = [[4.0], [5.0], [6.0]]
    attainable = np.full((3, 2, 3), NAN, np.float32)
    attainable[:, 0, ::2] = 9.0
    cells = moments(values, attainable, tau=np.array([3.0, 3.0]))
    hidden = np.array([[0, 0, 0], [3, 0, 1]])
    status = statuses(
        cells, np.array([3.0, 3.0]), heads__l=np.array([2, 0, 1]), invisible__rl=hidden
    )
    nothing = ["no_attention", "no_attention"]
    assert status[0].tolist() == [["ok", "ok"], nothing, ["ok", "no_head"]]
    assert status[1].tolist() == [["unattainable"] * 2, nothing, ["unattainable", "no_head"]]
    assert np.isnan(t_test(cells, status, np.array([3.0, 3.0])).pvalue[1]).all()


@pytest.mark.parametrize(
    ("score", "pvalue"), [(2.0, 1.0), (3.0, 1.0), (3.000002, 1.0), (3.00001, 0.0), (9.0, 0.0)]
)
def test_equal_scores_are_decided_by_their_mean(score, pvalue):
    _, status, tested = run(np.full((5, 1), score))
    assert status.item() == "zero_variance"
    assert tested.pvalue.item() == pvalue
    assert np.isfinite(tested.statistic.item())


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


@pytest.mark.parametrize("n", [3, 20, 200])
def test_pvalue_without_skewness_agrees_with_the_formula(n):
    values = np.random.default_rng(n).gamma(1.2, 3, (n, 40))
    _, _, tested = run(values)
    expected = [hall_by_loop(values[:, head], 3.0) for head in range(40)]
    np.testing.assert_allclose(tested.pvalue_skew.ravel(), expected, rtol=1e-6)


def test_symmetric_scores_have_the_same_pvalue_without_skewness():
    _, _, tested = run(np.array([2.5, 3.0, 3.5, 4.0, 4.5])[:, None])
    assert tested.pvalue_skew.item() == pytest.approx(tested.pvalue.item(), rel=1e-12)


def test_pvalue_without_skewness_falls_as_the_mean_rises():
    scores = 10 - np.random.default_rng(12).gamma(0.5, 2, 15)
    shift = np.linspace(-30, 30, 400)
    _, _, tested = run(scores[:, None] + shift - scores.mean() + 31, tau=31.0)
    assert (np.diff(tested.pvalue_skew.ravel()) <= 1e-15).all()


@pytest.mark.parametrize("score", [2.0, 9.0])
def test_equal_scores_have_the_same_pvalue_without_skewness(score):
    _, _, tested = run(np.full((5, 1), score))
    assert tested.pvalue_skew.item() == tested.pvalue.item() == (score < 3)


def test_under_skewness_the_transformation_keeps_the_level_and_t_does_not():
    # Scores near their bound: 3.525 Beta(4, 0.7), of mean 3 and skewness -1.41.
    values = 3.525 * np.random.default_rng(13).beta(4, 0.7, (50, 30_000))
    assert stats.skew(values.ravel()) == pytest.approx(-1.41, abs=0.01)
    _, _, tested = run(values)
    error = (0.05 * 0.95 / 30_000) ** 0.5
    assert (tested.pvalue <= 0.05).mean() > 0.05 + 10 * error
    assert abs((tested.pvalue_skew <= 0.05).mean() - 0.05) < 4 * error


def three(pvalue_skew, pvalue=0.0):
    """Three cells of which only the p-values matter."""
    shape = (1, 1, 3)
    given = np.array([pvalue_skew]).reshape(shape)
    nothing = np.zeros(shape)
    return TTest(nothing, nothing, np.where(np.isnan(given), NAN, pvalue), nothing, given)


@pytest.mark.parametrize(
    ("pvalue_skew", "log_evalue", "method", "expected"),
    [
        ([0.0, 0.0, 0.0], [9.0, 9.0, 9.0], "holm", [True, True, True]),
        ([0.02, 0.02, 0.02], [9.0, 9.0, 9.0], "holm", [False, False, False]),
        ([0.02, 0.02, 0.02], [9.0, 9.0, 9.0], "bh", [True, True, True]),
        ([0.02, 0.02, 0.5], [9.0, 9.0, 9.0], "none", [True, True, False]),
        ([0.0, 0.0, 0.0], [9.0, 2.0, 2.0], "holm", [True, False, False]),  # log(60) = 4.1
        ([0.0, 0.0, 0.0], [9.0, 3.5, 0.0], "holm", [True, True, False]),  # log(30) = 3.4
        ([0.0, 0.0, 0.0], [9.0, 3.5, NAN], "holm", [True, True, False]),
        ([0.0, 0.0, 0.0], [3.9, NAN, NAN], "holm", [False, False, False]),
        ([0.0, NAN, NAN], [3.9, NAN, 99.0], "holm", [True, False, False]),  # one test: log(20)
    ],
)
def test_robust_needs_the_pvalue_and_the_evalue(pvalue_skew, log_evalue, method, expected):
    found = robust(three(pvalue_skew), np.array([[log_evalue]]), alpha=0.05, method=method)
    assert found.ravel().tolist() == expected


def test_thresholds_per_role_and_per_cell_agree():
    cells = cell()
    status = np.array([[["ok"]]], object)
    by_role = t_test(cells, status, np.array([3.5]))
    by_cell = t_test(cells, status, np.full((1, 1, 1), 3.5))
    assert by_role.statistic.item() == by_cell.statistic.item() == pytest.approx(5, rel=1e-6)


P_1995, HOLM_1995, BH_1995 = (
    np.array(PUBLISHED["adjustments"][0][name]) for name in ("pvalues", "holm", "bh")
)
SHUFFLED = np.random.default_rng(11).permutation(15)


@pytest.mark.parametrize(
    ("method", "expected", "n_rejected"), [("holm", HOLM_1995, 3), ("bh", BH_1995, 4)]
)
def test_published_adjustments(method, expected, n_rejected):
    adjusted = adjust(P_1995[SHUFFLED], method)
    np.testing.assert_allclose(adjusted, expected[SHUFFLED], rtol=1e-6)
    assert set(P_1995[SHUFFLED][adjusted <= 0.05]) == set(P_1995[:n_rejected])


@pytest.mark.parametrize("method", ["holm", "bh", "by"])
def test_adjustments_as_printed_by_r(method):
    table = PUBLISHED["adjustments"][1]
    order = np.random.default_rng(2).permutation(len(table["pvalues"]))
    adjusted = adjust(np.array(table["pvalues"])[order], method)
    np.testing.assert_allclose(adjusted, np.array(table[method])[order], rtol=1e-9)


def test_by_is_bh_times_the_harmonic_sum():
    harmonic = sum(1 / rank for rank in range(1, 16))
    adjusted = adjust(P_1995[SHUFFLED], "by")
    np.testing.assert_allclose(
        adjusted, np.minimum(BH_1995 * harmonic, 1)[SHUFFLED], rtol=1e-6, atol=0
    )


def test_adjust_none_changes_nothing():
    pvalues = np.array([[0.2, NAN], [0.0, 1.0]])
    np.testing.assert_array_equal(adjust(pvalues, "none"), pvalues)


PVALUES = st.lists(  # subnormal numbers have too few digits to compare
    st.sampled_from([0.0, 1e-300, 0.01, 0.5, 1.0])
    | st.floats(0, 1, allow_subnormal=False)
    | st.just(NAN),
    max_size=20,
)


@pytest.mark.parametrize("method", ["bh", "by"])
@given(pvalues=PVALUES)
def test_agrees_with_scipy_and_leaves_nan_alone(method, pvalues):
    pvalues = np.array(pvalues)
    known = ~np.isnan(pvalues)
    adjusted = adjust(pvalues, method)
    np.testing.assert_array_equal(np.isnan(adjusted), ~known)
    if known.any():
        expected = stats.false_discovery_control(pvalues[known], method=method)
        steps = 4 * np.finfo(float).smallest_subnormal  # below 1e-308 digits run out
        np.testing.assert_allclose(adjusted[known], expected, rtol=1e-12, atol=steps)


@given(pvalues=PVALUES)
def test_holm_agrees_with_stepping_down(pvalues):
    pvalues = np.array(pvalues)
    adjusted = adjust(pvalues, "holm")
    known = sorted((p, i) for i, p in enumerate(pvalues) if not np.isnan(p))
    largest = 0.0
    for step, (p, i) in enumerate(known):
        largest = max(largest, min(1.0, p * (len(known) - step)))
        assert adjusted[i] == largest


@pytest.mark.parametrize("method", named(AdjustOptions, "adjust")[1].allowed)
@given(pvalues=PVALUES, random=st.randoms(use_true_random=False))
def test_order_does_not_matter_and_no_p_shrinks(method, pvalues, random):
    order = random.sample(range(len(pvalues)), len(pvalues))
    pvalues = np.array(pvalues)
    adjusted = adjust(pvalues, method)
    np.testing.assert_array_equal(adjust(pvalues[order], method), adjusted[order])
    known = ~np.isnan(pvalues)
    assert (adjusted[known] >= pvalues[known] * (1 - 1e-15)).all()
    assert (adjusted[known] <= 1).all()


@pytest.mark.parametrize("p", [-0.1, 1.5])
def test_pvalue_outside_its_range_raises(p):
    with pytest.raises(UsageError, match=re.escape(f"pvalues must lie in 0..1, got {p}")):
        adjust(np.array([0.5, p]))


def test_unknown_adjustment_raises():
    with pytest.raises(UsageError, match="adjust must be one of holm, bh, by, none, got 'Holm'"):
        adjust(np.array([0.5]), "Holm")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"alpha": 0}, "alpha must lie between 0 and 1, got 0"),
        ({"alpha": 1.0}, "alpha must lie between 0 and 1, got 1.0"),
        ({"alpha": NAN}, "alpha must lie between 0 and 1, got nan"),
        ({"alpha": "0.05"}, "alpha must lie between 0 and 1, got '0.05'"),
        ({"alpha": None}, "alpha must lie between 0 and 1, got None"),
        ({"adjust": "bonferroni"}, "adjust must be one of holm, bh, by, none, got 'bonferroni'"),
        ({"adjust": None}, "adjust must be one of holm, bh, by, none, got None"),
        ({"ddof": 2}, "ddof must be 0 or 1, got 2"),
        ({"ddof": None}, "ddof must be 0 or 1, got None"),
    ],
)
def test_invalid_options_raise(option, message):
    options = {"alpha": 0.05, "adjust": "holm", "ddof": 1}
    AdjustOptions(**options)
    with pytest.raises(UsageError, match=re.escape(message)):
        AdjustOptions(**{**options, **option})


def test_tau_is_one_number_or_a_mapping_of_roles():
    roles = ("local", "block")
    assert thresholds(2, roles).tolist() == [2.0, 2.0]
    assert thresholds({"block": 1.5, "local": np.float32(3)}, roles).tolist() == [3, 1.5]
    assert thresholds({"*": 4, "block": 1.5}, roles).tolist() == [4, 1.5]
    assert thresholds({"*": 4}, roles).tolist() == [4, 4]
    assert thresholds({"*": 4, "local": 2}, ["local", "*"]).tolist() == [2, 4]


@pytest.mark.parametrize(
    ("tau", "message"),
    [
        (0, "tau must be a finite number above 0, got 0"),
        (-1.5, "tau must be a finite number above 0, got -1.5"),
        (NAN, "tau must be a finite number above 0, got nan"),
        (float("inf"), "tau must be a finite number above 0, got inf"),
        ("3", "tau must be a finite number above 0, got '3'"),
        (True, "tau must be a finite number above 0, got True"),
        (None, "tau must be a finite number above 0, got None"),
        ({"local": 3, "block": 0}, "tau must be a finite number above 0, got 0"),
        ({"local": 3}, "tau must give a threshold for each role, got none for 'block'"),
        (
            {"local": 3, "blok": 1},
            "tau must name roles of the scores, got 'blok'; nearest: 'block'",
        ),
    ],
)
def test_invalid_tau_raises(tau, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        thresholds(tau, ("local", "block"))


def test_an_unknown_name_without_a_similar_one_lists_all_names():
    message = unknown_name("role must be one", "zzz", ("local", "block"))
    assert message == "role must be one, got 'zzz'; nearest: 'local', 'block'"
