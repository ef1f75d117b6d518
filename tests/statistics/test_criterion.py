"""The two criteria: a mean above tau, and a share of the attainable score."""

import re

import numpy as np
import pytest
from scipy import stats

import headscore as hs
from headscore.errors import InputError, UsageError, unknown_name
from headscore.options import TestOptions
from headscore.statistics.criterion import Criterion, thresholds

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
        low = stats.ttest_1samp(x, 0, alternative="greater").confidence_interval(0.95).low
        assert row["ci_low"] == pytest.approx(low, rel=1e-9)
        bets = np.linspace(0.02, 0.95, 24) / threshold.max()
        log_e = np.log(np.mean([np.prod(1 + bet * (x - threshold)) for bet in bets]))
        assert row["log_evalue"] == pytest.approx(log_e, rel=1e-6, abs=1e-6)


def test_attained_column_exceeds_tau_exactly_where_the_statistic_is_positive():
    table = hs.test(made(), criterion="attained", tau=0.5).table
    assert (table["attained"] > 0.5).tolist() == (table["statistic"] > 0).tolist()
    assert 0 < (table["statistic"] > 0).sum() < len(table)


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
    codes = np.arange(50) // 4
    scores = made(documents=[str(code) for code in codes])
    for (role, head), row in rows(scores, criterion="attained", tau=0.45, clusters="document"):
        x = scores.values[:, ROLES.index(role), 0, head].astype(float)
        possible = scores.attainable[:, ROLES.index(role), 0].astype(float)
        excess = x - 1 - 0.45 * (possible - 1)
        part = ~np.isnan(excess)
        deviation = np.where(part, excess - excess[part].mean(), 0)
        sums, sizes = np.bincount(codes, deviation), np.bincount(codes, part)
        n = part.sum()
        se = np.sqrt((sums**2 / (1 - sizes / n)).sum()) / n
        assert row["n_clusters"] == (sizes > 0).sum()
        assert row["statistic"] == pytest.approx(excess[part].mean() / se, rel=1e-6)
        bets = np.linspace(0.02, 0.95, 24) / (1 + 0.45 * (np.nanmax(possible) - 1))
        of_cluster = (sums + sizes * excess[part].mean()) / sizes.max()
        log_e = np.log(np.mean([np.prod(1 + bet * of_cluster) for bet in bets]))
        assert row["log_evalue"] == pytest.approx(log_e, rel=1e-6, abs=1e-6)


def cr2(deviation, codes):
    """Variance of a mean, from the deviations of its scores."""
    sums, sizes = np.bincount(codes, deviation), np.bincount(codes)
    return (sums**2 / (1 - sizes / len(codes))).sum() / len(codes) ** 2


@pytest.mark.parametrize("clusters", [None, "document"])
@pytest.mark.parametrize("how", [{"tau": 3.0}, {"criterion": "attained", "tau": 0.45}])
def test_interval_of_attained_is_that_of_a_ratio(how, clusters):
    codes = np.random.default_rng(1).integers(0, 13, 50)
    scores = made(documents=[str(code) for code in codes])
    for (role, head), row in rows(scores, clusters=clusters, alpha=0.02, **how):
        x = scores.values[:, ROLES.index(role), 0, head].astype(float) - 1
        possible = scores.attainable[:, ROLES.index(role), 0].astype(float) - 1
        part = ~np.isnan(x)
        x, possible, own = x[part], possible[part], np.unique(codes[part], return_inverse=True)[1]
        if clusters is None:
            own = np.arange(len(x))
        # Cochran, "Sampling Techniques" (1977), (6.9): residuals of the ratio R.
        ratio = x.sum() / possible.sum()
        se = cr2(x - ratio * possible, own) ** 0.5 / possible.mean()
        if clusters is None:
            cochran = ((x - ratio * possible) ** 2).sum() / (len(x) * (len(x) - 1))
            assert se == pytest.approx(cochran**0.5 / possible.mean(), rel=1e-9)
        reach = stats.t.isf(0.02, row["df"]) * se
        assert row["attained"] == pytest.approx(ratio, rel=1e-9)
        assert row["attained_low"] == pytest.approx(ratio - reach, rel=1e-6)
        assert row["attained_high"] == pytest.approx(ratio + reach, rel=1e-6)
        # The delta method: the gradient of a / b and the covariances of both means.
        both, gradient = (x - x.mean(), possible - possible.mean()), np.array([1, -ratio])
        of_sum = cr2(both[0] + both[1], own)
        of_each = [cr2(each, own) for each in both]
        covariance = (of_sum - sum(of_each)) / 2
        matrix = np.array([[of_each[0], covariance], [covariance, of_each[1]]])
        delta = gradient @ matrix @ gradient / possible.mean() ** 2
        assert se == pytest.approx(delta**0.5, rel=1e-9)


@pytest.mark.parametrize("clusters", [None, "document"])
def test_ci_low_is_of_the_mean_score_in_every_criterion(clusters):
    scores = made(documents=[str(n // 4) for n in range(50)])
    of_mean = hs.test(scores, clusters=clusters).table
    attained = hs.test(scores, clusters=clusters, criterion="attained", tau=0.45).table
    for name in ("mean", "ci_low", "attained", "attained_low", "attained_high", "deff"):
        np.testing.assert_allclose(attained[name], of_mean[name], rtol=1e-5, err_msg=name)
    assert not np.allclose(attained["statistic"], of_mean["statistic"])


def test_interval_of_attained_covers_the_share_as_often_as_announced():
    # 2000 heads of 60 sequences each with its own largest possible score; a share of 0.5.
    rng = np.random.default_rng(4)
    attainable = rng.uniform(2, 30, (60, 1)).astype(np.float32)
    values = 1 + rng.beta(4, 4, (60, 1, 1, 2000)) * (attainable[:, :, None, None] - 1)
    scores = hs.HeadScores.from_arrays(values, ["local"], attainable=attainable)
    table = hs.test(scores).table
    for wrong in (table["attained_low"] > 0.5, table["attained_high"] < 0.5):
        assert abs(wrong.mean() - 0.05) < 4 * (0.05 * 0.95 / 2000) ** 0.5


def test_labels_of_attained_agree_with_the_interval_but_for_its_linearisation():
    table = hs.test(made(400), criterion="attained", tau=0.49, alpha=0.2, adjust="none").table
    assert ((table["attained_low"] > 0.49) == table["label"]).all()
    assert 0 < table["label"].sum() < len(table)


def test_equal_attainable_of_all_has_the_interval_of_the_mean():
    scores = hs.HeadScores.from_arrays(made().values, ROLES)
    constant = np.where(np.isnan(scores.values[:, :, 0, 0]), np.nan, 30.0)
    scores = hs.HeadScores.from_arrays(scores.values, ROLES, attainable=constant)
    table = hs.test(scores).table
    np.testing.assert_allclose(table["attained_low"], (table["ci_low"] - 1) / 29, rtol=1e-9)
    unknown = hs.test(hs.HeadScores.from_arrays(scores.values, ROLES)).table
    assert unknown[["attained_low", "attained_high"]].isna().all(axis=None)


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
    values = np.linspace(0.9, 1, 8)[:, None, None, None]
    scores = hs.HeadScores.from_arrays(values, ["local"], attainable=np.ones((8, 1)))
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
        (float("nan"), "tau must be a finite number above 0, got nan"),
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
