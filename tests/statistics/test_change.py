"""The table of a comparison: outcomes, Hall's p-values, documents and equal changes."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from helpers.cells import compare
from scipy import stats

import headscore as hs
from headscore.errors import InputError
from headscore.statistics.adjust import adjust
from headscore.statistics.change import OUTCOMES, _outcomes


def test_a_label_that_changes_without_a_significant_change_is_unclear():
    noise = np.random.default_rng(0).normal(0, 1, (2, 30))
    noise -= noise.mean(axis=1, keepdims=True)
    before, after = np.array([[3.45], [3.15]]) + noise
    row = compare(before[:, None], after[:, None]).table.iloc[0]
    assert (row["label_before"], row["label_after"], row["outcome"]) == (True, False, "unclear")
    assert row["pvalue_adj"] > 0.05


def test_a_role_is_not_gained_by_a_falling_mean():
    rng = np.random.default_rng(1)
    noise = rng.normal(0, 1, 40)
    before = 3.9 + 4 * (noise - noise.mean())  # too noisy for a label
    after = 3.2 + 0.01 * rng.normal(0, 1, 40)
    row = compare(before[:, None], after[:, None]).table.iloc[0]
    assert (row["label_before"], row["label_after"]) == (False, True)
    assert row["change"] < 0
    assert row["outcome"] == "unclear"
    # The same fall, significant in itself.
    after = before - 0.7 + 0.01 * rng.normal(0, 1, 40)
    assert compare(before[:, None], after[:, None]).table["pvalue"][0] < 1e-10


def test_a_role_that_was_undecided_has_appeared_or_vanished():
    rng = np.random.default_rng(3)
    unclear = 3 + rng.normal(0, 1, (40, 1))
    clear = 4.5 + rng.normal(0, 0.3, (40, 1))
    row = compare(unclear, clear).table.iloc[0]
    assert (row["verdict_before"], row["verdict_after"]) == ("undecided", "has")
    assert row["outcome"] == "appeared"
    row = compare(clear, unclear).table.iloc[0]
    assert (row["verdict_after"], row["outcome"]) == ("undecided", "vanished")


@pytest.mark.parametrize(
    ("before", "after", "change", "p", "outcome"),
    [
        ("has_not", "has", 1, 0.01, "gained"),
        ("undecided", "has", 1, 0.01, "appeared"),
        ("has", "has_not", -1, 0.01, "lost"),
        ("has", "undecided", -1, 0.01, "vanished"),
        ("has", "has", -1, 0.01, "kept"),
        ("has_not", "undecided", 1, 0.01, "absent"),
        ("", "undecided", 1, 0.01, "absent"),
        ("has_not", "has", 1, 0.2, "unclear"),
        ("has_not", "has", -1, 0.01, "unclear"),
        ("has", "undecided", 1, 0.01, "unclear"),
        ("", "has", 1, 0.01, "unclear"),
        ("has", "", -1, 0.01, "unclear"),
    ],
)
def test_each_outcome_by_hand(before, after, change, p, outcome):
    verdicts = [np.array([each], object) for each in (before, after)]
    assert _outcomes(verdicts, np.array([change]), np.array([p <= 0.05])).tolist() == [outcome]
    assert outcome in OUTCOMES


def test_pvalue_skew_is_hall_of_the_differences():
    rng = np.random.default_rng(4)
    before = rng.gamma(4, 0.5, (30, 20))
    d = rng.gamma(0.5, 1, (30, 20)) - np.linspace(0, 1, 20)
    table = compare(before, before + d).table
    d = (before + d).astype(np.float32).astype(float) - before.astype(np.float32)
    t, a = d.mean(axis=0) / stats.sem(d), stats.skew(d) / 30**0.5
    hall = t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6
    np.testing.assert_allclose(table["pvalue_skew"], 2 * stats.t.sf(abs(hall), 29), rtol=1e-4)
    largest = table[["pvalue", "pvalue_skew", "pvalue_cautious"]].max(axis=1)
    np.testing.assert_allclose(table["pvalue_adj"], adjust(largest.to_numpy()))


def test_nothing_but_rare_differences_is_no_change():
    # Each cell is 0 on average over the population, and lacks its rare large differences here.
    rng = np.random.default_rng(6)
    before = rng.gamma(4, 0.5, (40, 20))
    differences = 0.001 + 0.0001 * rng.normal(size=(40, 20))
    table = compare(before, before + differences).table
    assert (table["pvalue"] < 1e-6).all()
    assert (table["pvalue_adj"] > 0.05).all()


# --- documents


DOCUMENTS = [f"d{n % 12}" for n in range(60)]


def sides(seed=0):
    """Scores before and after of four heads: one gained, one lost, two that have not changed."""
    rng = np.random.default_rng(seed)
    before = np.array([2.0, 5.0, 5.0, 2.0]) + rng.normal(0, 0.5, (60, 4))
    return before, before + np.array([2.0, -2.5, 0.0, 0.0]) + rng.normal(0, 0.3, (60, 4))


def test_documents_of_one_size_are_compared_by_their_means():
    before, after = sides()
    change = compare(before, after, DOCUMENTS)
    assert (change.facts["clusters"], change.facts["unit"]) == ("document", "12 documents")
    assert change.table["outcome"].tolist() == ["gained", "lost", "kept", "absent"]
    before, after = (each.reshape(5, 12, 4).mean(axis=0) for each in (before, after))
    expected = stats.ttest_rel(after, before)
    interval = expected.confidence_interval(0.95)
    table = change.table
    assert (set(table["n"]), set(table["n_clusters"])) == ({60}, {12})
    for name, numbers in (
        ("df", 11.0),
        ("statistic", expected.statistic),
        ("pvalue", expected.pvalue),
        ("ci_low", interval.low),
        ("ci_high", interval.high),
    ):
        np.testing.assert_allclose(table[name], numbers, rtol=1e-4, atol=1e-5, err_msg=name)


def test_every_side_is_tested_with_the_same_documents():
    values = [each[:, None, None, :] for each in sides()]
    scores = [hs.HeadScores.from_arrays(each, ["a"], documents=DOCUMENTS) for each in values]
    change = hs.compare(*scores).table
    for side, name in zip(scores, ("before", "after"), strict=True):
        table = hs.test(side).table
        assert change[f"label_{name}"].tolist() == table["label"].tolist()
        assert change[f"verdict_{name}"].tolist() == table["verdict"].tolist()


@pytest.mark.parametrize("known", [0, 1])
def test_documents_that_one_side_knows_are_those_of_both(known):
    values = [each[:, None, None, :] for each in sides()]
    documents = [DOCUMENTS if side == known else None for side in range(2)]
    scores = [
        hs.HeadScores.from_arrays(each, ["a"], documents=of_side)
        for each, of_side in zip(values, documents, strict=True)
    ]
    change = hs.compare(*scores)
    pd.testing.assert_frame_equal(change.table, compare(*sides(), DOCUMENTS).table)
    assert change.facts["unit"] == "12 documents"
    alone = hs.compare(*scores, clusters=None)
    assert alone.facts["unit"] == "sequences (clusters None)"
    assert (alone.table["n_clusters"] == 60).all()


def test_documents_that_depend_are_not_taken_for_changes():
    # Each document shifts by an amount of its own, and none on average.
    rng = np.random.default_rng(5)
    shift = np.repeat(rng.normal(0, 1, (20, 800)), 10, axis=0)
    before = rng.gamma(8, 0.5, (200, 800))
    after = before + shift + rng.normal(0, 0.5, before.shape)
    documents = [f"d{n // 10}" for n in range(200)]
    p = compare(before, after, documents).table["pvalue"]
    alone = compare(before, after, documents, clusters=None).table["pvalue"]
    assert abs((p <= 0.05).mean() - 0.05) < 4 * (0.05 * 0.95 / 800) ** 0.5
    assert (alone <= 0.05).mean() > 0.3


# --- status


def test_every_status_is_set_with_its_pvalue():
    rng = np.random.default_rng(2)
    before = rng.normal(4, 1, (9, 6))
    after = before + rng.normal(0, 1, (9, 6))
    after[:, 0] = before[:, 0] = np.nan
    before[7:, 1] = np.nan
    after[:, 2] = before[:, 2]
    before[:, 3], after[:, 3] = 2.0, 2.5
    before[0, 4] = after[0, 4] = np.inf  # their difference would pass for a missing one
    table = compare(before, after).table
    assert table["status"].tolist() == [
        "no_sieve",
        "insufficient_n",
        "zero_variance",
        "zero_variance",
        "nonfinite",
        "ok",
    ]
    assert table["n"].tolist() == [0, 7, 9, 9, 0, 9]
    np.testing.assert_array_equal(table["pvalue"][:5], [np.nan, np.nan, 1, 1, np.nan])
    assert table["change"].tolist()[2:4] == [0, 0.5]
    assert table["d_z"].isna().tolist() == [True, False, True, True, True, False]
    largest = max(table["pvalue"][5], table["pvalue_skew"][5])
    assert table["pvalue_adj"][5] == min(1, 3 * largest)  # of three testable cells


@pytest.mark.parametrize("change", [0.5, -0.5])
def test_equal_changes_are_tested_by_markov(change):
    # No difference lies below -12, that of a largest possible score and none.
    before = np.full((40, 1), 4.0)
    row = compare(before, before + change, attainable=12.0).table.iloc[0]
    assert row["status"] == "zero_variance"
    assert row["pvalue"] == pytest.approx(2 * (12 / 12.5) ** 40, rel=1e-6)
    documents = [*["large"] * 10, *[f"d{n % 15}" for n in range(30)]]
    row = compare(before, before + change, documents, attainable=12.0).table.iloc[0]
    assert row["pvalue"] == pytest.approx(min(1, 2 * (12 / 12.5) ** 4), rel=1e-6)
    row = compare(before, before + change).table.iloc[0]
    assert (row["pvalue"], row["pvalue_skew"]) == (1, 1)  # no largest possible score is known


@pytest.mark.parametrize("n", [40, 100])
def test_interval_of_equal_changes_excludes_0_where_the_test_rejects(n):
    before = np.full((n, 1), 4.0)
    for change in (1.0, -1.0):
        row = compare(before, before + change, attainable=12.0).table.iloc[0]
        assert row["ci_low"] <= change <= row["ci_high"]
        excluded = row["ci_low"] > 0 or row["ci_high"] < 0
        assert excluded == (row["pvalue"] < 0.05) == (n == 100)
    assert np.isnan(compare(before, before + 1).table[["ci_low", "ci_high"]]).all(axis=None)


def test_all_zero_scores_do_not_divide_by_zero():
    nothing = np.zeros((8, 1))
    row = compare(nothing, nothing).table.iloc[0]
    assert (row["statistic"], row["pvalue"], row["status"]) == (0, 1, "zero_variance")


def test_p_values_are_uniform_where_nothing_changed():
    rng = np.random.default_rng(0)
    before = rng.gamma(4, 0.5, (40, 4000))
    after = rng.permuted(np.stack([before, rng.gamma(4, 0.5, (40, 4000))]), axis=0)
    table = compare(*after).table
    for level in (0.01, 0.05, 0.2):
        share = (table["pvalue"] <= level).mean()
        assert abs(share - level) < 4 * np.sqrt(level * (1 - level) / 4000)
    assert stats.kstest(table["pvalue"], "uniform").pvalue > 1e-3


def test_documents_of_either_side_are_joined_and_must_agree():
    rng = np.random.default_rng(5)
    before, after = rng.gamma(4, 1, (2, 30, 1, 1, 2))
    names = [f"d{n // 2}" for n in range(30)]
    some = [None, *names[1:]]
    sides = [hs.HeadScores.from_arrays(before, ["a"], documents=some)]
    sides.append(hs.HeadScores.from_arrays(after, ["a"], documents=names))
    assert hs.compare(*sides).facts["unit"] == "15 documents"
    other = replace(sides[1], documents=("x", *names[1:]))
    with pytest.raises(InputError, match="same document for a sequence, got 'd0' and 'x' for '0'"):
        hs.compare(sides[1], other)
