"""Adjusted p-values, robust labels and the level in use: against R, scipy and loops."""

import json
import re
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from headscore.declarations import named
from headscore.errors import UsageError
from headscore.options import AdjustOptions
from headscore.statistics.adjust import adjust, level_in_use, robust
from headscore.statistics.evalues import e_bh
from headscore.statistics.t_test import TTest

NAN = float("nan")
METHODS = [each for each in named(AdjustOptions, "adjust")[1].allowed if each != "maxt"]
PUBLISHED = json.loads(
    (Path(__file__).parents[1] / "helpers" / "published.json").read_text(encoding="utf-8")
)
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


@pytest.mark.parametrize("method", METHODS)
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
    with pytest.raises(
        UsageError, match="adjust must be one of holm, bh, by, maxt, none, got 'Holm'"
    ):
        adjust(np.array([0.5]), "Holm")


def test_maxt_is_refused_where_there_are_p_values_alone():
    with pytest.raises(UsageError, match="adjust maxt needs the scores of each unit"):
        adjust(np.array([0.5]), "maxt")


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ({"alpha": 0}, "alpha must lie between 0 and 1, got 0"),
        ({"alpha": 1.0}, "alpha must lie between 0 and 1, got 1.0"),
        ({"alpha": NAN}, "alpha must lie between 0 and 1, got nan"),
        ({"alpha": "0.05"}, "alpha must lie between 0 and 1, got '0.05'"),
        ({"alpha": None}, "alpha must lie between 0 and 1, got None"),
        (
            {"adjust": "bonferroni"},
            "adjust must be one of holm, bh, by, maxt, none, got 'bonferroni'",
        ),
        ({"adjust": None}, "adjust must be one of holm, bh, by, maxt, none, got None"),
        (
            {"adjust": "maxt", "alpha": 0.0005},
            "alpha must be at least 0.001 where adjust is maxt, got 0.0005",
        ),
        ({"ddof": 2}, "ddof must be 0 or 1, got 2"),
        ({"ddof": None}, "ddof must be 0 or 1, got None"),
    ],
)
def test_invalid_options_raise(option, message):
    options = {"alpha": 0.05, "adjust": "holm", "ddof": 1}
    AdjustOptions(**options)
    with pytest.raises(UsageError, match=re.escape(message)):
        AdjustOptions(**{**options, **option})


# --- the level in use


@pytest.mark.parametrize("method", METHODS)
@given(pvalues=PVALUES, alpha=st.sampled_from([0.05, 0.2]))
def test_a_p_value_is_rejected_exactly_where_it_is_at_most_the_level_in_use(method, pvalues, alpha):
    pvalues = np.array(pvalues)
    adjusted = adjust(pvalues, method)
    level = level_in_use(adjusted, alpha, method)
    near = np.abs(pvalues - level) < 1e-12  # the one product rounds, the other quotient does too
    assert ((adjusted <= alpha) == (pvalues <= level))[~near].all()
    assert 0 < level <= alpha * (1 + 1e-12)


@pytest.mark.parametrize(
    ("method", "level"),
    [("none", 0.05), ("holm", 0.05 / 2), ("bh", 0.05 * 2 / 4), ("by", 0.05 * 2 / 4 / (25 / 12))],
)
def test_level_in_use_by_hand(method, level):
    # Four tests of which every method rejects two.
    adjusted = adjust(np.array([1e-9, 1e-8, 0.4, 0.9, NAN]), method)
    assert level_in_use(adjusted, 0.05, method) == pytest.approx(level)


@pytest.mark.parametrize(
    ("method", "level"), [("none", 0.05), ("holm", 0.01), ("bh", 0.01), ("by", 0.01 / (137 / 60))]
)
def test_level_in_use_without_any_rejection_is_that_of_the_first_test(method, level):
    assert level_in_use(adjust(np.full(5, 0.5), method), 0.05, method) == pytest.approx(level)
    assert level_in_use(np.array([NAN]), 0.05, method) == 0.05
    assert level_in_use(adjust(np.zeros(5), method), 0.05, "holm") == 0.05


# --- robust labels


def of_cells(pvalue, pvalue_skew):
    """Cells of which only the p-values upwards matter."""
    others = dict.fromkeys((field.name for field in fields(TTest)), np.zeros(len(pvalue)))
    return TTest(**{**others, "pvalue": np.array(pvalue), "pvalue_skew": np.array(pvalue_skew)})


def chosen(pvalue, pvalue_skew, log_evalue, **options):
    of = of_cells(pvalue, np.where(np.isnan(pvalue), NAN, pvalue_skew))
    return robust(of, np.array(log_evalue), AdjustOptions(**options)).tolist()


