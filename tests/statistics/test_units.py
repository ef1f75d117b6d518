"""Units: sequences and clusters of any sizes, against R, statsmodels, loops and simulation."""

import math
from itertools import product

import numpy as np
import pytest
import statsmodels.api as sm
from helpers.cells import run
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from headscore.statistics.clusters import Clusters
from headscore.statistics.criterion import Criterion
from headscore.statistics.moments import moments
from headscore.statistics.units import units_of

NAN = float("nan")
BETS = np.linspace(0.02, 0.95, 24)


def ragged(rng, n_clusters, largest, n_heads=1):
    """Scores of clusters of 1 to `largest` sequences in no order, with an effect of each."""
    sizes = rng.integers(1, largest + 1, n_clusters)
    codes = rng.permutation(np.repeat(range(n_clusters), sizes))
    values = (
        rng.gamma(3, 1.2, (len(codes), n_heads)) * rng.uniform(0.6, 1.5, n_clusters)[codes, None]
    )
    return values, codes


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
    found = run(gpa[:, None], tau=2.5, codes=np.repeat(range(5), 4)[order])
    assert found.units.n.item() == 5
    assert found.units.se.item() * math.sqrt(1 - 5 / 100) == pytest.approx(0.1637, abs=5e-5)
    assert found.units.se.item() ** 2 * 5 * 16 == pytest.approx(2.25568, abs=5e-6)
    assert found.tested.df.item() == pytest.approx(4, rel=1e-12)
    assert found.tested.statistic.item() == pytest.approx((2.826 - 2.5) / 0.16792, abs=1e-4)


# R 4.2.2, clubSandwich 0.5.8: y <- c(3.1, ...); g <- rep(1:9, c(6, 1, 2, 3, 1, 2, 3, 1, 1))
#     coef_test(lm(I(y - 3) ~ 1), vcov = "CR2", cluster = g, test = "Satterthwaite")
#     conf_int(lm(y ~ 1), vcov = "CR2", cluster = g, level = 0.9)
Y = [3.1, 4.7, 2.2, 5.9, 3.8, 4.4, 2.9, 6.3, 3.3, 5.1]
Y += [1.8, 4.0, 7.2, 3.6, 2.7, 5.5, 4.9, 3.0, 6.1, 2.4]


