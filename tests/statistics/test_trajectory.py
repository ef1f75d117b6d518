"""Trajectories against the definition of each statement, cell by cell."""

import numpy as np
import pytest
from statsmodels.stats.multitest import multipletests

from headscore.options import AdjustOptions
from headscore.statistics.both_directions import BothDirections
from headscore.statistics.chains import adjust_chains
from headscore.statistics.trajectory import COLUMNS, labels_alone, trajectory_table

STEPS = np.array([0.0, 10.0, 25.5, 100.0])
SHAPE = (2, 2, 3)  # role, layer, head


def one(above, below=None):
    """Tests of one step from the p-values of each cell."""
    above = np.asarray(above, float).reshape(SHAPE)
    below = 1 - above if below is None else np.asarray(below, float).reshape(SHAPE)
    status = np.where(np.isnan(above), "no_sieve", "ok").astype(object)
    return BothDirections(mean=above * 0 + 3, above=above, below=below, status=status)


def drawn(seed):
    rng = np.random.default_rng(seed)
    cells = int(np.prod(SHAPE))
    above = rng.uniform(size=(len(STEPS), cells)) ** rng.integers(1, 30, size=(len(STEPS), cells))
    above[rng.uniform(size=above.shape) < 0.1] = np.nan
    above[:, 0] = np.nan  # tested at no step
    return above


def table_of(above, alpha=0.2, adjust="holm"):
    tests = [one(row) for row in above]
    return trajectory_table(STEPS, ("a", "b"), tests, AdjustOptions(alpha=alpha, adjust=adjust))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("adjust", ["holm", "bh", "none"])
def test_statements_hold_at_each_step_and_all_later_or_earlier_ones(seed, adjust):
    above, alpha = drawn(seed), 0.2
    table = table_of(above, alpha, adjust)
    assert list(table) == list(COLUMNS.dtypes)
    full = np.where(np.isnan(above), 1.0, above)
    full[:, 0] = np.nan
    below = np.where(np.isnan(above), 1.0, 1 - above)
    below[:, 0] = np.nan
    # From step t on: the largest p-value of t and all later steps.
    from_on = np.array([full[t:].max(axis=0) for t in range(len(STEPS))])
    up_to = np.array([below[: t + 1].max(axis=0) for t in range(len(STEPS))])
    shown = adjust_chains(from_on[::-1], adjust)[::-1] <= alpha
    absent = adjust_chains(up_to, adjust) <= alpha
    for cell, row in table.iterrows():
        has = STEPS[shown[:, cell]]
        has_not = STEPS[absent[:, cell]]
        np.testing.assert_equal(row["has_from"], has.min() if len(has) else np.nan)
        np.testing.assert_equal(row["absent_until"], has_not.max() if len(has_not) else np.nan)
        # One chain: all steps from the earliest one on are shown too.
        np.testing.assert_array_equal(has, STEPS[len(STEPS) - len(has) :])
    assert table["n_steps"].tolist() == (~np.isnan(above)).sum(axis=0).tolist()
    assert np.isnan(table["pvalue_adj"][0])


@pytest.mark.parametrize("seed", range(12))
def test_lost_is_shown_earlier_and_not_at_the_end(seed):
    above, alpha = drawn(seed), 0.2
    full = np.where(np.isnan(above), 1.0, above)[:, 1:]
    below = np.where(np.isnan(above), 1.0, 1 - above)[:, 1:]
    earlier = np.minimum(3 * full[:3].min(axis=0), 1)
    rejected = multipletests(np.maximum(earlier, below[3]), alpha, "holm")[0]
    assert table_of(above, alpha)["lost"].tolist() == [False, *rejected]


def test_a_cell_that_is_not_tested_at_the_last_step_is_never_shown_to_have_the_role():
    above = np.full((len(STEPS), 12), 1e-9)
    above[-1, 3] = np.nan
    above[1, 4] = np.nan
    table = table_of(above)
    assert np.isnan(table["has_from"][3])
    assert table["has_from"][4] == 25.5
    assert (table["has_from"].drop([3, 4]) == 0).all()
    assert table["status"][3] == "no_sieve"
    assert table["status"][4] == "ok"


def test_labels_alone_are_those_of_each_step():
    above = drawn(3)
    tests = [one(row) for row in above]
    found = labels_alone(tests, AdjustOptions(alpha=0.2))
    for row, labels in zip(above, found, strict=True):
        known = ~np.isnan(row)
        expected = np.zeros(12, bool)
        expected[known] = multipletests(row[known], 0.2, "holm")[0]
        assert labels.ravel().tolist() == expected.tolist()


def test_no_false_start_with_documents_shared_by_all_steps():
    """Every head hovers at tau; steps share their documents: at most alpha, plus noise."""
    rng = np.random.default_rng(0)
    runs, false = 400, 0
    for _ in range(runs):
        documents = rng.gamma(2, 1.5, (40, 1, 12))  # mean 3, skewed, the same at all steps
        means = (documents + 0.3 * rng.normal(size=(40, 4, 12))).mean(axis=0)
        z = (means - 3) / (documents.std(axis=0) / np.sqrt(40))
        from scipy import stats

        above = stats.t.sf(z, 39)
        false += table_of(above, 0.05)["has_from"].notna().any()
    assert false / runs <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / runs)
