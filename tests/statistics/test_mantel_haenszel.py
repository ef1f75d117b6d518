"""Mantel-Haenszel odds ratios: against statsmodels, numerical derivatives and simulation."""

import numpy as np
import pytest
from statsmodels.stats.contingency_tables import StratifiedTable

from headscore.statistics.mantel_haenszel import Strata, influence, information, sides


def strata_of(seed, n_strata=9, heads=3, most=6):
    """Strata of fractional attention; the first has one case and one control."""
    rng = np.random.default_rng(seed)
    n_cases, n_controls = (rng.integers(1, most, (n_strata, 1)).astype(float) for _ in range(2))
    n_cases[0] = n_controls[0] = 1
    shares = rng.random((2, n_strata, heads))
    return Strata(
        cases=shares[0] * n_cases,
        controls=shares[1] * n_controls,
        n_cases=n_cases,
        n_controls=n_controls,
    )


@pytest.mark.parametrize("seed", range(5))
def test_ratio_of_counts_is_that_of_statsmodels(seed):
    rng = np.random.default_rng(seed)
    tables = rng.integers(1, 9, (6, 2, 2))
    # [[attended, not] of cases, [attended, not] of controls]
    counts = tables.sum(axis=2)[..., None].astype(float)
    strata = Strata(
        cases=tables[:, 0, :1].astype(float),
        controls=tables[:, 1, :1].astype(float),
        n_cases=counts[:, 0],
        n_controls=counts[:, 1],
    )
    above, below = sides(strata)
    pooled = StratifiedTable(list(tables)).oddsratio_pooled
    np.testing.assert_allclose(above / below, pooled)


@pytest.mark.parametrize("margin", [1.0, 1.5])
def test_influences_are_the_derivatives(margin):
    strata = strata_of(0)
    found = influence(strata, margin)
    sizes = strata.n_cases + strata.n_controls
    growth = np.sqrt(sizes / (sizes - 1))
    step = 1e-6

    def u_of_strata(**moved):
        """U of each stratum, where only that stratum is moved."""
        terms = []
        for s in range(len(sizes)):
            own = {name: getattr(strata, name)[s : s + 1] for name in strata.__dict__}
            own = {name: own[name] + moved.get(name, 0) for name in own}
            above, below = sides(Strata(**own))
            terms.append(above - margin * below)
        return np.array(terms)

    for name in ("cases", "controls", "n_cases", "n_controls"):
        slope = (u_of_strata(**{name: step}) - u_of_strata(**{name: -step})) / (2 * step)
        np.testing.assert_allclose(getattr(found, name), growth * slope, rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize("margin", [1.0, 1.5])
def test_influences_of_all_rows_add_up_to_u(margin):
    strata = strata_of(1)
    found = influence(strata, margin)
    sizes = strata.n_cases + strata.n_controls
    total = (
        found.cases * strata.cases
        + found.controls * strata.controls
        + found.n_cases * strata.n_cases
        + found.n_controls * strata.n_controls
    ) / np.sqrt(sizes / (sizes - 1))
    above, below = sides(strata)
    np.testing.assert_allclose(total.sum(axis=0), above - margin * below)


def test_information_is_what_alike_entries_add():
    # p of each case and q of each control, in every row: a row adds its share of the difference.
    strata = strata_of(2)
    p, q, margin = 0.3, 0.2, 1.5
    alike = Strata(
        cases=p * strata.n_cases,
        controls=q * strata.n_controls,
        n_cases=strata.n_cases,
        n_controls=strata.n_controls,
    )
    found = influence(alike, margin)
    sizes = alike.n_cases + alike.n_controls
    growth = np.sqrt(sizes / (sizes - 1))
    of_case, of_control = information(alike)
    difference = p * (1 - q) - margin * q * (1 - p)
    np.testing.assert_allclose(found.cases * p + found.n_cases, growth * of_case * difference)
    np.testing.assert_allclose(
        found.controls * q + found.n_controls, growth * of_control * difference
    )
    whole = of_case * alike.n_cases + of_control * alike.n_controls
    np.testing.assert_allclose(whole, alike.n_cases * alike.n_controls / sizes)


def variance_of(a, c, margin=1.0):
    """Variance of U from the influences of single entries, (stratum, entry) each."""
    totals = {"cases": a.sum(axis=1), "controls": c.sum(axis=1)}
    sizes = {"n_cases": np.full(len(a), a.shape[1]), "n_controls": np.full(len(c), c.shape[1])}
    given = {name: each[:, None].astype(float) for name, each in {**totals, **sizes}.items()}
    found = influence(Strata(**given), margin)
    u = np.concatenate(
        [(found.cases * a + found.n_cases).ravel(), (found.controls * c + found.n_controls).ravel()]
    )
    return (u**2).sum()


@pytest.mark.parametrize(("n_a", "n_c"), [(1, 1), (1, 4), (3, 2), (20, 40)])
def test_variance_of_independent_entries_is_unbiased_in_strata_of_any_size(n_a, n_c):
    # Without the N - 1 it would be half as large for one case and one control.
    rng = np.random.default_rng(3)
    variances, totals = [], []
    for _ in range(400):
        shares = rng.beta(1, 4, (60, n_a + n_c))
        a, c = shares[:, :n_a], shares[:, n_a:]
        strata = Strata(
            cases=a.sum(axis=1, keepdims=True),
            controls=c.sum(axis=1, keepdims=True),
            n_cases=np.full((60, 1), float(n_a)),
            n_controls=np.full((60, 1), float(n_c)),
        )
        above, below = sides(strata)
        totals.append((above - below).item())
        variances.append(variance_of(a, c))
    # Monte Carlo error of a variance of 400 draws: 7 %.
    assert np.mean(variances) == pytest.approx(np.var(totals), rel=0.2)


def test_error_of_the_log_ratio_is_that_of_robins_breslow_and_greenland():
    rng = np.random.default_rng(4)
    n_a, n_c = 12, 30
    a, c = rng.random((40, n_a)) < 0.4, rng.random((40, n_c)) < 0.25
    tables = [
        [[x.sum(), n_a - x.sum()], [y.sum(), n_c - y.sum()]] for x, y in zip(a, c, strict=True)
    ]
    pooled = StratifiedTable([np.array(each) for each in tables])
    ratio = pooled.oddsratio_pooled
    strata = Strata(
        cases=a.sum(axis=1, keepdims=True).astype(float),
        controls=c.sum(axis=1, keepdims=True).astype(float),
        n_cases=np.full((40, 1), float(n_a)),
        n_controls=np.full((40, 1), float(n_c)),
    )
    _, below = sides(strata)
    # U = P - k Q at k = P / Q: Var(log ratio) = Var(U) / (k Q)^2.
    error = variance_of(a.astype(float), c.astype(float), ratio) ** 0.5 / (ratio * below.item())
    assert error == pytest.approx(pooled.logodds_pooled_se, rel=0.05)
