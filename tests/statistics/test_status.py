"""The status of a cell: the first reason that applies."""

import numpy as np
import pytest
from helpers.cells import cell, run

from headscore.statistics.criterion import Criterion
from headscore.statistics.moments import moments
from headscore.statistics.status import ABSENT, LEAST_UNITS, STATUSES, statuses
from headscore.statistics.t_test import t_test
from headscore.statistics.units import sequences

NAN = float("nan")


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({}, "ok"),
        ({"attainable": NAN}, "ok"),
        ({"attainable": 3.0}, "unattainable"),
        ({"attainable": 2.0, "minimum": 1.5, "maximum": 1.5}, "unattainable"),
        ({"minimum": 4.0, "maximum": 4.0, "sd": 0.0}, "zero_variance"),
        ({"n": 8}, "ok"),
        ({"n": 7}, "insufficient_n"),
        ({"n": 1, "sd": NAN, "minimum": 4.0, "maximum": 4.0}, "insufficient_n"),
        ({"n": 1, "attainable": 2.0}, "insufficient_n"),
        ({"n": 0, "mean": NAN, "attainable": NAN}, "no_sieve"),
        ({"nonfinite": True}, "nonfinite"),
        ({"nonfinite": True, "n": 0}, "nonfinite"),
        ({"nonfinite": True, "n": 1}, "nonfinite"),
    ],
)
def test_status_is_the_first_that_applies(changes, status):
    cells = cell(**changes)
    units = sequences(cells, Criterion.of_mean(np.array([3.0])))
    assert statuses(cells, units, np.full((1, 1, 1), 3.0)).item() == status


def test_scores_give_every_status():
    columns = {
        "ok": np.linspace(4, 6, 9),
        "zero_variance": np.full(9, 4.0),
        "insufficient_n": [4.0, NAN, NAN, *range(6)],
        "no_sieve": np.full(9, NAN),
        "nonfinite": [np.inf, *range(8)],
    }
    found = run(np.array([*columns.values()], float).T)
    assert found.status.ravel().tolist() == list(columns)
    for name in ("pvalue", "pvalue_skew", "pvalue_above", "pvalue_below"):
        missing = np.isnan(getattr(found.tested, name).ravel()).tolist()
        assert missing == [False, False, True, True, True], name
    missing = np.isnan(found.tested.statistic.ravel()).tolist()
    assert missing == [False, False, False, True, True]
    assert {*columns, "unattainable", *ABSENT} == set(STATUSES)
    assert LEAST_UNITS == 8


def test_a_role_whose_largest_possible_score_is_below_tau_is_unattainable():
    found = run(np.linspace(2.5, 2.8, 8)[:, None], attainable=np.linspace(2.9, 3.0, 8))
    assert found.status.item() == "unattainable"
    assert np.isnan(found.tested.pvalue.item())
    assert np.isnan(found.tested.pvalue_below.item())
    assert found.tested.ci_low.item() < 2.65


def test_a_missing_score_where_one_is_possible_is_nonfinite():
    found = run([[4.0], [NAN]], attainable=[5.0, 5.0])
    assert found.status.item() == "nonfinite"


def test_missing_heads_have_the_status_no_head_or_no_attention():
    values = np.full((8, 2, 3, 2), NAN, np.float32)
    values[:, 0, 0] = values[:, 0, 2, :1] = np.linspace(4, 6, 8)[:, None]
    attainable = np.full((8, 2, 3), NAN, np.float32)
    attainable[:, 0, ::2] = 9.0
    criterion = Criterion.of_mean(np.array([3.0, 3.0]))
    cells = moments(values, attainable, tau=criterion)
    units = sequences(cells, criterion)
    hidden = np.array([[0, 0, 0], [8, 0, 1]])
    tau = criterion.thresholds(cells.attainable)
    status = statuses(cells, units, tau, heads__l=np.array([2, 0, 1]), invisible__rl=hidden)
    nothing = ["no_attention", "no_attention"]
    assert status[0].tolist() == [["ok", "ok"], nothing, ["ok", "no_head"]]
    assert status[1].tolist() == [["unattainable"] * 2, nothing, ["unattainable", "no_head"]]
    assert np.isnan(t_test(cells, units, status, criterion).pvalue[1]).all()
