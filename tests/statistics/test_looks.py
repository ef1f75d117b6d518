"""Looks: planned sizes, the order of units, and every test at alpha over the number of looks."""

from dataclasses import replace

import numpy as np
import pytest

import headscore as hs
from headscore.errors import InputError
from headscore.options import AdjustOptions
from headscore.report.retest import labels_at, tau_counts
from headscore.statistics.looks import FACT, at_each, looks_of, planned, rounds_of, spent

LOOKS = 6


@pytest.mark.parametrize(
    ("n_units", "sizes"),
    [
        (1, [1]),
        (16, [16]),
        (17, [16, 17]),
        (32, [16, 32]),
        (318, [16, 32, 64, 128, 256, 318]),
    ],
)
def test_looks_double_up_to_the_end(n_units, sizes):
    assert planned(n_units) == sizes


def test_units_come_in_random_order_and_keep_theirs_inside():
    units = np.array([0, 1, 0, 2, 3, 1, 4, 4, 0, 5])
    rounds = rounds_of(units, [2, 4, 6], seed=3)
    # By its definition: one unit after the other, in the order of a seeded permutation.
    order = np.random.default_rng(3).permutation(6)
    want = [np.flatnonzero(units == unit).tolist() for unit in order]
    assert [each.tolist() for each in rounds] == [
        [position for unit in want[start : start + 2] for position in unit] for start in (0, 2, 4)
    ]


def test_the_order_depends_on_the_seed_and_every_unit_may_be_first():
    units = np.arange(8)
    first = {int(rounds_of(units, [8], seed)[0][0]) for seed in range(100)}
    assert first == set(range(8))


def test_averaged_runs_count_the_most_looks():
    assert looks_of({}) == 1
    assert looks_of({FACT: "7"}) == 7
    assert looks_of({FACT: "5+7"}) == 7
    for damaged in ("", "0", "-3", "x", "3+"):
        with pytest.raises(InputError, match="the fact looks must be a number of looks, got"):
            looks_of({FACT: damaged})


def test_spending_is_bonferroni_over_looks():
    assert at_each(AdjustOptions(alpha=0.03), {FACT: "3"}).alpha == pytest.approx(0.01)
    np.testing.assert_array_equal(
        spent(np.array([0.01, 0.4, np.nan]), {FACT: "3"}), [0.03, 1.0, np.nan]
    )


def scores_of(rng):
    values = rng.gamma(4, 0.5, (60, 3, 4, 5)) * rng.uniform(0.3, 3, (1, 3, 4, 5))
    values[::3, 1] = np.nan
    attainable = np.where(np.isnan(values[..., 0]), np.nan, 40.0)
    excess = rng.normal(0.3, 0.5, values.shape).astype(np.float32)
    excess[:, [0, 2]] = np.nan
    excess[::3] = np.nan
    return hs.HeadScores.from_arrays(
        np.minimum(values, 40),
        ["a", "b", "c"],
        attainable=attainable,
        excess=excess,
        documents=[str(n // 3) for n in range(60)],
        lengths=rng.integers(5, 40, 60),
    )


@pytest.fixture(scope="module")
def plain():
    return scores_of(np.random.default_rng(0))


def stopped(scores):
    return replace(scores, facts={**scores.facts, FACT: str(LOOKS)})


@pytest.mark.parametrize("adjust", ["holm", "bh", "by", "none"])
def test_every_decision_is_that_of_a_test_at_alpha_over_looks(plain, adjust):
    found = hs.test(stopped(plain), tau=2.0, adjust=adjust)
    want = hs.test(plain, tau=2.0, alpha=0.05 / LOOKS, adjust=adjust)
    for column in found.table:
        if column != "pvalue_adj":
            assert found.table[column].equals(want.table[column]), column
    np.testing.assert_allclose(
        found.table["pvalue_adj"], np.minimum(1, LOOKS * want.table["pvalue_adj"]), rtol=1e-12
    )
    assert found.facts["alpha"] == "0.05"
    np.testing.assert_array_equal(found.thirds, want.thirds)
    unspent = hs.test(plain, tau=2.0, adjust=adjust).table
    assert (unspent["verdict"] != found.table["verdict"]).any()  # alpha / looks makes a difference


def test_a_report_counts_other_thresholds_at_the_same_level(plain):
    report, taus = hs.test(stopped(plain)), [1.0, 2.0, 3.0]
    curve = hs.tau_curve(stopped(plain), taus=taus)
    assert curve.equals(hs.tau_curve(plain, taus=taus, alpha=0.05 / LOOKS))
    assert not curve.equals(hs.tau_curve(plain, taus=taus))
    assert tau_counts(report, taus).equals(curve)
    assert (labels_at(report, 3.0) == report.array("label")).all()


def test_the_page_tests_other_thresholds_at_the_same_level(plain, tmp_path):
    hs.test(stopped(plain)).to_html(tmp_path / "page.html")
    assert f'"alpha":"{0.05 / LOOKS!r}"' in (tmp_path / "page.html").read_text("utf-8")


def test_intervals_hold_at_all_looks(plain):
    found = hs.intervals(stopped(plain), level=0.9, resamples=200)
    want = hs.intervals(plain, level=1 - 0.1 / LOOKS, resamples=200)
    np.testing.assert_allclose(found[["low", "high"]], want[["low", "high"]], rtol=1e-12)


@pytest.mark.parametrize("sides", [(True, False), (False, True), (True, True)])
def test_a_comparison_takes_the_looks_of_either_side(plain, sides):
    other = scores_of(np.random.default_rng(1))
    both = [stopped(s) if is_ else s for s, is_ in zip((plain, other), sides, strict=True)]
    found = hs.compare(*both, tau=2.0)
    want = hs.compare(plain, other, tau=2.0, alpha=0.05 / LOOKS)
    for column in found.table:
        if column != "pvalue_adj":
            assert found.table[column].equals(want.table[column]), column
    np.testing.assert_allclose(
        found.table["pvalue_adj"], np.minimum(1, LOOKS * want.table["pvalue_adj"]), rtol=1e-12
    )
    assert found.facts[FACT] == str(LOOKS)
    assert "at each of 6 looks at alpha / 6 = 0.00833" in found.summary()
