"""Bootstrap intervals: the same numbers as scipy's from the same draws."""

import re
import tracemalloc

import numpy as np
import pytest
from scipy import stats

import headscore as hs
from headscore.errors import InputError, UsageError

NAN = float("nan")


def made(n=40, seed=0, **options):
    values = np.random.default_rng(seed).gamma(1.5, 2, (n, 2, 1, 3)).astype(np.float32)
    return hs.HeadScores.from_arrays(values, ["local", "block"], **options)


@pytest.mark.parametrize(("n", "level", "seed"), [(40, 0.95, 0), (41, 0.9, 7), (300, 0.99, 3)])
def test_agrees_with_scipy(n, level, seed):
    scores = made(n)
    table = hs.intervals(scores, level=level, resamples=999, seed=seed)
    for _, row in table.iterrows():
        x = scores.values[:, scores.roles.index(row["role"]), row["layer"], row["head"]]
        expected = stats.bootstrap(
            (x.astype(float),), np.mean, n_resamples=999, confidence_level=level, method="BCa",
            rng=np.random.default_rng(seed),
        ).confidence_interval  # fmt: skip
        assert row["mean"] == pytest.approx(x.astype(float).mean(), rel=1e-12)
        assert (row["low"], row["high"]) == pytest.approx(tuple(expected), rel=1e-10)


def test_rows_match_those_of_a_report():
    scores = made()
    table, report = hs.intervals(scores), hs.test(scores).table
    for name in ("role", "layer", "head"):
        assert table[name].tolist() == report[name].tolist()
    np.testing.assert_allclose(table["mean"], report["mean"], rtol=1e-12)
    assert list(table) == ["layer", "head", "role", "mean", "low", "high"]
    assert ((table["low"] < table["mean"]) & (table["mean"] < table["high"])).all()


def test_skewed_scores_have_an_asymmetric_interval():
    values = np.random.default_rng(1).exponential(1, (30, 1, 1, 1))
    right = hs.intervals(hs.HeadScores.from_arrays(values, ["local"])).iloc[0]
    assert right["high"] - right["mean"] > 1.1 * (right["mean"] - right["low"])


def by_hand(x, draws, level=0.95):
    """BCa interval of the mean of what is not NaN, Efron (1987) as written."""
    drawn = np.array(
        [np.mean(each[~np.isnan(each)]) for each in x[draws] if not np.isnan(each).all()]
    )
    jackknife = np.array([np.nanmean(np.delete(x, index)) for index in range(len(x))])
    pull = jackknife.mean() - jackknife
    a = (pull**3).sum() / (6 * (pull**2).sum() ** 1.5)
    mean = np.nanmean(x)
    z0 = stats.norm.ppf(((drawn < mean).mean() + (drawn <= mean).mean()) / 2)
    z = z0 + stats.norm.ppf([(1 - level) / 2, (1 + level) / 2])
    return len(drawn), np.quantile(drawn, stats.norm.cdf(z0 + z / (1 - a * z)))


def test_sequences_without_a_score_are_left_out():
    rng = np.random.default_rng(2)
    values = rng.gamma(2, 2, (60, 1, 1, 2))
    values[::4, 0, 0, 1] = NAN
    scores = hs.HeadScores.from_arrays(values, ["local"])
    row = hs.intervals(scores, resamples=500, seed=5).iloc[1]
    draws = np.random.default_rng(5).integers(0, 60, (500, 60))
    n_drawn, expected = by_hand(scores.values[:, 0, 0, 1].astype(float), draws)
    assert n_drawn == 500
    assert (row["low"], row["high"]) == pytest.approx(tuple(expected), rel=1e-9)


def test_clusters_are_resampled_whole():
    rng = np.random.default_rng(3)
    effect = np.repeat(rng.normal(5, 1, 20), 6)
    values = np.repeat((effect + rng.normal(0, 0.1, 120))[:, None, None, None], 2, axis=3)
    order = rng.permutation(120)
    documents = np.repeat([str(n) for n in range(20)], 6)[order].tolist()
    scores = hs.HeadScores.from_arrays(values[order], ["local"], documents=documents)
    one = hs.intervals(scores, clusters="document").iloc[0]
    naive = hs.intervals(scores, clusters=None).iloc[0]
    means = np.array([values[6 * n : 6 * n + 6, 0, 0, 0].mean() for n in range(20)])
    se = means.std(ddof=1) / 20**0.5
    assert one["high"] - one["low"] == pytest.approx(2 * 1.96 * se, rel=0.15)
    assert naive["high"] - naive["low"] < 0.5 * (one["high"] - one["low"])
    assert one["mean"] == pytest.approx(values[:, 0, 0, 0].mean(), rel=1e-6)


def test_clusters_of_one_sequence_change_nothing():
    scores = made()
    ids = [f"{n}" for n in range(40)]
    plain, clustered = hs.intervals(scores), hs.intervals(scores, clusters=ids)
    np.testing.assert_allclose(plain["low"], clustered["low"], rtol=1e-12)


