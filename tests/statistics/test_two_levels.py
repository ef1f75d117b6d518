"""The interval over seeds and documents: its two variances, coverage, equal seeds."""

import numpy as np
import pytest
from scipy import stats

from headscore.statistics.two_levels import two_levels


def interval(found, drawn, n_units=50, **changes):
    options = {"alpha": 0.05, "unit": 1.0, "most": 100.0}
    return two_levels(np.asarray(found, float), drawn, n_units, **{**options, **changes})


def test_without_error_by_documents_it_is_the_t_interval_of_the_seeds():
    found = np.array([3.0, 7, 8, 12, 5])
    result = interval(found, np.tile(found, (40, 1)))
    expected = stats.t.interval(0.95, 4, found.mean(), found.std(ddof=1) / np.sqrt(5))
    np.testing.assert_allclose((result.low, result.high), expected)
    assert result.se_documents == 0
    assert result.sd_seeds == pytest.approx(found.std(ddof=1))
    assert (result.n, result.mean) == (5, found.mean())


def test_the_error_of_documents_is_the_covariance_of_two_seeds():
    rng = np.random.default_rng(0)
    found = np.array([3.0, 7, 8, 12])
    drawn = found + rng.normal(size=(500, 1)) + rng.normal(0, 0.5, (500, 4))
    covariance = np.cov(drawn.T)
    common = covariance[~np.eye(4, dtype=bool)].mean() * 30 / 29
    result = interval(found, drawn, n_units=30)
    assert result.se_documents == pytest.approx(np.sqrt(common))
    between = found.var(ddof=1) / 4
    reach = stats.t.isf(0.025, 3) * np.sqrt(between + common)
    assert result.high - result.mean == pytest.approx(reach)


@pytest.mark.parametrize("n", [2, 5, 8, 20])
def test_equal_counts_leave_what_a_share_of_other_seeds_would_hide(n):
    result = interval(np.full(n, 4.0), np.full((30, n), 4.0))
    # With a share q of seeds one higher, all n agree with probability (1 - q)^n.
    assert (1 - (result.high - 4)) ** n == pytest.approx(0.05)
    assert result.low == pytest.approx(8 - result.high)


def test_the_range_ends_the_interval():
    assert interval([0.0, 0, 0], np.zeros((30, 3))).low == 0
    assert interval([4.0, 4, 4], np.full((30, 3), 4.0), most=4.0).high == 4


def test_seeds_without_a_number_do_not_count():
    found = np.array([0.2, np.nan, 0.4, 0.3])
    drawn = np.tile(found, (30, 1))
    result = interval(found, drawn)
    assert result == interval(found[[0, 2, 3]], drawn[:, [0, 2, 3]])
    assert result.n == 3
    drawn[:29, 0] = np.nan  # one draw in which all have a number
    assert interval(found, drawn).se_documents == 0


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_seeds_have_no_interval(n):
    found = np.array([0.5] * n + [np.nan] * (3 - n))
    result = interval(found, np.tile(found, (9, 1)))
    assert np.isnan([result.low, result.high]).all()
    np.testing.assert_equal(result.mean, 0.5 if n else np.nan)


@pytest.mark.parametrize("sd_documents", [0.0, 0.5, 2.0])
def test_it_covers_where_seeds_and_documents_vary(sd_documents):
    rng = np.random.default_rng(1)
    runs, n, units, held, seeds_only = 800, 5, 40, 0, 0
    for _ in range(runs):
        # The mean of `units` documents has the error sd_documents, the same for all seeds.
        documents = rng.normal(0, sd_documents * np.sqrt(units), units)
        weights = rng.multinomial(units, np.full(units, 1 / units), 200) / units
        seeds = 10 + rng.normal(0, 1, n)
        result = interval(
            seeds + documents.mean(), seeds + (weights @ documents)[:, None], units, most=1e9
        )
        held += result.low <= 10 <= result.high
        reach = stats.t.isf(0.025, n - 1) * result.sd_seeds / np.sqrt(n)
        seeds_only += abs(result.mean - 10) <= reach
    error = np.sqrt(0.05 * 0.95 / runs)
    assert held / runs >= 0.95 - 3.5 * error
    if sd_documents == 2:
        assert seeds_only / runs < 0.8  # documents left out
