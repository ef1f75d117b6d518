"""Flags of a cell: where each flag starts and stops."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.cells import SHAPE, cell, run, status_of
from scipy import stats

from headscore.statistics.criterion import Criterion
from headscore.statistics.flags import FEW_DF, flags
from headscore.statistics.status import STATUSES, TESTABLE
from headscore.statistics.t_test import t_test
from headscore.statistics.units import sequences

TAU = np.full(SHAPE, 3.0)
CRITERION = Criterion.of_mean(np.array([3.0]))


def flags_of(values, *, level=0.05, **options):
    found = run(values, **options)
    tau = np.full(found.cells.n.shape, 3.0)
    words = flags(found.cells, found.units, found.tested, found.status, tau, level=level)
    return words.ravel().tolist()


def flags_of_cell(cells, units=None, status="ok", **options):
    units = sequences(cells, CRITERION) if units is None else units
    tested = t_test(cells, units, status_of(status), CRITERION)
    options = {"level": 0.05, **options}
    return flags(cells, units, tested, status_of(status), TAU, **options).item()


def test_small_n_flags_fewer_than_30_sequences():
    values = np.linspace([4.0, 4.0], [6.0, 6.0], 30)
    values[0, 1] = np.nan
    assert flags_of(values) == ["", "small_n"]


@pytest.mark.parametrize("level", [0.05, 1e-4])
@pytest.mark.parametrize("sign", [1, -1])
def test_skewed_flags_a_decision_that_changes_with_the_transformation(level, sign):
    # Scores of skewness 2 or -2 around means on both sides of the critical one.
    rng = np.random.default_rng(0)
    scores = sign * rng.gamma(1, 1, 60)
    scores += 3 - scores.mean()
    values = scores[:, None] + stats.sem(scores) * np.linspace(0, 8, 400)
    found = run(values)
    decided, again = (p <= level for p in (found.tested.pvalue, found.tested.pvalue_skew))
    skewed = ["skewed" in words.split() for words in flags_of(values, level=level)]
    assert skewed == (decided != again).ravel().tolist()
    assert 5 < sum(skewed) < 300


def test_skewed_depends_on_the_level_in_use():
    # t = 1.8 of p 0.038, and with a = -0.2: 1.8 - 0.216 + 0.009 - 0.033 = 1.56 of p 0.061.
    cells = cell(mean=3.18, skew=-2.0)
    assert flags_of_cell(cells, level=0.08) == ""
    assert flags_of_cell(cells, level=0.05) == "skewed"
    assert flags_of_cell(cells, level=0.03) == ""


def test_skewed_uses_the_skewness_of_clusters():
    cells = cell(mean=3.17)
    units = sequences(cells, CRITERION)
    clustered = replace(units, clustered=True, asymmetry=np.full(SHAPE, -0.5))
    assert flags_of_cell(cells, units) == ""
    assert flags_of_cell(cells, clustered) == "skewed"
    by_size = replace(units, clustered=True, size_asymmetry=np.full(SHAPE, 0.2))
    assert flags_of_cell(cells, by_size) == "skewed"


@pytest.mark.parametrize("level", [0.05, 0.05 / 720])
def test_borderline_flags_a_decision_that_hangs_on_rounding(level):
    values = 5 + stats.norm.ppf((np.arange(40)[:, None] + 0.5) / 40)
    shift = run(values, alpha=level).tested.ci_low.item() - 3
    assert flags_of(values - shift, level=level) == ["borderline"]
    assert flags_of(values - shift + 1e-3, level=level) == [""]
    assert flags_of(values - shift - 1e-3, level=level) == [""]
    other = 0.05 if level < 0.05 else 0.01
    assert flags_of(values - shift, level=other) == [""]


def test_tolerance_widens_borderline():
    cells = cell(mean=3.17)
    assert flags_of_cell(cells) == ""
    assert flags_of_cell(cells, tolerance=2e-3) == "borderline"


@pytest.mark.parametrize("status", sorted({*STATUSES} - {*TESTABLE}))
def test_cells_that_are_not_tested_have_no_flags(status):
    cells = cell(n=10, mean=3.7, minimum=-1.0, log_evalue=np.nan)
    assert flags_of_cell(cells, status=status, tolerance=0.1) == ""
    assert flags_of_cell(cells, tolerance=0.1) == "small_n negative borderline"


@pytest.mark.parametrize(("df", "words"), [(19.9, "few_clusters"), (20.0, "")])
def test_few_clusters_flags_fewer_than_20_degrees_of_freedom(df, words):
    cells = cell(n=1000)
    units = replace(sequences(cells, CRITERION), df=np.full(SHAPE, df), clustered=True)
    assert FEW_DF == 20
    assert flags_of_cell(cells, units) == words
    assert flags_of_cell(cells, replace(units, clustered=False)) == ""


def test_one_large_document_among_many_is_few_clusters():
    values = np.random.default_rng(1).normal(5, 1, (200, 1))
    equal, uneven = np.repeat(range(50), 4), np.repeat(range(50), [102, *[2] * 49])
    assert flags_of(values, codes=equal) == [""]
    assert flags_of(values, codes=uneven) == ["few_clusters"]


def test_negative_flags_a_score_below_0():
    assert flags_of_cell(cell(minimum=-1.0, log_evalue=np.nan)) == "negative"
    assert flags_of_cell(cell(minimum=1.0, log_evalue=np.nan)) == ""
