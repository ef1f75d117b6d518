"""Partial conjunction against its plain definition, and its level by brute force."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from headscore.statistics.partial_conjunction import partial_conjunctions


def plain(pvalues, u):
    """The largest of Bonferroni's global tests over all sets of K - u + 1 studies."""
    known = [1.0 if np.isnan(p) else p for p in pvalues]
    size = len(known) - u + 1
    return max(min(1.0, size * min(some)) for some in itertools.combinations(known, size))


@given(
    arrays.arrays(
        float,
        st.tuples(st.integers(1, 6), st.integers(1, 4)),
        elements=st.one_of(st.floats(0, 1), st.just(np.nan)),
    )
)
def test_each_number_of_studies_is_the_largest_global_test_of_the_others(pvalues__kc):
    """H0 "fewer than u": in some set of K - u + 1 studies all nulls hold; each must be rejected."""
    found = partial_conjunctions(pvalues__kc)
    assert found.shape == pvalues__kc.shape
    for cell, pvalues in enumerate(pvalues__kc.T):
        for u in range(1, len(pvalues) + 1):
            if np.isnan(pvalues).all():
                assert np.isnan(found[u - 1, cell])
            else:
                assert found[u - 1, cell] == pytest.approx(plain(pvalues, u))


def test_one_study_keeps_its_pvalues():
    np.testing.assert_array_equal(
        partial_conjunctions(np.array([[0.2, 1.0, np.nan]])), [[0.2, 1.0, np.nan]]
    )


@pytest.mark.parametrize("u", [1, 2, 3, 4])
def test_the_level_holds_where_u_less_one_studies_have_the_role(u):
    """Exact where the nulls are independent: 1 - (1 - alpha / k)^k with k = K - u + 1."""
    rng, runs = np.random.default_rng(u), 40_000
    p = rng.random((4, runs))
    p[: u - 1] = 0.0
    k = 4 - u + 1
    rejected = (partial_conjunctions(p)[u - 1] <= 0.05).mean()
    assert rejected == pytest.approx(1 - (1 - 0.05 / k) ** k, abs=4 * np.sqrt(0.05 / runs))
