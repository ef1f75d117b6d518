"""Power: against the figures of the design, statsmodels, and simulated tests."""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.power import TTestPower

import headscore as hs
from headscore.errors import UsageError
from headscore.statistics import power


@pytest.mark.parametrize(
    ("effect", "alone", "among_1440"), [(0.1, 620, 2331), (0.2, 156, 589), (0.5, 27, 101)]
)
def test_required_n_matches_the_figures_of_the_design(effect, alone, among_1440):
    assert power.required_n(effect) == alone
    assert power.required_n(effect, heads=144, roles=10) == among_1440
    assert power.required_n(effect, alpha=0.05 / 1440) == among_1440


def test_required_n_matches_the_gpower_manual():
    # G*Power 3.1 manual, section "t test: means - one sample", one-tailed, d 0.625, alpha 0.05,
    # power 0.95: n 30.
    assert power.required_n(0.625, power=0.95) == 30


@given(
    n=st.integers(2, 500),
    effect=st.floats(0.01, 1.0),
    heads=st.integers(1, 200),
    alpha=st.floats(0.001, 0.2),
)
def test_required_n_agrees_with_statsmodels(n, effect, heads, alpha):
    ours = power.power(n, effect=effect, heads=heads, alpha=alpha)
    theirs = TTestPower().power(effect, n, alpha / heads, alternative="larger")
    assert ours == pytest.approx(float(theirs), rel=1e-8, abs=1e-12)


@given(effect=st.floats(0.02, 5), heads=st.integers(1, 2000), wanted=st.floats(0.05, 0.99))
def test_required_n_is_the_smallest(effect, heads, wanted):
    n = power.required_n(effect, heads=heads, power=wanted)
    assert power.power(n, effect=effect, heads=heads) >= wanted
    assert n == 2 or power.power(n - 1, effect=effect, heads=heads) < wanted


def test_simulated_tests_reject_as_often_as_promised():
    rng = np.random.default_rng(0)
    n = power.required_n(0.4, heads=10, power=0.7)
    x = rng.normal(3.0 + 0.4 * 0.8, 0.8, (20_000, n))
    pvalues = stats.ttest_1samp(x, 3.0, axis=1, alternative="greater").pvalue
    share = (pvalues <= 0.05 / 10).mean()
    promised = power.power(n, effect=0.4, heads=10)
    assert promised >= 0.7
    assert abs(share - promised) < 4 * np.sqrt(promised * (1 - promised) / len(x))


def test_required_n_is_monotone_in_every_argument():
    base = power.required_n(0.3, heads=12, roles=2)
    assert power.required_n(0.3, heads=144, roles=2) > base
    assert power.required_n(0.3, heads=12, roles=10) > base
    assert power.required_n(0.3, heads=12, roles=2, power=0.9) > base
    assert power.required_n(0.3, heads=12, roles=2, alpha=0.1) < base
    assert power.required_n(0.6, heads=12, roles=2) < base


def test_required_n_of_the_smallest_and_a_huge_effect():
    # The normal approximation ((z_0.95 + z_0.8) / effect)^2 is exact here to a few sequences.
    z = stats.norm.isf(0.05) + stats.norm.ppf(0.8)
    assert power.required_n(0.001) == pytest.approx((z / 0.001) ** 2, abs=5)
    assert power.required_n(1e6) == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"effect": 0}, "effect must be a finite number of at least 0.001, got 0"),
        ({"effect": -0.2}, "effect must be a finite number of at least 0.001, got -0.2"),
        ({"effect": float("nan")}, "effect must be a finite number of at least 0.001, got nan"),
        ({"effect": float("inf")}, "effect must be a finite number of at least 0.001, got inf"),
        ({"effect": "0.2"}, "effect must be a finite number of at least 0.001, got '0.2'"),
        ({"heads": 0}, "heads must be a whole number of at least 1, got 0"),
        ({"heads": 1.5}, "heads must be a whole number of at least 1, got 1.5"),
        ({"roles": True}, "roles must be a whole number of at least 1, got True"),
        ({"alpha": 0}, "alpha must lie between 0 and 1, got 0"),
        ({"alpha": 1}, "alpha must lie between 0 and 1, got 1"),
        ({"power": 1.0}, "power must lie between 0 and 1, got 1.0"),
        ({"power": None}, "power must lie between 0 and 1, got None"),
    ],
)
def test_invalid_arguments_raise(arguments, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        power.required_n(**{"effect": 0.2, **arguments})


def test_power_of_one_sequence_raises():
    with pytest.raises(UsageError, match="n must be a whole number of at least 2, got 1"):
        power.power(1, effect=0.2)


def test_power_is_a_public_name():
    assert hs.power.required_n is power.required_n
