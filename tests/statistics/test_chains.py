"""Chains against the rejections of the graphical procedure, step by step."""

import numpy as np
import pytest

from headscore.statistics.adjust import adjust
from headscore.statistics.chains import adjust_chains


def rejected(pvalues, alpha):
    """Reject step by step, as the procedure is defined; bool (step, cell)."""
    steps, cells = pvalues.shape
    reached = [0] * cells
    while True:
        open_chains = [cell for cell in range(cells) if reached[cell] < steps]
        level = alpha / max(len(open_chains), 1)
        found = [cell for cell in open_chains if pvalues[reached[cell], cell] <= level]
        if not found:
            return np.arange(steps)[:, None] < np.array(reached)
        reached[found[0]] += 1


def drawn(seed, steps, cells):
    rng = np.random.default_rng(seed)
    return rng.uniform(size=(steps, cells)) ** rng.integers(1, 9, size=(steps, cells))


@pytest.mark.parametrize("seed", range(40))
def test_adjusted_pvalues_are_the_levels_at_which_the_procedure_rejects(seed):
    pvalues = drawn(seed, 1 + seed % 4, 1 + seed % 7)
    adjusted = adjust_chains(pvalues)
    for alpha in (0.001, 0.01, 0.05, 0.2, 0.5, 0.9):
        np.testing.assert_array_equal(adjusted <= alpha, rejected(pvalues, alpha))


@pytest.mark.parametrize("method", ["holm", "bh", "by", "none"])
def test_a_chain_of_one_step_is_adjusted_as_a_single_hypothesis(method):
    pvalues = drawn(3, 1, 30)
    np.testing.assert_allclose(adjust_chains(pvalues, method)[0], adjust(pvalues[0], method))


@pytest.mark.parametrize("method", ["holm", "bh", "by", "none"])
def test_cells_without_a_test_stay_missing_and_do_not_count(method):
    pvalues = drawn(4, 3, 6)
    missing = np.full((3, 2), np.nan)
    adjusted = adjust_chains(np.concatenate([pvalues, missing], axis=1), method)
    np.testing.assert_array_equal(adjusted[:, :6], adjust_chains(pvalues, method))
    assert np.isnan(adjusted[:, 6:]).all()


def test_without_any_test_nothing_is_adjusted():
    assert np.isnan(adjust_chains(np.full((2, 3), np.nan))).all()


def test_pvalues_of_zero_and_one_keep_their_place():
    adjusted = adjust_chains(np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 1.0]]))
    np.testing.assert_array_equal(adjusted, [[0, 0, 1], [0, 1, 1]])
