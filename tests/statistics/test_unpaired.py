"""Welch's test over documents: against scipy, a dense CR2 and loops; units on both sides."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.selections import CHOICES, N, scores_of
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal
from scipy import stats

import headscore as hs
from headscore.errors import InputError, UsageError
from headscore.statistics import cluster_robust, skewness


def side(values, name, documents=None, attainable=None):
    """Scores of one role and layer with a head per column; ids of sides differ."""
    values = np.asarray(values, float)[:, None, None, :]
    ids = [f"{name}{n}" for n in range(len(values))]
    if attainable is not None:
        attainable = np.asarray(attainable, float)[:, None]
    return hs.HeadScores.from_arrays(
        values, ["a"], sequence_ids=ids, documents=documents, attainable=attainable
    )


def compared(before, after, **how):
    return hs.compare(before, after, **{"paired": False, "criterion": "mean", **how}).table


def drawn(seed=0, n=(30, 18), heads=5):
    rng = np.random.default_rng(seed)
    return [rng.gamma(4, 1 + k, (size, heads)) for k, size in enumerate(n)]


@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_sequences_as_units_against_scipy(alpha):
    values = drawn()
    values[0][:4, 1] = np.nan
    table = compared(side(values[0], "x"), side(values[1], "y"), alpha=alpha)
    for head, row in table.iterrows():
        before, after = (each[:, head][~np.isnan(each[:, head])] for each in values)
        test = stats.ttest_ind(after, before, equal_var=False)
        low, high = test.confidence_interval(1 - alpha)
        found = row[["statistic", "df", "pvalue", "ci_low", "ci_high"]].astype(float)
        np.testing.assert_allclose(found, [*test[:2][:1], test.df, test.pvalue, low, high], 1e-5)
        assert (row["n_before"], row["n_after"]) == (len(before), len(after))
        assert row["n"] == row["n_clusters"] == len(before) + len(after)
        sd = np.sqrt((before.var(ddof=1) + after.var(ddof=1)) / 2)
        np.testing.assert_allclose([row["sd"], row["d_z"]], [sd, row["change"] / sd], 1e-5)


def test_documents_of_one_size_are_sequences_of_their_means():
    values = drawn(n=(48, 60))
    documents = [f"d{n // 4}" for n in range(48)], [f"e{n // 5}" for n in range(60)]
    found = compared(side(values[0], "x", documents[0]), side(values[1], "y", documents[1]))
    means = values[0].reshape(12, 4, -1).mean(axis=1), values[1].reshape(12, 5, -1).mean(axis=1)
    wanted = compared(side(means[0], "x"), side(means[1], "y"))
    for name in ("change", "statistic", "df", "pvalue", "pvalue_skew", "ci_low", "n_clusters"):
        np.testing.assert_allclose(found[name], wanted[name], 1e-4, err_msg=name)


def test_documents_with_equal_parts_on_both_sides_are_pairs():
    values = drawn(n=(40, 40))
    documents = [f"d{n // 4}" for n in range(40)]
    found = compared(side(values[0], "x", documents), side(values[1], "y", documents))
    means = [each.reshape(10, 4, -1).mean(axis=1) for each in values]
    test = stats.ttest_rel(means[1], means[0])
    np.testing.assert_allclose(found["statistic"], test.statistic, 1e-5)
    np.testing.assert_allclose(found["df"], 9, 1e-6)
    assert (found["n_clusters"] == 10).all()


def dense(values, codes):
    """Difference, CR2 variance and Satterthwaite's df by matrices of the regression on dummies.

    The working covariance of a side is that of independent scores, in the scale that the side's own
    share of the variance shows.
    """
    y = np.concatenate(values)
    group = np.repeat([0, 1], [len(each) for each in values])
    unit = np.concatenate(codes)
    x = np.eye(2)[group]
    bread = np.linalg.inv(x.T @ x)
    rest = np.eye(len(y)) - x @ bread @ x.T

    def rows(contrast):
        """A row per unit: its share of the estimate, as a linear form of the scores."""
        found = []
        for g in np.unique(unit):
            own = np.flatnonzero(unit == g)
            root = np.linalg.inv(_root(rest[np.ix_(own, own)]))  # (I - H_gg)^(-1/2)
            found.append((contrast @ bread @ x[own].T @ root) @ rest[own])
        return np.array(found)

    q = rows(np.array([-1, 1]))
    working = np.zeros((len(y), len(y)))
    for k in (0, 1):
        of_side = rows(np.eye(2)[k])
        own = ((of_side @ y) ** 2).sum()
        scale = own / np.trace(of_side @ of_side.T)
        working += np.diag(np.where(group == k, scale, 0.0))
    m = q @ working @ q.T
    return (
        values[1].mean() - values[0].mean(),
        np.sqrt(((q @ y) ** 2).sum()),
        np.trace(m) ** 2 / np.trace(m @ m),
    )


def _root(matrix):
    value, vector = np.linalg.eigh(matrix)
    return vector @ np.diag(np.sqrt(np.maximum(value, 0))) @ vector.T


@pytest.mark.parametrize("shared", [0, 5, 12])
def test_unequal_documents_against_a_dense_regression(shared):
    rng = np.random.default_rng(shared)
    sizes = rng.integers(1, 7, 12), rng.integers(1, 5, 14)
    names = np.arange(12), np.arange(14) + 12 - shared
    codes = [np.repeat(*each) for each in zip(names, sizes, strict=True)]
    values = [rng.gamma(4, 1 + k, len(each)) for k, each in enumerate(codes)]
    change, se, df = dense(values, codes)
    sides = [
        side(each[:, None], name, [f"d{code}" for code in own])
        for each, name, own in zip(values, "xy", codes, strict=True)
    ]
    row = compared(*sides).iloc[0]
    found = row["change"], row["change"] / row["statistic"], row["df"]
    np.testing.assert_allclose(np.array(found, float), [change, se, df], 1e-4)


def test_the_degrees_of_freedom_are_those_of_one_side_where_the_other_does_not_vary():
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 9, 20)
    documents = [f"d{n}" for n in np.repeat(np.arange(20), sizes)]
    varying = side(rng.normal(4, 1, (len(documents), 2)), "x", documents)
    equal = side(np.full((30, 2), 4.0), "y", [f"e{n}" for n in range(30)])
    df = cluster_robust.degrees_of_freedom(sizes[:, None].astype(float))
    np.testing.assert_allclose(compared(varying, equal)["df"], df[0], 1e-9)
    test = hs.test(varying, clusters="document").table
    np.testing.assert_allclose(compared(varying, equal)["change"], 4 - test["mean"], 1e-5)


def with_attainable(seed, n, name, share):
    """Sentences of documents that attain a share, whatever their length."""
    rng = np.random.default_rng(seed)
    most = rng.integers(6, 40, n)
    values = 1 + rng.beta(20 * share, 20 * (1 - share), (n, 4)) * (most[:, None] - 1)
    return side(values, name, [f"{name}{k // 3}" for k in range(n)], most)


def test_attained_is_compared_by_a_ratio_of_means():
    sides = with_attainable(0, 60, "x", 0.2), with_attainable(1, 45, "y", 0.3)
    found = compared(*sides, criterion="attained")
    each = [hs.test(one, criterion="attained", tau=0.2).table for one in sides]
    np.testing.assert_allclose(found["mean_before"], each[0]["attained"], 1e-6)
    np.testing.assert_allclose(found["mean_after"], each[1]["attained"], 1e-6)
    # The standard error by loops: residuals of the ratio, summed by document.
    for head, row in found.iterrows():
        variance = 0.0
        for one in sides:
            x, most = one.values[:, 0, 0, head].astype(float), one.attainable[:, 0, 0].astype(float)
            ratio = (x - 1).sum() / (most - 1).sum()
            residual = (x - 1 - ratio * (most - 1)) / (most - 1).mean()
            for name in set(one.documents):
                own = residual[[each == name for each in one.documents]]
                variance += (own.sum() / len(x)) ** 2 / (1 - len(own) / len(x))
        np.testing.assert_allclose(row["change"] / row["statistic"], np.sqrt(variance), 1e-4)
    assert (found["pvalue_adj"] < 0.05).all()


def test_attained_is_compared_by_default():
    sides = with_attainable(0, 60, "x", 0.2), with_attainable(1, 45, "y", 0.3)
    found = hs.compare(*sides, paired=False)
    assert (found.facts["criterion"], found.facts["tau"]) == ("attained", "0.2")
    assert_frame_equal(found.table, compared(*sides, criterion="attained", tau=0.2))
    without = replace(sides[0], attainable=None)
    with pytest.raises(InputError, match="attained needs scores with attainable"):
        hs.compare(without, without, paired=False)


@given(CHOICES.filter(lambda chosen: not all(chosen)), st.sampled_from(["attained", "mean"]))
def test_sides_change_places_and_sequences_their_order(chosen, criterion):
    there = np.array(chosen)
    whole = scores_of()
    before, after = whole.select(where=there), whole.select(where=~there)
    found = compared(before, after, criterion=criterion)
    other = compared(after, before, criterion=criterion)
    for name in ("status", "n", "n_clusters"):
        assert (found[name] == other[name]).all()
    np.testing.assert_allclose(found["change"], -other["change"], 1e-12, 1e-15)
    np.testing.assert_allclose(found["ci_low"], -other["ci_high"], 1e-9, 1e-12)
    np.testing.assert_allclose(found["pvalue_adj"], other["pvalue_adj"], 1e-7, 1e-300)
    backwards = before.take(np.arange(len(before))[::-1], np.array([2, 0, 1]))
    again = compared(before, after.select(roles=backwards.roles), criterion=criterion)
    np.testing.assert_allclose(again["pvalue"], found["pvalue"], 1e-9)
    turned = compared(backwards, after, criterion=criterion)
    order = ["role", "layer", "head"]
    np.testing.assert_allclose(
        turned.sort_values(order)["pvalue"], found.sort_values(order)["pvalue"], 1e-7, 1e-300
    )


def test_sequences_of_one_id_are_one_unit():
    values = drawn(n=(20, 20))
    same = [side(each, "x") for each in values]
    test = stats.ttest_rel(values[1], values[0])
    found = compared(*same)
    np.testing.assert_allclose(found["statistic"], test.statistic, 1e-5)
    assert hs.compare(*same, paired=False, criterion="mean").counts["shared_units"] == 20


def test_cluster_ids_are_those_of_both_sides_in_turn():
    values = drawn(n=(40, 60))
    ids = [n // 4 for n in range(100)]
    found = compared(side(values[0], "x"), side(values[1], "y"), clusters=ids)
    names = [f"d{each}" for each in ids]
    wanted = compared(side(values[0], "x", names[:40]), side(values[1], "y", names[40:]))
    assert_frame_equal(found, wanted)
    with pytest.raises(InputError, match="one id for each of 100 sequences, got 99"):
        compared(side(values[0], "x"), side(values[1], "y"), clusters=ids[1:])


def test_statuses():
    before, after = (each.copy() for each in drawn(n=(30, 30), heads=6))
    before[:, 0] = np.nan  # takes no part on one side
    before[:23, 1] = np.nan  # too few
    after[3, 2] = np.inf
    before[:, 3], after[:, 3] = 2.0, 3.0  # nothing varies
    before[:, 4] = 2.0
    table = compared(side(before, "x"), side(after, "y"))
    assert table["status"].tolist() == [
        "no_sieve",
        "insufficient_n",
        "nonfinite",
        "zero_variance",
        "ok",
        "ok",
    ]
    equal = table.iloc[3]
    assert (equal["pvalue"], equal["pvalue_adj"], equal["change"]) == (1, 1, 1)
    assert np.isnan([equal["ci_low"], equal["ci_high"]]).all()
    assert table["pvalue"].iloc[:3].isna().all()
    test = stats.ttest_1samp(after[:, 4], 2.0)
    np.testing.assert_allclose(table["statistic"][4], test.statistic, 1e-5)
    flat = [
        side(each, name, attainable=np.ones(30)) for each, name in ((before, "x"), (after, "y"))
    ]
    assert compared(*flat, criterion="attained")["status"][5] == "unattainable"


def test_a_rounding_error_is_no_change():
    values = np.full((40, 1), 3.0) + np.arange(40)[:, None] * 1e-9
    found = compared(side(values, "x"), side(values * (1 + 2e-7), "y"))
    assert found["pvalue_adj"][0] > 0.05


def test_maxt_needs_pairs():
    values = drawn()
    with pytest.raises(UsageError, match="one of holm, bh, by, none where paired is False"):
        compared(side(values[0], "x"), side(values[1], "y"), adjust="maxt")


def test_checkpoints_of_a_side_are_averaged():
    sides = [with_attainable(seed, 60, "x", share) for seed, share in ((0, 0.2), (0, 0.3))]
    other = with_attainable(5, 45, "y", 0.3)
    found = hs.compare(sides, other, paired=False)
    means = np.mean([each.values for each in sides], axis=0, dtype=np.float64)
    wanted = compared(
        replace(sides[0], values=means.astype(np.float32)), other, criterion="attained"
    )
    np.testing.assert_allclose(found.table["change"], wanted["change"], 1e-6)
    each = [hs.test(one, criterion="attained", tau=0.2).table["attained"] for one in sides]
    np.testing.assert_allclose(found.table["spread_before"], np.std(each, axis=0, ddof=1), 1e-6)
    assert found.table["spread_after"].isna().all()
    assert found.counts["checkpoints_before"] == 2


def test_a_part_is_compared_as_if_it_had_been_scored_alone():
    whole = scores_of()
    first = np.arange(N) % 3 == 0
    parts = scores_of(np.flatnonzero(first)), scores_of(np.flatnonzero(~first))
    assert_frame_equal(
        compared(whole.select(where=first), whole.select(where=~first)), compared(*parts)
    )


@pytest.mark.parametrize("criterion", ["mean", "attained"])
def test_skewness_is_that_of_one_sample_where_the_other_does_not_vary(criterion):
    rng = np.random.default_rng(1)
    documents = np.repeat(np.arange(14), rng.integers(1, 9, 14))
    most = rng.integers(8, 40, len(documents)).astype(float)
    x = 1 + rng.beta(1, 5, len(documents)) * (most - 1) * (1 + documents % 3)
    equal = side(np.full((20, 1), 4.0), "x", [f"e{n}" for n in range(20)], np.full(20, 16.0))
    varying = side(x[:, None], "y", [f"d{n}" for n in documents], most)
    row = compared(equal, varying, criterion=criterion).iloc[0]
    x = varying.values[:, 0, 0, 0].astype(float)
    ratio, size = (x - 1).sum() / (most - 1).sum(), most - 1
    residual = x - 1 - ratio * (most - 1)
    if criterion == "mean":
        residual, size = x - x.mean(), np.ones(len(x))
    u, n = (np.bincount(documents, each) for each in (residual, size))
    a = (u**3).sum() / (u**2).sum() ** 1.5
    c = (n * u).sum() / (n.sum() * np.sqrt((u**2).sum()))
    t = skewness.hall(row["statistic"], np.array(a), c)
    np.testing.assert_allclose(row["pvalue_skew"], 2 * stats.t.sf(abs(t), row["df"]), 1e-3)
