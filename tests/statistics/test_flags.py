"""Flags of a cell: where each flag starts and stops."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.cells import cell, run

from headscore.statistics.flags import flags
from headscore.statistics.status import STATUSES, TESTABLE
from headscore.statistics.t_test import t_test
from headscore.statistics.units import sequences


def flags_of(values, **options):
    cells, status, tested = run(values, **options)
    taus = np.array([options.get("tau", 3.0)])
    return flags(cells, tested, status, taus).ravel().tolist()


def test_small_n_flags_fewer_than_30_sequences():
    values = np.linspace([4.0, 4.0], [6.0, 6.0], 30)
    values[0, 1] = np.nan
    assert flags_of(values) == ["", "small_n"]


def test_skewed_depends_on_skewness_and_n():
    # skew 0.894 for 400 tens and 1600 zeros is (1 - 2 p)/sqrt(p (1 - p)) = 1.5: 1.5/sqrt(2000).
    tens = np.zeros((2000, 1))
    tens[:400] = 10
    assert flags_of(tens) == [""]
    assert flags_of(tens[::10]) == ["skewed"]  # 1.5/sqrt(200) = 0.106
    assert flags_of(10 - tens[::10]) == ["skewed"]


def test_borderline_flags_a_bound_close_to_tau():
    _, _, tested = run(np.random.default_rng(10).normal(5, 1, (40, 1)))
    values = np.random.default_rng(10).normal(5, 1, (40, 1))
    shift = tested.ci_low.item() - 3
    assert flags_of(values - shift) == ["borderline"]
    assert flags_of(values - shift + 1e-3) == [""]
    assert flags_of(values - shift - 1e-3) == [""]
    assert flags_of(np.full((2, 1), 3.0)) == ["small_n borderline"]


def test_tolerance_widens_borderline():
    cells = cell(mean=3.17)
    status, taus = np.array([[["ok"]]], object), np.array([3.0])
    tested = t_test(cells, status, taus)
    assert 0 < tested.ci_low.item() - 3 < 0.006
    assert flags(cells, tested, status, taus).item() == ""
    assert flags(cells, tested, status, taus, tolerance=2e-3).item() == "borderline"


@pytest.mark.parametrize("status", sorted({*STATUSES} - {*TESTABLE}))
def test_cells_that_are_not_tested_have_no_flags(status):
    cells = cell(n=10, skew=5.0)
    statuses, taus = np.array([[[status]]], object), np.array([3.0])
    tested = replace(t_test(cells, statuses, taus), ci_low=np.full((1, 1, 1), 3.0))
    assert flags(cells, tested, statuses, taus).item() == ""
    statuses[:] = "ok"
    words = flags(cells, tested, statuses, taus).item()
    assert words == "small_n skewed borderline"


@pytest.mark.parametrize(("n_clusters", "words"), [(41, "few_clusters"), (42, "")])
def test_few_clusters_flags_fewer_than_42_clusters(n_clusters, words):
    cells = cell(n=1000)
    units = replace(sequences(cells), n=np.full((1, 1, 1), n_clusters), clustered=True)
    status, taus = np.array([[["ok"]]], object), np.array([3.0])
    tested = t_test(cells, status, taus, units=units)
    assert flags(cells, tested, status, taus, units=units).item() == words
    alone = replace(units, clustered=False)
    assert flags(cells, tested, status, taus, units=alone).item() == ""


def test_skewed_uses_the_skewness_of_clusters():
    cells = cell(n=10_000, skew=0.1)
    status, taus = np.array([[["ok"]]], object), np.array([3.0])
    n = np.full((1, 1, 1), 100)
    units = replace(sequences(cells), n=n, clustered=True, skew=np.full((1, 1, 1), -1.0))
    tested = t_test(cells, status, taus, units=units)
    assert flags(cells, tested, status, taus, units=units).item() == "skewed"
    assert flags(cells, tested, status, taus).item() == ""


def test_negative_flags_a_score_below_0():
    cells = cell(minimum=-1.0, log_evalue=float("nan"))
    status, taus = np.array([[["ok"]]], object), np.array([3.0])
    tested = t_test(cells, status, taus)
    assert flags(cells, tested, status, taus).item() == "negative"
    assert flags(replace(cells, minimum=np.ones((1, 1, 1))), tested, status, taus).item() == ""