def test_coverage_of_the_mean_matches_the_level():
    values = np.random.default_rng(4).gamma(2, 1, (50, 1, 1, 2000))
    table = hs.intervals(hs.HeadScores.from_arrays(values, ["local"]), level=0.9)
    covered = ((table["low"] <= 2) & (table["high"] >= 2)).mean()
    assert 0.86 < covered < 0.92


def test_too_few_scores_have_no_interval_and_equal_scores_zero_width():
    columns = {
        "none": [NAN] * 9,
        "one": [2.0] + [NAN] * 8,
        "seven": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, NAN, NAN],
        "seven equal": [0.1] * 7 + [NAN] * 2,
        "infinite": [1.0, 2.0, np.inf, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0],
        "equal": [0.1] * 9,
        "eight": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, NAN],
    }
    values = np.array([*columns.values()]).T[:, None, None, :]
    table = hs.intervals(hs.HeadScores.from_arrays(values, ["local"]))
    assert table["low"].isna().tolist() == [True] * 5 + [False] * 2
    assert table["high"].isna().tolist() == [True] * 5 + [False] * 2
    assert table["low"][5] == table["high"][5] == pytest.approx(0.1, rel=1e-7)
    assert 1 <= table["low"][6] < 4.5 < table["high"][6] <= 8
    assert table["mean"][2] == 4


def test_clusters_of_equal_means_have_zero_width():
    scores = hs.HeadScores.from_arrays(np.full((30, 1, 1, 1), 0.1), ["local"])
    table = hs.intervals(scores, clusters=np.arange(30) % 9)
    assert table["low"][0] == table["high"][0] == pytest.approx(0.1, rel=1e-7)


def test_clusters_count_as_units():
    values = np.random.default_rng(0).gamma(2, 2, (40, 1, 1, 1))
    scores = hs.HeadScores.from_arrays(values, ["local"])
    for n_clusters in (7, 8):
        low = hs.intervals(scores, clusters=np.arange(40) % n_clusters)["low"]
        assert low.isna().all() == (n_clusters < 8)


def test_nonfinite_cells_have_no_interval():
    values = np.random.default_rng(0).gamma(4, 1, (20, 1, 1, 3))
    values[3, 0, 0, 1] = NAN  # the other heads took part
    values[4, 0, 0, 2] = np.inf
    scores = hs.HeadScores.from_arrays(values, ["a"], attainable=np.full((20, 1, 1), 99.0))
    assert hs.test(scores).table["status"].tolist() == ["ok", "nonfinite", "nonfinite"]
    assert hs.intervals(scores)["low"].isna().tolist() == [False, True, True]


@pytest.mark.parametrize("ask", [hs.test, hs.intervals, hs.tau_curve])
def test_input_that_is_not_scores_raises(ask):
    with pytest.raises(UsageError, match=r"scores must be HeadScores, as .* makes them, got int"):
        ask(3)


def test_draws_without_a_score_are_dropped():
    # A draw of 50 misses all eight with a probability of 0.84^50 = 1.6e-4.
    values = np.full((50, 1, 1, 1), NAN)
    values[:8, 0, 0, 0] = [1.03, 2.11, 4.57, 1.9, 2.2, 0.4, 6.1, 3.3]
    scores = hs.HeadScores.from_arrays(values, ["local"])
    draws = np.random.default_rng(1).integers(0, 50, (20_000, 50))
    for level in (0.5, 0.95):
        row = hs.intervals(scores, level=level, resamples=20_000, seed=1).iloc[0]
        n_drawn, expected = by_hand(scores.values[:, 0, 0, 0].astype(float), draws, level)
        assert n_drawn < 20_000
        assert (row["low"], row["high"]) == pytest.approx(tuple(expected), rel=1e-9)


def test_seed_0_repeats_and_1_does_not():
    scores = made()
    first, again, other = (hs.intervals(scores, seed=seed) for seed in (0, 0, 1))
    assert first["low"].tolist() == again["low"].tolist()
    assert first["low"].tolist() != other["low"].tolist()


def test_memory_stays_below_that_of_all_draws():
    scores = hs.HeadScores.from_arrays(np.random.default_rng(5).random((4000, 1, 1, 2)), ["local"])
    tracemalloc.start()
    try:
        hs.intervals(scores, resamples=3000)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 3000 * 4000 * 8 / 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"level": 1}, "level must lie between 0 and 1, got 1"),
        ({"level": 95}, "level must lie between 0 and 1, got 95"),
        ({"level": NAN}, "level must lie between 0 and 1, got nan"),
        ({"level": None}, "level must lie between 0 and 1, got None"),
        ({"resamples": 99}, "resamples must be an integer of at least 100, got 99"),
        ({"resamples": 1e4}, "resamples must be an integer of at least 100, got 10000.0"),
        ({"seed": -1}, "seed must be an integer of at least 0, got -1"),
        ({"seed": None}, "seed must be an integer of at least 0, got None"),
        ({"seed": True}, "seed must be an integer of at least 0, got True"),
    ],
)
def test_invalid_options_raise(options, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        hs.intervals(made(), **options)


def test_document_clusters_without_documents_raise():
    with pytest.raises(InputError, match="need scores with documents"):
        hs.intervals(made(), clusters="document")
