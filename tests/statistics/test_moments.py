"""Moments of each cell, against published numbers, numpy, scipy and plain loops."""

import json
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from headscore.statistics.criterion import Criterion
from headscore.statistics.moments import moments

PUBLISHED = Path(__file__).parents[1] / "helpers" / "published.json"


def of_column(numbers, attainable=None, *, tau=3.0, ddof=1):
    """Moments of one cell, as plain numbers by name."""
    numbers = np.asarray(numbers)[:, None, None, None]
    if attainable is not None:
        attainable = np.asarray(attainable, float)[:, None, None]
    cells = moments(numbers, attainable, tau=np.array([tau]), ddof=ddof)
    return {name: array.item() for name, array in vars(cells).items()}


@pytest.mark.parametrize("name", ["NumAcc1", "NumAcc2", "NumAcc3", "NumAcc4"])
def test_moments_match_nist(name):
    certified = json.loads(PUBLISHED.read_text(encoding="utf-8"))["moments"][name]
    first, *pair = certified["numbers"]
    cell = of_column(np.array([first, *pair * certified["turns"]]))
    assert cell["n"] == 1 + 2 * certified["turns"]
    assert cell["mean"] == pytest.approx(certified["mean"], rel=1e-15)
    exact = {"NumAcc1": 0, "NumAcc4": 1e-7}.get(name, 1e-8)
    assert cell["sd"] == pytest.approx(certified["sd"], rel=exact, abs=0)
    assert abs(cell["skew"]) < 1e-6


def test_moments_by_hand():
    # Mean 4, squared deviations 9 + 1 + 16 = 26, cubed -27 - 1 + 64 = 36.
    cell = of_column([8.0, np.nan, 1.0, 3.0], [9.0, np.nan, 6.0, 6.0])
    assert (cell["n"], cell["mean"], cell["minimum"], cell["maximum"]) == (3, 4, 1, 8)
    assert cell["sd"] == pytest.approx(13**0.5, rel=1e-15)
    assert cell["skew"] == pytest.approx(3**0.5 * 36 / 26**1.5, rel=1e-15)
    assert cell["share_above"] == pytest.approx(1 / 3)
    assert cell["attainable"] == 7
    assert cell["attained"] == pytest.approx(3 / 6)
    # Largest possible scores 9, 6, 6 of mean 7: squares 4 + 1 + 1, products 4 * 2 + 3 + 1.
    assert cell["attainable_variance"] == pytest.approx(3)
    assert cell["covariance"] == pytest.approx(6)
    assert cell["most"] == 9
    assert cell["nonfinite"] is False


def test_ddof_0_divides_by_n():
    assert of_column([8.0, 1.0, 3.0], ddof=0)["sd"] == pytest.approx((26 / 3) ** 0.5, rel=1e-15)


def test_unknown_attainable_is_nan():
    cell = of_column([8.0, 1.0])
    for name in ("attainable", "attained", "attainable_variance", "covariance", "most"):
        assert np.isnan(cell[name]), name


def test_criterion_attained_has_the_moments_of_the_scores_less_their_allowance():
    rng = np.random.default_rng(2)
    attainable = rng.uniform(3, 20, 50)
    values = 1 + rng.random(50) * (attainable - 1)
    attainable__srl = attainable[:, None, None]
    criterion = Criterion.of_attained(np.array([0.4]), attainable__srl)
    cells = moments(values[:, None, None, None], attainable__srl, tau=criterion)
    less = values - 0.4 * (attainable - 1)
    assert cells.mean.item() == pytest.approx(values.mean(), rel=1e-12)
    assert cells.sd.item() == pytest.approx(less.std(ddof=1), rel=1e-12)
    assert cells.attainable_variance.item() == pytest.approx(attainable.var(ddof=1), rel=1e-12)
    assert cells.covariance.item() == pytest.approx(np.cov(less, attainable)[0, 1], rel=1e-9)
    assert cells.most.item() == pytest.approx(attainable.max() - 0.4 * (attainable.max() - 1))
    assert (cells.minimum.item(), cells.maximum.item()) == (less.min(), less.max())


