"""Verdicts: has, has_not and undecided, each direction adjusted on its own."""

import numpy as np
import pytest
from helpers.cells import run
from scipy import stats

from headscore.options import AdjustOptions
from headscore.statistics.adjust import adjust
from headscore.statistics.verdict import VERDICTS, verdicts

NAN = float("nan")


def test_verdicts_by_hand():
    # Holm over four: 0.012 * 4 and 0.016 * 3 are at most 0.05, 0.026 * 2 is not.
    below = np.array([0.012, 0.016, 0.026, 0.99, NAN, NAN])
    shown = np.array([False, False, False, True, False, True])
    found = verdicts(shown, below, AdjustOptions())
    assert found.tolist() == ["has_not", "has_not", "undecided", "has", "", ""]
    assert set(found[:4]) == set(VERDICTS)


def test_a_p_value_of_exactly_alpha_is_significant():
    below = np.array([0.05, np.nextafter(0.05, 1)])
    found = verdicts(np.zeros(2, bool), below, AdjustOptions(adjust="none"))
    assert found.tolist() == ["has_not", "undecided"]


@pytest.mark.parametrize(("method", "n_found"), [("none", 3), ("holm", 1), ("bh", 3), ("by", 1)])
def test_the_direction_below_is_adjusted_by_the_same_method(method, n_found):
    below = np.array([0.001, 0.027, 0.03, 0.9])
    found = verdicts(np.zeros(4, bool), below, AdjustOptions(adjust=method))
    assert (found == "has_not").sum() == n_found
    expected = adjust(below, method) <= 0.05
    assert (found == "has_not").tolist() == expected.tolist()


def test_neither_direction_errs_more_often_than_alpha():
    # Families of ten heads whose means are tau: any verdict but undecided is an error.
    rng = np.random.default_rng(0)
    runs, errors = 2000, {"has": 0, "has_not": 0}
    tested = run(rng.gamma(8, 3 / 8, (40, runs * 10))).tested
    above, below = (each.reshape(runs, 10) for each in (tested.pvalue, tested.pvalue_below))
    for up, down in zip(above, below, strict=True):
        found = verdicts(adjust(up) <= 0.05, down, AdjustOptions())
        for name in errors:
            errors[name] += name in found
    for count in errors.values():
        assert stats.binomtest(count, runs, 0.05, alternative="greater").pvalue > 1e-4
