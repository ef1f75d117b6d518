"""Attention with a multiple of the odds."""

import numpy as np
from helpers import loops
from hypothesis import given
from hypothesis import strategies as st

from headscore.sieves.odds import FACTORS, MARGIN, ROWS, UNIT, scaled


@given(st.floats(-8, 8), st.floats(-4, 4))
def test_adding_to_a_logit_multiplies_the_odds(logit, more):
    attention, scaled_up = (1 / (1 + np.exp(-each)) for each in (logit, logit + more))
    np.testing.assert_allclose(scaled(attention, np.exp(more)), scaled_up, rtol=1e-12)


def test_no_and_all_attention_stay_what_they_are_and_nan_stays_nan():
    for factor in FACTORS:
        np.testing.assert_array_equal(scaled(np.array([0.0, 1, np.nan]), factor), [0, 1, np.nan])


def test_factors_are_powers_of_two_from_a_quarter_to_64():
    assert FACTORS.tolist() == list(loops.FACTORS)
    assert (MARGIN, UNIT, ROWS) == (1.5, 2**-20, 11)
