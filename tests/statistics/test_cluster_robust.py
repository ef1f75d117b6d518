"""CR2 and its degrees of freedom: against the matrices of the definition, R, and plain t-tests."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import linalg, stats

from headscore.statistics import cluster_robust


def sums_and_sizes(values, codes):
    """Sums of the deviations, and sizes, of each cluster; (cluster, 1)."""
    deviation = values - values.mean()
    return np.bincount(codes, deviation)[:, None], np.bincount(codes)[:, None].astype(float)


def by_matrices(values, codes):
    """Variance and df of Pustejovsky and Tipton (2018) for the regression on an intercept.

    Cluster g has the adjustment matrix A_g = ((I - H)_gg)^(-1/2) for H = X (X'X)^-1 X'; the
    variance is sum_g (X_g' A_g e_g)^2 / n^2, a quadratic form y' P y with P = sum_g p_g p_g' for
    p_g = (I - H)_g' A_g X_g / n; Satterthwaite's df is (trace P)^2 / trace(P P).
    """
    n = len(values)
    remainder = np.eye(n) - np.ones((n, n)) / n
    form = np.zeros((n, n))
    variance = 0.0
    for code in np.unique(codes):
        rows = codes == code
        adjusted = linalg.fractional_matrix_power(remainder[np.ix_(rows, rows)], -0.5).real
        p = remainder[rows].T @ adjusted @ np.ones(rows.sum()) / n
        form += np.outer(p, p)
        variance += (np.ones(rows.sum()) @ adjusted @ (remainder @ values)[rows]) ** 2 / n**2
    assert values @ form @ values == pytest.approx(variance, rel=1e-8)
    return variance, np.trace(form) ** 2 / np.trace(form @ form)


@given(
    sizes=st.lists(st.integers(1, 6), min_size=2, max_size=6),
    seed=st.integers(0, 1000),
)
def test_variance_and_df_agree_with_the_matrices(sizes, seed):
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(range(len(sizes)), sizes))
    values = rng.gamma(2, 1.5, len(codes)) + rng.normal(0, 1, len(sizes))[codes]
    sums, size = sums_and_sizes(values, codes)
    variance, df = by_matrices(values, codes)
    assert cluster_robust.variance(sums, size).item() == pytest.approx(variance, rel=1e-8)
    assert cluster_robust.degrees_of_freedom(size).item() == pytest.approx(df, rel=1e-8)


# R 4.2.2, clubSandwich 0.5.8:
#     y <- c(3.1, 4.7, ...); g <- c(1, 1, ...); f <- lm(y ~ 1)
#     vcovCR(f, cluster = g, type = "CR2"); vcovCR(f, cluster = g, type = "CR0")
#     coef_test(f, vcov = "CR2", cluster = g, test = "Satterthwaite")$df_Satt
# and the same with cluster = rep(1:5, each = 4).
Y = [3.1, 4.7, 2.2, 5.9, 3.8, 4.4, 2.9, 6.3, 3.3, 5.1]
Y += [1.8, 4.0, 7.2, 3.6, 2.7, 5.5, 4.9, 3.0, 6.1, 2.4]
UNEQUAL = np.repeat(range(6), [9, 2, 3, 1, 2, 3])
EQUAL = np.repeat(range(5), 4)


@pytest.mark.parametrize(
    ("codes", "se", "df"),
    [(UNEQUAL, 0.210973476604591842, 3.014933917691523746), (EQUAL, 0.199123077517399, 4.0)],
)
def test_standard_error_and_df_as_printed_by_r(codes, se, df):
    sums, size = sums_and_sizes(np.array(Y), codes)
    assert cluster_robust.variance(sums, size).item() ** 0.5 == pytest.approx(se, rel=1e-12)
    assert cluster_robust.degrees_of_freedom(size).item() == pytest.approx(df, rel=1e-12)


def test_ddof_0_is_the_variance_without_weights():
    sums, size = sums_and_sizes(np.array(Y), UNEQUAL)
    assert cluster_robust.variance(sums, size, ddof=0).item() == pytest.approx(0.03859175, abs=5e-9)


@given(n_clusters=st.integers(2, 30), size=st.integers(1, 7), seed=st.integers(0, 100))
def test_equal_clusters_are_tested_by_their_means(n_clusters, size, seed):
    codes = np.repeat(range(n_clusters), size)
    values = np.random.default_rng(seed).gamma(2, 1.5, len(codes))
    sums, sizes = sums_and_sizes(values, codes)
    means = values.reshape(n_clusters, size).mean(axis=1)
    variance = cluster_robust.variance(sums, sizes).item()
    assert variance == pytest.approx(means.var(ddof=1) / n_clusters, rel=1e-9)
    assert cluster_robust.degrees_of_freedom(sizes).item() == pytest.approx(n_clusters - 1)


def test_clusters_of_one_give_the_variance_of_independent_scores():
    values = np.random.default_rng(2).gamma(2, 1.5, 25)
    sums, size = sums_and_sizes(values, np.arange(25))
    assert cluster_robust.variance(sums, size).item() == pytest.approx(stats.sem(values) ** 2)
    assert cluster_robust.degrees_of_freedom(size).item() == pytest.approx(24)


def test_covariance_is_that_of_the_polarised_variance():
    rng = np.random.default_rng(3)
    first, second = rng.normal(0, 1, (2, 20))
    (a, size), (b, _) = sums_and_sizes(first, UNEQUAL), sums_and_sizes(second, UNEQUAL)
    both, _ = sums_and_sizes(first + second, UNEQUAL)
    of_sum, *of_each = (cluster_robust.variance(sums, size).item() for sums in (both, a, b))
    covariance = cluster_robust.covariance(a, b, size).item()
    assert 2 * covariance == pytest.approx(of_sum - sum(of_each), rel=1e-12)


def test_the_largest_of_unequal_clusters_costs_degrees_of_freedom():
    size = np.array([[50.0, 10.0, 10.0]] + [[5.0, 10.0, 0.0]] * 10)
    df = cluster_robust.degrees_of_freedom(size)
    assert df[0] < 4  # half of the scores in one cluster
    assert df[1] == pytest.approx(10)
    assert np.isnan(df[2])


def test_empty_clusters_change_nothing():
    sums, size = sums_and_sizes(np.array(Y), UNEQUAL)
    more, empty = (np.insert(each, 2, 0.0, axis=0) for each in (sums, size))
    assert cluster_robust.variance(more, empty) == cluster_robust.variance(sums, size)
    assert cluster_robust.degrees_of_freedom(empty) == cluster_robust.degrees_of_freedom(size)
    nothing = np.zeros((3, 2))
    assert np.isnan(cluster_robust.variance(nothing, nothing)).all()
    assert np.isnan(cluster_robust.degrees_of_freedom(nothing)).all()


@pytest.mark.parametrize("icc", [0.0, 0.2])
def test_one_document_with_half_the_corpus_does_not_break_the_level(icc):
    rng = np.random.default_rng(4)
    sizes = np.array([120.0, *[8.0] * 15])[:, None]
    runs = 20_000
    sums = rng.normal(0, np.sqrt(sizes * (1 - icc) + sizes**2 * icc), (16, runs))
    mean = sums.sum(axis=0) / sizes.sum()
    deviation = sums - sizes * mean
    t = mean / cluster_robust.variance(deviation, sizes) ** 0.5
    p = stats.t.sf(t, cluster_robust.degrees_of_freedom(sizes))
    # CR1 with G - 1 degrees of freedom.
    naive = mean / ((deviation**2).sum(axis=0) * 16 / 15) ** 0.5 * sizes.sum()
    kept, broken = ((each <= 0.05).mean() for each in (p, stats.t.sf(naive, 15)))
    assert kept < 0.065
    assert broken > kept + 0.02
