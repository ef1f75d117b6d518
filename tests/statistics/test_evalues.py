"""E-values against plain Python, exact expectations and simulation."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headscore.statistics.evalues import BETS, e_bh, log_evalue, log_sums
from headscore.statistics.moments import moments

NAN = float("nan")


def log_e(scores, tau=3.0):
    """The e-value of one cell, through the moments."""
    values = np.asarray(scores, float)[:, None, None, None]
    return moments(values, tau=np.array([tau]), evalues=True).log_evalue.item()


def by_loop(scores, tau=3.0):
    """The formula as written: the mean over 24 bets of the product of 1 + bet (x - tau)."""
    total = 0.0
    for k in range(24):
        bet = (0.02 + k * (0.95 - 0.02) / 23) / tau
        total += math.prod(1 + bet * (x - tau) for x in scores) / 24
    return math.log(total)


def test_bets_match_the_definition():
    assert len(BETS) == 24
    assert (BETS[0], BETS[-1]) == (0.02, 0.95)
    np.testing.assert_allclose(np.diff(BETS), 0.93 / 23, rtol=1e-12)


@pytest.mark.parametrize("n", [1, 2, 31, 32, 33, 100])
@pytest.mark.parametrize("tau", [0.25, 3.0])
def test_log_evalue_agrees_with_the_loop(n, tau):
    scores = np.random.default_rng(n).gamma(2, 1.7, n) * tau / 3
    assert log_e(scores, tau) == pytest.approx(by_loop(scores, tau), rel=1e-12, abs=1e-13)


def test_log_evalue_by_hand():
    # One score of 6 at tau 3: each bet earns 1 + bet, and the mean bet is (0.02 + 0.95)/2.
    assert log_e([6.0]) == pytest.approx(math.log(1.485), rel=1e-14)
    assert log_e([0.0]) == pytest.approx(math.log(1 - 0.485), rel=1e-14)
    assert log_e([3.0] * 50) == 0.0


def test_sequences_without_a_score_change_nothing():
    scores = np.random.default_rng(1).gamma(2, 1.7, 70)
    idle = np.full(200, NAN)
    idle[::3][: len(scores)] = scores[: len(idle[::3])]
    kept = idle[~np.isnan(idle)]
    assert 60 < len(kept) < 70
    assert log_e(idle) == pytest.approx(by_loop(kept), rel=1e-12)


@pytest.mark.parametrize("largest", [1e6, 1e12, 1e38])
def test_large_scores_do_not_overflow(largest):
    scores = [1.0] * 40 + [largest] * 60
    expected = [
        sum(math.log1p(bet / 3 * (x - 3)) for x in scores) for bet in BETS
    ]  # the largest bet decides
    assert math.isfinite(log_e(scores))
    top = max(expected)
    mean = sum(math.exp(each - top) for each in expected) / 24
    assert log_e(scores) == pytest.approx(top + math.log(mean), rel=1e-12)


def test_strong_evidence_does_not_overflow():
    assert log_e([300.0] * 5000) > 20_000
    assert log_e([0.0] * 5000) < -90


@pytest.mark.parametrize("score", [-0.2, -3.0, -100.0])
@pytest.mark.parametrize("also", [0, 1])
def test_a_score_below_0_makes_the_evalue_nan(score, also):
    # Two factors below 0 would multiply to one above.
    assert math.isnan(log_e([5.0] * 40 + [score] * (1 + also) + [5.0] * 40))


def test_one_cell_below_0_does_not_change_the_others():
    values = np.full((40, 1, 1, 3), 5.0)
    values[20, 0, 0, 1] = -1
    found = moments(values, tau=np.array([3.0]), evalues=True).log_evalue.ravel()
    assert np.isnan(found).tolist() == [False, True, False]
    assert found[0] == found[2]


def test_rounding_below_0_is_accepted():
    assert math.isfinite(log_e([-1e-7, 4.0]))


def test_evalues_are_nan_unless_requested():
    values = np.ones((4, 1, 1, 1))
    assert np.isnan(moments(values, tau=np.array([3.0])).log_evalue).all()


def test_expectation_is_exactly_1_where_the_mean_is_tau():
    # All outcomes of six scores of 0, or of 4, with probability 1/4 and 3/4: the mean is 3.
    expectation = 0.0
    for n_zeros in range(7):
        weight = math.comb(6, n_zeros) * 0.25**n_zeros * 0.75 ** (6 - n_zeros)
        expectation += weight * math.exp(log_e([0.0] * n_zeros + [4.0] * (6 - n_zeros)))
    assert expectation == pytest.approx(1, rel=1e-13)


@given(
    high=st.floats(3.001, 1e4),
    n=st.integers(1, 12),
    tau=st.floats(3.0, 5.0),
)
def test_expectation_is_at_most_1_under_h0_whatever_the_skew(high, n, tau):
    # Scores of 0 or `high` with mean 3 <= tau, as skewed to either side as hypothesis likes.
    share = 3 / high
    expectation = sum(
        math.comb(n, k)
        * share**k
        * (1 - share) ** (n - k)
        * math.exp(log_e([high] * k + [0.0] * (n - k), tau))
        for k in range(n + 1)
    )
    assert expectation <= 1 + 1e-9


def test_valid_under_stopping_early():
    # Under H0 an e-value may ever reach 20, looked at after each score, in 1 run of 20.
    rng = np.random.default_rng(2)
    scores = rng.gamma(2, 1.5, (200, 3000))
    paths = np.stack([np.log1p(bet / 3 * (scores - 3)).cumsum(axis=0) for bet in BETS])
    assert log_evalue(paths[:, -1])[7] == pytest.approx(log_e(scores[:, 7]), rel=1e-10)
    ever = (log_evalue(paths) >= math.log(20)).any(axis=0).mean()
    assert 0 < ever < 0.05


@pytest.mark.parametrize("n_cells", [1, 7, 5000])
@pytest.mark.parametrize("n_units", [1, 32, 3001])
def test_sums_do_not_depend_on_the_number_of_cells(n_units, n_cells):
    excess = np.random.default_rng(3).gamma(2, 1, (n_units, 1)) - 2
    alone = log_sums(excess, np.array([3.0]))
    among = log_sums(np.repeat(excess, n_cells, axis=1), np.full(n_cells, 3.0))
    np.testing.assert_allclose(among, np.repeat(alone, n_cells, axis=1), rtol=1e-11, atol=1e-11)


def e_bh_by_loop(evalues, alpha):
    """Wang and Ramdas (2022), section 4.1, as written."""
    m = len(evalues)
    ranked = sorted(evalues, reverse=True)
    best = 0
    for k in range(1, m + 1):
        if k * ranked[k - 1] / m >= 1 / alpha:
            best = k
    return [best > 0 and e >= ranked[best - 1] for e in evalues]


@given(
    st.lists(st.sampled_from([0.0, 0.5, 19.0, 21.0, 39.0, 41.0, 60.0, 81.0, 1e9]), max_size=12),
    st.sampled_from([0.05, 0.01]),
)
def test_e_bh_agrees_with_the_loop(evalues, alpha):
    with np.errstate(divide="ignore"):
        found = e_bh(np.log(np.array(evalues)), alpha)
    assert found.tolist() == e_bh_by_loop(evalues, alpha)


def test_e_bh_by_hand():
    # Four cells at 0.05: the k-th must reach 80/k. 30 fails as second, 27 passes as third.
    evalues = np.log(np.array([[27.0, 90.0], [30.0, 1.0]]))
    assert e_bh(evalues, 0.05).tolist() == [[True, True], [True, False]]
    assert not e_bh(np.log([79.0, 39.0, 26.0, 19.0]), 0.05).any()


def test_e_bh_takes_an_evalue_of_exactly_the_bound():
    assert e_bh(np.log([20.0]), 0.05).tolist() == [True]
    assert e_bh(np.log([0.5, 40.0]), 0.05).tolist() == [False, True]
    assert not e_bh(np.log([0.5, np.nextafter(39.9, 0)]), 0.05).any()


def test_e_bh_leaves_out_cells_without_a_test():
    evalues = np.log(np.array([45.0, 1.0]))
    assert e_bh(evalues, 0.05).tolist() == [True, False]
    assert e_bh(np.append(evalues, NAN), 0.05).tolist() == [True, False, False]
    assert e_bh(np.append(evalues, -np.inf), 0.05).tolist() == [False, False, False]
    assert e_bh(np.array([NAN, NAN]), 0.05).tolist() == [False, False]