@pytest.mark.parametrize("attainable", [1.0, 0.5])
def test_attained_is_nan_where_attainable_is_at_most_1(attainable):
    cell = of_column([1.0, 0.5], [attainable] * 2)
    assert cell["attainable"] == attainable
    assert np.isnan(cell["attained"])


@pytest.mark.parametrize("number", [np.float32(0.1), 0.1])
def test_equal_scores_have_exactly_their_mean_and_no_spread(number):
    cell = of_column(np.full(1001, number))
    assert np.full(1001, 0.1).mean() != 0.1
    assert (cell["mean"], cell["sd"]) == (float(number), 0.0)
    assert np.isnan(cell["skew"])


@pytest.mark.parametrize("n", [0, 1])
def test_sd_and_skew_of_fewer_than_two_scores_are_nan(n):
    cell = of_column([2.0] * n + [np.nan])
    assert cell["n"] == n
    for name in ("sd", "skew"):
        assert np.isnan(cell[name])
    assert np.isnan(cell["mean"]) == (n == 0)


@pytest.mark.parametrize(
    ("numbers", "attainable"),
    [([np.inf, 1, 2], None), ([-np.inf, 1, 2], [5, 5, 5]), ([np.nan, 1, 2], [5, 5, 5])],
)
def test_nonfinite_score_makes_every_moment_nan(numbers, attainable):
    cell = of_column(numbers, attainable)
    assert cell["nonfinite"] is True
    assert cell["n"] == 3 - np.isnan(numbers).sum()
    for name in cell.keys() - {"nonfinite", "n"}:
        assert np.isnan(cell[name]), name


@pytest.mark.parametrize("at", [0, 50, 99])
def test_nonfinite_score_is_found_at_any_position(at):
    numbers = np.ones(100)
    numbers[at] = np.inf
    assert of_column(numbers)["nonfinite"] is True


def test_missing_score_without_a_sieve_is_not_nonfinite():
    assert of_column([np.nan, 1, 2], [np.nan, 5, 5])["nonfinite"] is False


def test_each_cell_agrees_with_numpy_and_scipy():
    rng = np.random.default_rng(1)
    values = rng.gamma(2, 1, (40, 3, 2, 4)).astype(np.float32)
    values[rng.random(values.shape) < 0.2] = np.nan
    tau = np.array([1.0, 2.0, 3.0])
    cells = moments(values, tau=tau)
    for role, layer, head in np.ndindex(3, 2, 4):
        x = values[:, role, layer, head].astype(np.float64)
        x = x[~np.isnan(x)]
        at = role, layer, head
        assert cells.n[at] == len(x)
        assert cells.mean[at] == pytest.approx(x.mean(), rel=1e-14)
        assert cells.sd[at] == pytest.approx(x.std(ddof=1), rel=1e-13)
        assert cells.skew[at] == pytest.approx(stats.skew(x), rel=1e-11)
        assert (cells.minimum[at], cells.maximum[at]) == (x.min(), x.max())
        assert cells.share_above[at] == pytest.approx((x > tau[role]).mean(), rel=1e-15)


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(
        np.float32,
        st.tuples(st.integers(2, 8), st.integers(1, 2), st.just(1), st.integers(1, 3)),
        elements=st.floats(0, 2.0**20, width=32) | st.just(np.nan),
    ),
    st.randoms(use_true_random=False),
)
def test_order_of_sequences_and_idle_sequences_change_nothing(values, random):
    tau = np.ones(values.shape[1])
    order = random.sample(range(len(values)), len(values))
    idle = np.full((3, *values.shape[1:]), np.nan, np.float32)
    one = moments(values, tau=tau)
    other = moments(np.concatenate([idle, values[order]]), tau=tau)
    scale = np.nanmax(np.abs(values)) if np.isfinite(values).any() else 1.0
    for name in ("n", "mean", "sd", "minimum", "maximum", "share_above", "nonfinite"):
        np.testing.assert_allclose(
            getattr(one, name), getattr(other, name), rtol=1e-12, atol=1e-14 * scale
        )


def test_memory_stays_small_beside_the_scores():
    values = np.random.default_rng(0).random((1000, 6, 4, 12), np.float32)
    tracemalloc.start()
    try:
        moments(values, np.ones((1000, 6, 4)), tau=np.ones(6))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < values.nbytes
