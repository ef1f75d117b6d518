"""Clustered tests against statsmodels, published numbers, plain loops and simulation."""

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from headscore.statistics.clusters import Clusters
from headscore.statistics.criterion import Criterion
from headscore.statistics.moments import moments
from headscore.statistics.status import statuses
from headscore.statistics.t_test import t_test
from headscore.statistics.units import clustered, sequences

NAN = float("nan")


def run(values, codes, *, tau=3.0, ddof=1):
    """Units and test of the columns of (sequence, head) numbers."""
    values = np.asarray(values, float)[:, None, None, :]
    criterion = Criterion.of_mean(np.array([tau]))
    codes = np.unique(codes, return_inverse=True)[1]
    cells = moments(values, tau=criterion, ddof=ddof)
    units = clustered(values, None, Clusters(codes, "given"), cells, criterion, ddof=ddof)
    status = statuses(cells, criterion.tau, units=units)
    return units, t_test(cells, status, criterion.tau, units=units), status


# R package survey, svydesign(id = ~suite): five suites of four students; the sums of the suites
# have the variance 2.25568 and the mean 11.304, and with the factor 1 - 5/100 of the finite
# population svymean(~gpa) prints 2.826, SE 0.1637. Data: Lohr (1999), Sampling: Design and
# Analysis, example 5.2; output: math.unm.edu/~luyan/stat47257217/handout5.html.
SUITES = [
    [3.08, 2.60, 3.44, 3.04],
    [2.36, 3.04, 3.28, 2.68],
    [2.00, 2.56, 2.52, 1.88],
    [3.00, 2.88, 3.44, 3.64],
    [2.68, 1.92, 3.28, 3.20],
]


@pytest.mark.parametrize("order", [range(20), np.random.default_rng(1).permutation(20)])
def test_grade_point_averages_as_printed_by_r(order):
    gpa = np.ravel(SUITES)[order]
    units, tested, _ = run(gpa[:, None], np.repeat(range(5), 4)[order], tau=2.5)
    assert units.n.item() == 5
    assert units.se.item() * math.sqrt(1 - 5 / 100) == pytest.approx(0.1637, abs=5e-5)
    assert units.se.item() ** 2 * 5 * 16 == pytest.approx(2.25568, abs=5e-6)
    assert tested.df.item() == 4
    assert tested.statistic.item() == pytest.approx((2.826 - 2.5) / 0.16792, abs=1e-4)


@pytest.mark.parametrize("seed", range(4))
def test_agrees_with_statsmodels(seed):
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(range(12), rng.integers(1, 15, 12)))
    effect = rng.normal(0, 0.5, 12)[codes]
    values = rng.gamma(5, 0.7, (len(codes), 6)) + effect[:, None]
    units, tested, _ = run(values, codes)
    for head in range(6):
        ols = sm.OLS(values[:, head] - 3, np.ones(len(codes)))
        fit = ols.fit(
            cov_type="cluster", cov_kwds={"groups": codes, "df_correction": True}, use_t=True
        )
        at = 0, 0, head
        assert units.se[at] == pytest.approx(fit.bse[0], rel=1e-11)
        assert tested.df[at] == fit.df_resid_inference == 11
        assert tested.statistic[at] == pytest.approx(fit.tvalues[0], rel=1e-8)
        one_sided = fit.t_test([1]).pvalue / 2
        two = tested.pvalue[at] if tested.statistic[at] > 0 else 1 - tested.pvalue[at]
        assert two == pytest.approx(float(np.squeeze(one_sided)), rel=1e-7)
        low = fit.conf_int(alpha=0.1)[0][0] + 3
        assert tested.ci_low[at] == pytest.approx(low, rel=1e-8)


@given(st.integers(2, 40), st.sampled_from([0, 1]), st.integers(0, 100))
def test_clusters_of_one_sequence_change_nothing(n, ddof, seed):
    rng = np.random.default_rng(seed)
    values = rng.gamma(2, 1.5, (n, 3))
    values[rng.random((n, 3)) < 0.2] = NAN
    units, tested, status = run(values, rng.permutation(n), ddof=ddof)
    criterion = Criterion.of_mean(np.array([3.0]))
    cells = moments(values[:, None, None, :], tau=criterion, ddof=ddof, evalues=True)
    plain = sequences(cells)
    assert units.n.tolist() == plain.n.tolist()
    for name in ("se", "log_evalue"):
        np.testing.assert_allclose(
            getattr(units, name), getattr(plain, name), rtol=1e-9, atol=1e-12
        )
    np.testing.assert_allclose(units.skew, plain.skew, rtol=1e-7, atol=1e-9)
    expected = t_test(cells, status, criterion.tau)
    np.testing.assert_allclose(tested.pvalue, expected.pvalue, rtol=1e-6)
    assert (units.clustered, plain.clustered) == (True, False)


