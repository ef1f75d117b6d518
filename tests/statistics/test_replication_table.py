"""The table of a replication: studies, numbers of studies, verdicts, bounds."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

import headscore as hs
from headscore.options import ReplicateOptions
from headscore.report.role_table import RoleTable
from headscore.statistics.adjust import adjust
from headscore.statistics.chains import adjust_chains
from headscore.statistics.partial_conjunction import partial_conjunctions
from headscore.statistics.replication import replication_table
from headscore.statistics.study import Study, compared_with_position


def study_of(above, below=None, **changes):
    """A study with p-values alone."""
    above = np.asarray(above, float)
    below = 1 - above if below is None else np.asarray(below, float)
    parts = {
        "mean": np.arange(len(above)) + 1.0,
        "ci_low": np.arange(len(above)) + 0.5,
        "df": np.full(len(above), 20.0),
        "equal": np.zeros(len(above), bool),
        "verdict": np.where(adjust(above) <= 0.05, "has", "undecided").astype(object),
        "status": np.where(np.isnan(above), "no_sieve", "ok").astype(object),
    }
    return Study(above=above, below=below, alpha=0.05, **{**parts, **changes})


def table_of(studies, at_least, **options):
    n = len(studies[0].above)
    names = pd.DataFrame({"layer": 0, "head": range(n), "role": "a"})
    return replication_table(names, studies, at_least, ReplicateOptions(**options))


def tables(values, **options):
    """Reports of one role and layer, from the scores of each study, (sequence, head)."""
    found = []
    for each in values:
        scores = hs.HeadScores.from_arrays(np.asarray(each)[:, None, None, :], ["a"])
        found.append(hs.test(scores, **options))
    return found


def test_numbers_of_studies_with_and_without_the_role():
    sure, never, open_ = 1e-9, 1 - 1e-9, 0.5
    rows = [
        [sure, sure, sure, open_, never],
        [sure, sure, open_, open_, never],
        [sure, open_, never, open_, never],
    ]
    table = table_of([study_of(row) for row in rows], 2)
    assert table["replicated"].tolist() == [3, 2, 1, 0, 0]
    assert table["absent"].tolist() == [0, 0, 1, 0, 3]
    assert table["verdict"].tolist() == ["has", "has", "undecided", "undecided", "has_not"]
    assert table["labels"].tolist() == [3, 2, 1, 0, 0]
    assert table["status"].tolist() == ["ok"] * 5
    assert table["studies"].tolist() == [3] * 5
    every = table_of([study_of(row) for row in rows], 3)
    assert every["verdict"].tolist() == ["has", "undecided", "has_not", "undecided", "has_not"]


def test_the_pvalue_is_adjusted_over_the_cells_that_enough_studies_test():
    rows = np.array([[0.001, 0.02, np.nan, np.nan], [0.01, 0.03, 0.001, np.nan]])
    table = table_of([study_of(row) for row in rows], 2)
    np.testing.assert_allclose(table["pvalue"], [0.01, 0.03, np.nan, np.nan])
    np.testing.assert_allclose(table["pvalue_adj"], [0.02, 0.03, np.nan, np.nan])
    assert table["status"].tolist() == ["ok", "ok", "few_studies", "no_sieve"]
    assert table["verdict"].tolist() == ["has", "has", "undecided", ""]
    assert table["studies"].tolist() == [2, 2, 1, 0]
    one = table_of([study_of(row) for row in rows], 1)
    np.testing.assert_allclose(one["pvalue"], [0.002, 0.04, 0.002, np.nan])


@pytest.mark.parametrize("adjust", ["holm", "bh", "by", "none"])
def test_replicated_never_exceeds_what_one_number_alone_shows(adjust):
    rng = np.random.default_rng(0)
    studies = [study_of(rng.random(60) ** 6) for _ in range(4)]
    for u in range(1, 5):
        table = table_of(studies, u, adjust=adjust)
        shown = table["replicated"] >= u
        assert not (shown & (table["verdict"] != "has")).any()
        assert shown.any()


def test_of_independent_cells_single_numbers_err_together_and_chains_do_not():
    """As many cells of 0 .. K - 1 studies with the role: Holm for each u errs at some u."""
    rng, runs, cells, n_studies = np.random.default_rng(1), 500, 60, 5
    true = np.arange(cells) % n_studies
    wrong = np.zeros(2)
    for _ in range(runs):
        p = rng.random((n_studies, cells))
        p[np.arange(n_studies)[:, None] < true] = 0
        above, wrongly = partial_conjunctions(p), np.arange(n_studies)[:, None] >= true
        each = np.stack([adjust(row) for row in above])
        wrong += [((adjusted <= 0.05) & wrongly).any() for adjusted in (each, adjust_chains(above))]
    assert wrong[0] / runs > 0.075
    assert wrong[1] / runs < 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)


def test_the_bound_is_the_threshold_at_which_the_test_rejects():
    """Of each cell alone: the mean that at least two of three studies exceed."""
    rng = np.random.default_rng(2)
    values = [rng.normal(mean, 1, (40, 3)) + 5 for mean in (0, 0.5, 1)]
    reports = tables(values, tau=3.0)
    found = RoleTable  # the table of a report, as files hold it
    assert all(isinstance(each, found) for each in reports)
    studies = [
        Study.of_table(each.table, np.zeros(3, bool), {"alpha": "0.05", "criterion": "mean"})
        for each in reports
    ]
    table = table_of(studies, 2)

    def excess(tau, cell):
        p = [
            stats.ttest_1samp(each[:, cell].astype(np.float32), tau, alternative="greater").pvalue
            for each in values
        ]
        return 2 * np.sort(p)[1] - 0.05

    for cell in range(3):
        bound = optimize.brentq(excess, 3, 8, args=(cell,))
        assert table["bound"][cell] == pytest.approx(bound, rel=1e-5)


def test_the_bound_of_equal_scores_is_that_of_their_test():
    values = [np.full((n, 1), 9.0) for n in (8, 10)]
    studies = [
        Study.of_table(each.table, np.zeros(1, bool), {"alpha": "0.05", "criterion": "mean"})
        for each in tables(values)
    ]
    low = sorted(9 * 0.025 ** (1 / n) for n in (8, 10))
    np.testing.assert_allclose(table_of(studies, 1)["bound"], low[1], rtol=1e-6)
    low = min(9 * 0.05 ** (1 / n) for n in (8, 10))
    np.testing.assert_allclose(table_of(studies, 2)["bound"], low, rtol=1e-6)


def test_a_role_beyond_position_needs_both_and_lacks_either():
    columns = {
        "role": ["nsubj", "nsubj", "nsubj", "local"],
        "pvalue": [0.01, 0.01, 0.01, 0.01],
        "pvalue_below": [0.99, 0.99, 0.99, 0.99],
        "beyond_pvalue": [0.02, 0.99, np.nan, np.nan],
        "beyond_pvalue_below": [0.98, 0.004, np.nan, np.nan],
        "verdict": ["has"] * 4,
        "beyond_position": ["has", "has_not", "undecided", ""],
        "mean": 5.0,
        "ci_low": 4.0,
        "df": 9.0,
        "status": "ok",
    }
    table = pd.DataFrame(columns)
    compared = compared_with_position([table], "beyond_position")
    assert compared.tolist() == [True, True, True, False]
    assert not compared_with_position([table], "label").any()
    study = Study.of_table(table, compared, {"alpha": "0.05", "criterion": "mean"})
    np.testing.assert_allclose(study.above, [0.02, 0.99, np.nan, 0.01])
    np.testing.assert_allclose(study.below, [1.0, 0.008, np.nan, 0.99])
    assert study.verdict.tolist() == ["has", "has_not", "", "has"]
    alone = Study.of_table(table, np.zeros(4, bool), {"alpha": "0.05", "criterion": "mean"})
    assert alone.verdict.tolist() == ["has"] * 4
    np.testing.assert_allclose(alone.above, 0.01)


def test_a_report_without_the_other_direction_shows_no_absence():
    studies = [study_of([1.0], [1e-9]) for _ in range(2)]
    assert table_of(studies, 2)["absent"].tolist() == [2]
    old = pd.DataFrame(
        {
            "role": ["a"],
            "pvalue": [1.0],
            "pvalue_below": [np.nan],
            "beyond_pvalue": [np.nan],
            "beyond_pvalue_below": [np.nan],
            "verdict": [""],
            "beyond_position": [""],
            "mean": [1.0],
            "ci_low": [0.5],
            "df": [9.0],
            "status": ["ok"],
        }
    )
    older = Study.of_table(old, np.zeros(1, bool), {"alpha": "0.05", "criterion": "mean"})
    assert older.below.tolist() == [1.0]
    table = table_of([studies[0], older], 2)
    assert (table["absent"][0], table["verdict"][0]) == (1, "has_not")


def test_a_study_that_stopped_at_a_look_counts_for_all_its_looks():
    rng = np.random.default_rng(5)
    scores = hs.HeadScores.from_arrays(rng.gamma(4, 1, (40, 1, 1, 6)), ["local"])
    table, compared = hs.test(scores).table, np.zeros(6, bool)
    plain = Study.of_table(table, compared, {"alpha": "0.05", "criterion": "mean"})
    seen = replace(scores, facts={**scores.facts, "looks": "4"})
    facts = {"alpha": "0.05", "criterion": "mean", "looks": "4"}
    stopped = Study.of_table(hs.test(seen).table, compared, facts)
    np.testing.assert_allclose(stopped.above, np.minimum(4 * plain.above, 1))
    np.testing.assert_allclose(stopped.below, np.minimum(4 * plain.below, 1))
    np.testing.assert_allclose(stopped.low(0.02), plain.low(0.005))