def test_clusters_of_unequal_sizes_as_printed_by_r():
    codes = np.repeat(range(9), [6, 1, 2, 3, 1, 2, 3, 1, 1])
    tested = run(np.array(Y)[:, None], codes=codes).tested
    assert tested.statistic.item() == pytest.approx(4.20160196735868, rel=1e-9)
    assert tested.df.item() == pytest.approx(5.18938056187157, rel=1e-12)
    assert tested.pvalue.item() == pytest.approx(0.00781543321474456 / 2, rel=1e-9)
    assert tested.ci_low.item() == pytest.approx(3.60026483985676, rel=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_clusters_of_one_size_agree_with_statsmodels(seed):
    rng = np.random.default_rng(seed)
    codes = rng.permutation(np.repeat(range(12), 7))
    values = rng.gamma(5, 0.7, (84, 6)) + rng.normal(0, 0.5, 12)[codes, None]
    found = run(values, codes=codes)
    for head in range(6):
        ols = sm.OLS(values[:, head] - 3, np.ones(84))
        fit = ols.fit(
            cov_type="cluster", cov_kwds={"groups": codes, "df_correction": True}, use_t=True
        )
        at = 0, 0, head
        assert found.units.se[at] == pytest.approx(fit.bse[0], rel=1e-11)
        assert found.tested.df[at] == pytest.approx(fit.df_resid_inference, rel=1e-12)
        assert found.tested.statistic[at] == pytest.approx(fit.tvalues[0], rel=1e-8)
        low = fit.conf_int(alpha=0.1)[0][0] + 3
        assert found.tested.ci_low[at] == pytest.approx(low, rel=1e-8)


@given(st.integers(2, 40), st.sampled_from([0, 1]), st.integers(0, 100))
def test_clusters_of_one_sequence_change_nothing(n, ddof, seed):
    rng = np.random.default_rng(seed)
    values = rng.gamma(2, 1.5, (n, 3))
    values[rng.random((n, 3)) < 0.2] = NAN
    attainable = rng.uniform(20, 40, n)
    attainable[np.isnan(values).all(axis=1)] = NAN
    values[np.isnan(values) & ~np.isnan(attainable)[:, None]] = 1.0
    alone = run(values, ddof=ddof, attainable=attainable)
    found = run(values, ddof=ddof, attainable=attainable, codes=rng.permutation(n))
    assert (found.units.clustered, alone.units.clustered) == (True, False)
    for name, expected in vars(alone.units).items():
        if name != "clustered":
            got = getattr(found.units, name)
            np.testing.assert_allclose(got, expected, rtol=1e-7, atol=1e-9, err_msg=name)
    for name, expected in vars(alone.tested).items():
        got = getattr(found.tested, name)
        np.testing.assert_allclose(got, expected, rtol=1e-6, atol=1e-9, err_msg=name)


def test_clusters_of_equal_size_are_tested_by_their_means():
    rng = np.random.default_rng(5)
    values = rng.gamma(2, 1.5, (60, 4))
    codes = rng.permutation(np.repeat(range(12), 5))
    means = np.array([values[codes == code].mean(axis=0) for code in range(12)])
    found, alone = run(values, codes=codes), run(means)
    for name in ("n", "effective", "weight", "df", "se", "asymmetry", "log_evalue"):
        expected = getattr(alone.units, name)
        np.testing.assert_allclose(getattr(found.units, name), expected, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(found.units.size_asymmetry, 0, atol=1e-12)
    for name in ("pvalue", "pvalue_skew", "pvalue_above", "pvalue_below"):
        expected = getattr(alone.tested, name)
        np.testing.assert_allclose(getattr(found.tested, name), expected, rtol=1e-6)
    design = stats.sem(means) ** 2 / (values.var(axis=0, ddof=1) / 60)
    np.testing.assert_allclose(found.units.deff.ravel(), design, rtol=1e-9)


@pytest.mark.parametrize("seed", range(4))
def test_unequal_clusters_agree_with_loops(seed):
    values, codes = ragged(np.random.default_rng(seed), 11, 8)
    x, n = values[:, 0], len(values)
    sizes, sums = {}, {}
    for value, code in zip(x, codes, strict=True):
        sizes[code] = sizes.get(code, 0) + 1
        sums[code] = sums.get(code, 0) + value - x.mean()
    units = run(values, codes=codes).units
    square = sum(u**2 for u in sums.values())
    variance = sum(sums[g] ** 2 / (1 - sizes[g] / n) for g in sums) / n**2
    assert units.n.item() == 11
    assert units.effective.item() == pytest.approx(n**2 / sum(m**2 for m in sizes.values()))
    assert units.weight.item() == pytest.approx(n / max(sizes.values()))
    assert units.se.item() == pytest.approx(variance**0.5, rel=1e-12)
    assert units.se_mean.item() == pytest.approx(variance**0.5, rel=1e-12)
    assert units.deff.item() == pytest.approx(variance / (x.var(ddof=1) / n), rel=1e-12)
    skew = sum(u**3 for u in sums.values()) / 11 / (square / 11) ** 1.5
    assert units.asymmetry.item() == pytest.approx(skew / 11**0.5, rel=1e-9)
    covariance = sum(sizes[g] * sums[g] for g in sums) / 11  # the sums have the mean 0
    expected = covariance / (n / 11 * (square / 11) ** 0.5 * 11**0.5)
    assert units.size_asymmetry.item() == pytest.approx(expected, rel=1e-9, abs=1e-12)
    most = max(sizes.values())
    bets = [(sums[g] + sizes[g] * (x.mean() - 3)) / most for g in sums]
    log_e = math.log(sum(math.prod(1 + bet / 3 * d for d in bets) for bet in BETS) / 24)
    assert units.log_evalue.item() == pytest.approx(log_e, rel=1e-9, abs=1e-12)


def test_each_cell_counts_only_clusters_with_a_score():
    rng = np.random.default_rng(6)
    values = rng.gamma(2, 1.5, (60, 3))
    codes = np.repeat(range(20), 3)
    values[codes >= 15, 1] = NAN  # whole documents
    values[codes % 2 == 0, 2] = NAN
    values[codes == 3, 2] = NAN
    values[codes == 5, 2] = [4.0, NAN, NAN]
    found = run(values, codes=codes)
    assert found.units.n.ravel().tolist() == [20, 15, 9]
    for head in range(3):
        kept = ~np.isnan(values[:, head])
        alone = run(values[kept, head : head + 1], codes=codes[kept])
        for one, other in ((found.units, alone.units), (found.tested, alone.tested)):
            # The safe p-values borrow from other heads.
            for name in vars(other).keys() - {"clustered", "pvalue_above", "pvalue_below"}:
                got, expected = getattr(one, name)[0, 0, head], getattr(other, name).item()
                assert got == pytest.approx(expected, rel=1e-9, abs=1e-12, nan_ok=True), name


def test_roles_and_layers_are_tested_separately():
    rng = np.random.default_rng(7)
    values = rng.gamma(2, 1.5, (30, 2, 3, 2)).astype(np.float32)
    codes = np.unique(rng.integers(0, 7, 30), return_inverse=True)[1]
    criterion = Criterion.of_mean(np.array([3.0, 2.0]))
    cells = moments(values, tau=criterion)
    units = units_of(values, None, Clusters(codes, "given", ""), cells, criterion)
    for role, layer, head in np.ndindex(2, 3, 2):
        alone = run(values[:, role, layer, head, None], tau=[3.0, 2.0][role], codes=codes).units
        for name in vars(alone).keys() - {"clustered"}:
            got, expected = getattr(units, name)[role, layer, head], getattr(alone, name).item()
            assert got == pytest.approx(expected, rel=1e-9, nan_ok=True), name


def test_one_cluster_is_insufficient_n():
    found = run(np.array([[4.0], [5.0], [6.0]]), codes=[1, 1, 1])
    assert found.units.n.item() == 1
    assert found.status.item() == "insufficient_n"
    for name in ("statistic", "df", "pvalue", "pvalue_above", "pvalue_below", "ci_low"):
        assert np.isnan(getattr(found.tested, name).item()), name


@pytest.mark.parametrize(("n_clusters", "status"), [(7, "insufficient_n"), (8, "ok")])
def test_fewer_than_eight_clusters_are_insufficient_n(n_clusters, status):
    values, codes = ragged(np.random.default_rng(3), n_clusters, 9)
    found = run(values, codes=codes)
    assert found.status.item() == status
    assert np.isnan(found.tested.pvalue.item()) == (status != "ok")
    assert np.isfinite(found.tested.statistic.item())


def test_equal_and_nonfinite_scores_have_their_status():
    values = np.full((16, 3), 4.0)
    values[3, 1], values[:, 2] = np.inf, NAN
    found = run(values, codes=np.repeat(range(8), 2))
    assert found.status.ravel().tolist() == ["zero_variance", "nonfinite", "no_sieve"]
    assert np.isnan(found.tested.pvalue.ravel()).tolist() == [False, True, True]
    assert np.isnan(found.units.log_evalue.ravel()).tolist() == [False, True, True]
    assert np.isnan(found.units.deff.ravel()).all()
    assert found.units.n.ravel().tolist() == [8, 8, 0]


def test_clusters_keep_the_level_for_dependent_sentences():
    # ICC 0.1, ten sentences a document: variance of the mean is 1 + 9 * 0.1 times that of
    # independent sentences, so the naive test rejects norm.sf(1.645 / sqrt(1.9)) = 11.6 %.
    rng = np.random.default_rng(8)
    runs, documents = 3000, 60
    effect = np.repeat(rng.normal(0, 0.1**0.5, (documents, runs)), 10, axis=0)
    values = 3 + effect + rng.normal(0, 0.9**0.5, effect.shape)
    tested = run(values, codes=np.repeat(range(documents), 10)).tested
    naive = run(values).tested
    assert (naive.pvalue < 0.05).mean() > 0.09
    assert abs((tested.pvalue < 0.05).mean() - 0.05) < 4 * (0.05 * 0.95 / runs) ** 0.5
    assert stats.kstest(tested.pvalue.ravel(), "uniform").pvalue > 0.01
    assert stats.kstest(naive.pvalue.ravel(), "uniform").pvalue < 1e-6


def expectation(means, sizes, high):
    """Expected e-value if all sequences of cluster g score `high` with a chance of m_g / high."""
    outcomes = np.array(list(product([0.0, high], repeat=len(sizes)))).T  # (cluster, outcome)
    chance = np.array(means)[:, None] / high
    weight = np.where(outcomes > 0, chance, 1 - chance).prod(axis=0)
    codes = np.repeat(range(len(sizes)), sizes)
    return weight @ np.exp(run(outcomes[codes], codes=codes).units.log_evalue.ravel())


@pytest.mark.parametrize("sizes", [(3, 3, 3, 3), (1, 4, 2, 7, 3), (9, 1, 1, 1)])
@pytest.mark.parametrize("high", [3.5, 12.0])
def test_expected_evalue_of_unequal_clusters_is_exactly_1_where_all_means_are_tau(sizes, high):
    assert expectation([3.0] * len(sizes), sizes, high) == pytest.approx(1, rel=1e-12)


def test_evalue_is_of_the_mean_over_sequences():
    # Five small documents with the mean 4, and a large one that brings all sequences to tau.
    means, sizes = [4.0] * 5 + [2.0], [2] * 5 + [10]
    assert np.average(means, weights=sizes) == 3
    assert expectation(means, sizes, 6.0) < 1
    assert expectation([4.0] * 5, [2] * 5, 6.0) > 1.3  # a mean of clusters would be above tau


def test_evalue_of_dependent_sentences_is_1_on_average():
    rng = np.random.default_rng(9)
    runs = 40_000
    of_document = np.repeat(rng.choice([0.0, 4.0], (2, runs), p=[0.25, 0.75]), 5, axis=0)
    evalue = np.exp(run(of_document, codes=np.repeat([0, 1], 5)).units.log_evalue)
    error = evalue.std() / runs**0.5
    assert abs(evalue.mean() - 1) < 4 * error < 0.05
    assert np.exp(run(of_document).units.log_evalue).mean() > 1.5
