"""The two criteria: a mean above tau, and a share of the attainable score."""

import re

import numpy as np
import pytest
from scipy import stats

import headscore as hs
from headscore.errors import InputError, UsageError
from headscore.options import TestOptions
from headscore.statistics.criterion import Criterion

ROLES = ("local", "block")


def made(n=50, seed=0, **options):
    """Scores whose largest possible value differs from sequence to sequence."""
    rng = np.random.default_rng(seed)
    attainable = rng.uniform(2, 30, (n, 2)).astype(np.float32)
    share = rng.beta(4, 4, (n, 2, 1, 3))
    values = 1 + share * (attainable[:, :, None, None] - 1)
    absent = rng.random(n) < 0.2
    values[absent, 1], attainable[absent, 1] = np.nan, np.nan
    return hs.HeadScores.from_arrays(
        values.astype(np.float32), ROLES, attainable=attainable, **options
    )


def rows(scores, **options):
    return hs.test(scores, **options).table.set_index(["role", "head"]).iterrows()


def test_attained_is_a_paired_test_of_each_score_against_its_own_threshold():
    scores = made()
    for (role, head), row in rows(scores, criterion="attained", tau=0.45):
        x = scores.values[:, ROLES.index(role), 0, head].astype(float)
        possible = scores.attainable[:, ROLES.index(role), 0].astype(float)
        x, possible = x[~np.isnan(x)], possible[~np.isnan(x)]
        threshold = 1 + 0.45 * (possible - 1)
        expected = stats.ttest_rel(x, threshold, alternative="greater")
        assert row["statistic"] == pytest.approx(expected.statistic, rel=1e-7)
        assert row["pvalue"] == pytest.approx(expected.pvalue, rel=1e-6)
        assert row["mean"] == pytest.approx(x.mean(), rel=1e-12)
        assert row["tau"] == pytest.approx(threshold.mean(), rel=1e-12)
        assert row["sd"] == pytest.approx((x - threshold).std(ddof=1), rel=1e-10)
        assert row["skew"] == pytest.approx(stats.skew(x - threshold), rel=1e-8)
        assert row["share_above"] == pytest.approx((x > threshold).mean())
        low = expected.confidence_interval(0.95).low
        assert row["ci_low"] - row["tau"] == pytest.approx(low, rel=1e-6)
        bets = np.linspace(0.02, 0.95, 24) / threshold.max()
        log_e = np.log(np.mean([np.prod(1 + bet * (x - threshold)) for bet in bets]))
        assert row["log_evalue"] == pytest.approx(log_e, rel=1e-6, abs=1e-6)


def test_attained_column_exceeds_tau_exactly_where_the_statistic_is_positive():
    table = hs.test(made(), criterion="attained", tau=0.5).table
    assert (table["attained"] > 0.5).tolist() == (table["statistic"] > 0).tolist()
    assert 0 < (table["statistic"] > 0).sum() < len(table)


def test_attained_lower_bound_exceeds_tau_exactly_for_labels():
    table = hs.test(made(), criterion="attained", tau=0.5, alpha=0.3, adjust="none").table
    assert (table["ci_low"] > table["tau"]).tolist() == table["label"].tolist()
    assert 0 < table["label"].sum() < len(table)


def test_equal_attainable_gives_the_results_of_criterion_mean():
    scores = made()
    constant = np.where(np.isnan(scores.attainable[:, :, 0]), np.nan, 9.0)
    scores = hs.HeadScores.from_arrays(scores.values, ROLES, attainable=constant)
    attained = hs.test(scores, criterion="attained", tau=0.5).table
    mean = hs.test(scores, tau=5.0).table
    for name in ("statistic", "pvalue", "pvalue_skew", "ci_low", "sd", "log_evalue", "tau"):
        np.testing.assert_allclose(attained[name], mean[name], rtol=1e-9, err_msg=name)
    assert attained["status"].tolist() == mean["status"].tolist()


