"""Labels at other thresholds: from a report alone, equal to those from its scores."""

import numpy as np
import pytest

import headscore as hs
from headscore.report.retest import labels_at, tau_counts

TAUS = (0.5, 1.0, 1.7, 2.5, 3.0, 4.0, 11.0)


def scores_of(rng, *, spread=0.8):
    values = rng.gamma(2.0, 1.0, (1, 3, 4, 6)) + rng.normal(0, spread, (40, 3, 4, 6))
    values[:, 0, 0, 0] = 3.0  # all equal
    values[:, 0, 0, 1] = 0.25
    values[1:, 1, 2] = np.nan  # one sequence
    values[:, 2, 3] = np.nan  # none
    attainable = np.broadcast_to(np.array([12.0, 9.0, 3.5]), (40, 3)).copy()
    attainable = np.repeat(attainable[:, :, None], 4, axis=2)
    attainable[np.isnan(values).all(axis=3)] = np.nan
    values = np.minimum(np.abs(values), np.nan_to_num(attainable, nan=1.0)[..., None])
    return hs.HeadScores.from_arrays(
        values.astype(np.float32),
        ["a", "b", "c"],
        attainable=attainable,
        documents=[f"d{n % 11}" for n in range(40)],
    )


@pytest.mark.parametrize("adjust", ["holm", "bh", "by", "none"])
@pytest.mark.parametrize("clusters", [None, "document"])
@pytest.mark.parametrize(("seed", "alpha"), [(0, 0.03), (1, 0.03), (2, 0.03), (0, 0.5), (1, 0.9)])
def test_labels_equal_those_of_testing_the_scores_again(adjust, clusters, seed, alpha):
    scores = scores_of(np.random.default_rng(seed))
    options = {"adjust": adjust, "clusters": clusters, "alpha": alpha}
    report = hs.test(scores, tau=2.2, **options)
    for tau in TAUS:
        again = hs.test(scores, tau=tau, **options).labels().to_numpy().T
        np.testing.assert_array_equal(labels_at(report, tau).reshape(3, -1), again)
    curve = hs.tau_curve(scores, taus=TAUS, **options)
    assert tau_counts(report, TAUS).equals(curve)


def test_other_criteria_and_invalid_tau_raise():
    report = hs.test(scores_of(np.random.default_rng(0)), tau=0.3, criterion="attained")
    with pytest.raises(hs.UsageError, match="criterion 'mean', got 'attained'"):
        labels_at(report, 3.0)
    report = hs.test(scores_of(np.random.default_rng(0)))
    with pytest.raises(hs.UsageError, match="tau must be a finite number above 0"):
        labels_at(report, -1.0)