def test_clusters_of_equal_size_are_tested_by_their_means():
    rng = np.random.default_rng(5)
    values = rng.gamma(2, 1.5, (60, 4))
    codes = rng.permutation(np.repeat(range(12), 5))
    means = np.array([values[codes == code].mean(axis=0) for code in range(12)])
    units, tested, _ = run(values, codes)
    np.testing.assert_allclose(units.skew.ravel(), stats.skew(means), rtol=1e-9)
    np.testing.assert_allclose(units.se.ravel(), stats.sem(means), rtol=1e-12)
    cells = moments(means[:, None, None, :], tau=np.array([3.0]), evalues=True)
    np.testing.assert_allclose(units.log_evalue, cells.log_evalue, rtol=1e-10, atol=1e-12)
    expected = stats.ttest_1samp(means, 3, alternative="greater").pvalue
    np.testing.assert_allclose(tested.pvalue.ravel(), expected, rtol=1e-7)


def test_each_cell_counts_only_clusters_with_a_score():
    rng = np.random.default_rng(6)
    values = rng.gamma(2, 1.5, (40, 3))
    codes = np.repeat(range(8), 5)
    values[codes >= 6, 1] = NAN  # two whole documents
    values[codes % 2 == 0, 2] = NAN
    units, tested, _ = run(values, codes)
    assert units.n.ravel().tolist() == [8, 6, 4]
    assert tested.df.ravel().tolist() == [7, 5, 3]
    for head in range(3):
        kept = ~np.isnan(values[:, head])
        alone, other, _ = run(values[kept, head : head + 1], codes[kept])
        assert units.se[0, 0, head] == pytest.approx(alone.se.item(), rel=1e-12)
        assert units.log_evalue[0, 0, head] == pytest.approx(alone.log_evalue.item(), rel=1e-12)
        assert tested.pvalue[0, 0, head] == pytest.approx(other.pvalue.item(), rel=1e-9)


def test_roles_and_layers_are_tested_separately():
    rng = np.random.default_rng(7)
    values = rng.gamma(2, 1.5, (30, 2, 3, 2)).astype(np.float32)
    codes = rng.integers(0, 7, 30)
    codes = np.unique(codes, return_inverse=True)[1]
    criterion = Criterion.of_mean(np.array([3.0, 2.0]))
    cells = moments(values, tau=criterion)
    units = clustered(values, None, Clusters(codes, "given"), cells, criterion)
    for role, layer, head in np.ndindex(2, 3, 2):
        alone, _, _ = run(values[:, role, layer, head, None], codes, tau=[3.0, 2.0][role])
        at = role, layer, head
        for name in ("n", "se", "skew", "log_evalue"):
            assert getattr(units, name)[at] == pytest.approx(getattr(alone, name).item(), rel=1e-9)


def test_one_cluster_is_insufficient_n():
    units, tested, status = run(np.array([[4.0], [5.0], [6.0]]), [1, 1, 1])
    assert units.n.item() == 1
    assert status.item() == "insufficient_n"
    for name in ("statistic", "df", "pvalue", "pvalue_skew", "ci_low"):
        assert np.isnan(getattr(tested, name).item()), name


def test_equal_and_nonfinite_scores_have_their_status():
    values = np.array([[4.0, 4.0, NAN], [4.0, np.inf, NAN], [4.0, 5.0, NAN], [4.0, 5.0, NAN]])
    units, tested, status = run(values, [1, 1, 2, 2])
    assert status.ravel().tolist() == ["zero_variance", "nonfinite", "no_sieve"]
    assert tested.pvalue.ravel()[0] == tested.pvalue_skew.ravel()[0] == 0
    assert np.isnan(tested.pvalue.ravel()[1:]).all()
    assert np.isnan(units.log_evalue.ravel()).tolist() == [False, True, True]
    assert units.n.ravel().tolist() == [2, 2, 0]


def test_clusters_keep_the_level_for_dependent_sentences():
    # ICC 0.1, ten sentences a document: variance of the mean is 1 + 9 * 0.1 times that of
    # independent sentences, so the naive test rejects norm.sf(1.645 / sqrt(1.9)) = 11.6 %.
    rng = np.random.default_rng(8)
    runs, documents = 4000, 60
    effect = np.repeat(rng.normal(0, 0.1**0.5, (documents, runs)), 10, axis=0)
    values = 3 + effect + rng.normal(0, 0.9**0.5, effect.shape)
    codes = np.repeat(range(documents), 10)
    _, tested, _ = run(values, codes)
    _, naive, _ = run(values, range(len(values)))
    assert (naive.pvalue < 0.05).mean() > 0.09
    assert abs((tested.pvalue < 0.05).mean() - 0.05) < 4 * (0.05 * 0.95 / runs) ** 0.5
    assert stats.kstest(tested.pvalue.ravel(), "uniform").pvalue > 0.01
    assert stats.kstest(naive.pvalue.ravel(), "uniform").pvalue < 1e-6


def test_evalue_of_dependent_sentences_is_1_on_average():
    rng = np.random.default_rng(9)
    runs = 40_000
    of_document = np.repeat(rng.choice([0.0, 4.0], (2, runs), p=[0.25, 0.75]), 5, axis=0)
    units, _, _ = run(of_document, np.repeat([0, 1], 5))
    naive, _, _ = run(of_document, range(10))
    mean = np.exp(units.log_evalue).mean()
    error = np.exp(units.log_evalue).std() / runs**0.5
    assert abs(mean - 1) < 4 * error < 0.05
    assert np.exp(naive.log_evalue).mean() > 1.5