@pytest.mark.parametrize(
    ("pvalue_skew", "log_evalue", "method", "expected"),
    [
        ([0.0, 0.0, 0.0], [9.0, 9.0, 9.0], "holm", [True, True, True]),
        ([0.02, 0.02, 0.02], [9.0, 9.0, 9.0], "holm", [False, False, False]),
        ([0.02, 0.02, 0.02], [9.0, 9.0, 9.0], "bh", [True, True, True]),
        ([0.02, 0.02, 0.5], [9.0, 9.0, 9.0], "none", [True, True, False]),
        ([0.0, 0.0, 0.0], [9.0, 3.1, 3.1], "holm", [True, False, False]),  # log(40) = 3.7
        ([0.0, 0.0, 0.0], [9.0, 3.8, 3.1], "holm", [True, True, True]),  # log(40), log(20) = 3.0
        ([0.0, 0.0, 0.0], [9.0, 3.8, NAN], "holm", [True, True, False]),
        ([0.0, 0.0, 0.0], [4.0, NAN, NAN], "holm", [False, False, False]),  # log(60) = 4.1
        ([0.0, 0.0, 0.0], [9.0, 3.3, 3.1], "bh", [True, True, True]),  # log(60 / 3) = 3.0
        ([0.0, 0.0, 0.9], [9.0, 3.3, 9.0], "bh", [True, False, False]),  # log(60 / 2) = 3.4
        ([0.0, 0.0, 0.0], [3.1, 2.9, -9.0], "none", [True, False, False]),  # log(20) = 3.0
    ],
)
def test_robust_by_hand(pvalue_skew, log_evalue, method, expected):
    found = chosen([0.0] * 3, pvalue_skew, log_evalue, adjust=method)
    assert found == expected


def test_cells_that_are_not_tested_are_not_robust_and_do_not_count():
    assert chosen([0.0, NAN, NAN], [0.0] * 3, [3.1, NAN, 99.0]) == [True, False, False]
    assert chosen([0.0, NAN, NAN], [0.0] * 3, [3.1, NAN, 99.0], adjust="bh") == [True, False, False]


CELLS = st.lists(
    st.tuples(
        st.sampled_from([0.0, 1e-5, 0.004, 0.02, 0.5, NAN]),
        st.sampled_from([0.0, 1e-4, 0.01, 0.03, 0.9]),
        st.sampled_from([-3.0, 2.9, 3.1, 3.8, 5.0, 50.0, NAN]),
    ),
    min_size=1,
    max_size=9,
).map(lambda cells: np.array(cells).T)


@given(CELLS)
def test_robust_is_by_holm_for_maxt(cells):
    assert chosen(*cells, adjust="maxt") == chosen(*cells, adjust="holm")


@given(CELLS, st.sampled_from(["holm", "none"]))
def test_robust_adjusts_the_largest_p_value(cells, method):
    pvalue, skew, log_evalue = cells
    of_evalue = np.minimum(1, np.exp(-np.nan_to_num(log_evalue, nan=-np.inf)))
    largest = np.where(np.isnan(pvalue), NAN, np.maximum(np.maximum(pvalue, skew), of_evalue))
    expected = adjust(largest, method) <= 0.05
    assert chosen(*cells, adjust=method) == expected.tolist()
    # A robust cell is labelled: no p-value of the family is larger than the one that is adjusted.
    assert (adjust(pvalue, method) <= 0.05)[expected].all()


@given(CELLS, st.sampled_from(["bh", "by"]))
def test_robust_under_a_false_discovery_rate_is_e_bh_of_the_agreed_cells(cells, method):
    pvalue, skew, log_evalue = cells
    skew = np.where(np.isnan(pvalue), NAN, skew)
    agreed = (adjust(pvalue, method) <= 0.05) & (adjust(skew, method) <= 0.05)
    evidence = np.where(agreed, np.nan_to_num(log_evalue, nan=-np.inf), -np.inf)
    expected = e_bh(evidence[~np.isnan(pvalue)], 0.05)
    found = np.array(chosen(*cells, adjust=method))
    assert found[~np.isnan(pvalue)].tolist() == expected.tolist()
    assert agreed[found].all()


@pytest.mark.parametrize("method", ["none", "holm", "bh", "by"])
def test_p_values_of_exactly_alpha_are_rejected(method):
    alpha, more = np.array([0.05]), np.nextafter([0.05], 1)
    assert chosen(alpha, [0.0], [9.0], adjust=method) == [True]
    assert chosen([0.0], alpha, [9.0], adjust=method) == [True]
    assert chosen(more, [0.0], [9.0], adjust=method) == [False]
    assert chosen([0.0], more, [9.0], adjust=method) == [False]


def test_a_p_value_of_exactly_alpha_counts_for_the_level_in_use():
    # One of two is rejected: by Holm the other one is compared with alpha / 1.
    assert level_in_use(np.array([0.05, 0.9]), 0.05, "holm") == 0.05
    assert level_in_use(np.array([0.05, 0.05, 0.9]), 0.05, "bh") == pytest.approx(0.05 * 2 / 3)


@pytest.mark.parametrize("method", ["holm", "bh", "by"])
def test_robust_keeps_the_guarantee_where_the_p_values_do_not(method):
    # Twenty true nulls whose t-tests and Hall's all reject wrongly. The e-values reach e with a
    # chance of 1 / (1 + 2 e), half of what an e-value may.
    rng = np.random.default_rng(0)
    runs, wrong = 2000, 0
    for _ in range(runs):
        log_evalue = np.log(rng.pareto(1.0, 20) / 2 + 1e-9)
        wrong += any(chosen(np.zeros(20), np.zeros(20), log_evalue, adjust=method))
    assert wrong / runs < 0.05