def test_attained_with_clusters_agrees_with_a_direct_computation():
    documents = [str(n // 4) for n in range(50)]
    scores = made(documents=documents)
    for (role, head), row in rows(scores, criterion="attained", tau=0.45, clusters="document"):
        x = scores.values[:, ROLES.index(role), 0, head].astype(float)
        possible = scores.attainable[:, ROLES.index(role), 0].astype(float)
        excess = x - 1 - 0.45 * (possible - 1)
        part = ~np.isnan(excess)
        deviation = np.where(part, excess - excess[part].mean(), 0)
        sums = np.bincount(np.arange(50) // 4, deviation)
        sizes = np.bincount(np.arange(50) // 4, part)
        g = (sizes > 0).sum()
        se = np.sqrt(g / (g - 1) * (sums**2).sum()) / part.sum()
        assert row["n_clusters"] == row["df"] + 1 == g
        assert row["statistic"] == pytest.approx(excess[part].mean() / se, rel=1e-6)
        means = excess[part].mean() + sums[sizes > 0] / sizes[sizes > 0]
        bets = np.linspace(0.02, 0.95, 24) / (1 + 0.45 * (np.nanmax(possible) - 1))
        log_e = np.log(np.mean([np.prod(1 + bet * means) for bet in bets]))
        assert row["log_evalue"] == pytest.approx(log_e, rel=1e-6, abs=1e-6)


def test_evalue_of_attained_is_at_most_1_on_average():
    rng = np.random.default_rng(3)
    attainable = rng.uniform(2, 30, (15, 1, 1)).astype(np.float32)
    share = rng.choice([0.0, 0.8], (15, 1, 1, 20_000), p=[0.5, 0.5])  # 0.4 on average
    values = 1 + share * (attainable[..., None] - 1)
    values[share == 0] = 1
    scores = hs.HeadScores.from_arrays(values, ["local"], attainable=attainable)
    evalue = np.exp(hs.test(scores, criterion="attained", tau=0.4).table["log_evalue"])
    error = evalue.std() / len(evalue) ** 0.5
    assert abs(evalue.mean() - 1) < 4 * error < 0.1


def test_attainable_of_one_is_unattainable():
    scores = hs.HeadScores.from_arrays(
        np.array([[[[1.0]]], [[[0.9]]]]), ["local"], attainable=[[1.0], [1.0]]
    )
    assert hs.test(scores, criterion="attained", tau=0.5).table["status"].tolist() == [
        "unattainable"
    ]


def test_signature_and_summary_name_the_criterion():
    report = hs.test(made(), criterion="attained", tau={"local": 0.5, "block": 0.25})
    assert "|criterion:attained|tau:local=0.5,block=0.25|clusters:none|" in report.signature
    assert "; tau on attained local=0.5,block=0.25, alpha 0.05" in report.summary()


def test_scale_is_the_largest_threshold():
    scores = made()
    criterion = Criterion.of_attained(np.array([0.3, 0.6]), scores.attainable)
    most = np.nanmax(scores.attainable, axis=(0, 2)).astype(float)
    np.testing.assert_allclose(criterion.scale, 1 + np.array([0.3, 0.6]) * (most - 1), rtol=1e-12)


@pytest.mark.parametrize("tau", [1, 1.0, 3.0, {"local": 0.5, "block": 1.5}])
def test_share_of_1_or_more_raises(tau):
    message = "tau must lie between 0 and 1 where criterion is attained, got 1"
    with pytest.raises(UsageError, match=message if tau != 3.0 else message[:-1] + "3"):
        hs.test(made(), criterion="attained", tau=tau)


def test_attained_without_attainable_raises():
    scores = hs.HeadScores.from_arrays(np.ones((3, 1, 1, 1)), ["local"])
    message = "criterion attained needs scores with attainable, got none"
    with pytest.raises(InputError, match=re.escape(message)):
        hs.test(scores, criterion="attained", tau=0.5)


@pytest.mark.parametrize("name", ["median", "", None])
def test_unknown_criterion_raises(name):
    message = f"criterion must be one of mean, attained, got {name!r}"
    with pytest.raises(UsageError, match=re.escape(message)):
        TestOptions(criterion=name)
