"""Labels at other thresholds: from a report alone, equal to those from its scores."""

import numpy as np
import pytest

import headscore as hs
from headscore.report.retest import labels_at, tau_counts, without_clusters

TAUS = (0.5, 1.0, 1.7, 2.5, 3.0, 4.0, 11.0)
EQUAL = [f"d{n % 12}" for n in range(48)]
UNEQUAL = [*["large"] * 12, *[f"d{n % 11}" for n in range(36)]]


def scores_of(rng, documents, *, spread=0.8):
    values = rng.gamma(2.0, 1.0, (1, 3, 4, 6)) + rng.normal(0, spread, (48, 3, 4, 6))
    if documents is EQUAL:  # for the others see the test of equal scores below
        values[:, 0, 0, 0] = 3.0
        values[:, 0, 0, 1] = 0.25
    values[7:, 1, 2] = np.nan  # seven sequences of one cluster or of seven
    values[9:, 1, 3] = np.nan  # nine
    values[:, 2, 3] = np.nan  # none
    attainable = np.broadcast_to(np.array([12.0, 9.0, 3.5]), (48, 3)).copy()
    attainable = np.repeat(attainable[:, :, None], 4, axis=2)
    attainable[np.isnan(values).all(axis=3)] = np.nan
    values = np.minimum(np.abs(values), np.nan_to_num(attainable, nan=1.0)[..., None])
    return hs.HeadScores.from_arrays(
        values.astype(np.float32), ["a", "b", "c"], attainable=attainable, documents=documents
    )


def labels(scores, tau, **options):
    return hs.test(scores, tau=tau, **options).array("label")


@pytest.mark.parametrize("adjust", ["holm", "bh", "by", "none"])
@pytest.mark.parametrize(
    ("documents", "clusters"), [(EQUAL, None), (EQUAL, "auto"), (UNEQUAL, "auto")]
)
@pytest.mark.parametrize(("seed", "alpha"), [(0, 0.03), (0, 0.5), (1, 0.9)])
def test_labels_equal_those_of_testing_the_scores_again(adjust, documents, clusters, seed, alpha):
    scores = scores_of(np.random.default_rng(seed), documents)
    options = {"adjust": adjust, "clusters": clusters, "alpha": alpha}
    report = hs.test(scores, tau=2.2, **options)
    expected = {tau: labels(scores, tau, **options) for tau in TAUS}
    for tau in TAUS:
        np.testing.assert_array_equal(labels_at(report, tau), expected[tau])
    curve = hs.tau_curve(scores, taus=TAUS, **options)
    assert tau_counts(report, TAUS).equals(curve)


@pytest.mark.parametrize("documents", [EQUAL, UNEQUAL])
@pytest.mark.parametrize("adjust", ["holm", "bh", "none"])
def test_labels_without_clusters_equal_those_of_a_test_without_them(documents, adjust):
    scores = scores_of(np.random.default_rng(3), documents)
    report = hs.test(scores, tau=2.2, adjust=adjust)
    assert report.facts["clusters"] == "document"
    for tau in TAUS:
        alone = labels(scores, tau, adjust=adjust, clusters=None)
        np.testing.assert_array_equal(without_clusters(report, tau), alone)
    few = report.array("status")[1, 3] == "insufficient_n"
    assert few.all() == (documents is UNEQUAL)  # nine sequences of one document


def test_equal_scores_of_unequal_clusters_have_no_label_too_many():
    values = np.full((48, 1, 1, 40), 1.0, np.float32) * np.linspace(1, 5, 40, dtype=np.float32)
    scores = hs.HeadScores.from_arrays(values, ["a"], documents=UNEQUAL)
    found = labels_at(hs.test(scores, adjust="none"), 1.2)
    expected = labels(scores, 1.2, adjust="none")
    assert (expected | ~found).all()
    assert 0 < found.sum() < expected.sum()


def test_other_criteria_and_invalid_tau_raise():
    scores = scores_of(np.random.default_rng(0), EQUAL)
    report = hs.test(scores, tau=0.3, criterion="attained")
    with pytest.raises(hs.UsageError, match="criterion 'mean', got 'attained'"):
        labels_at(report, 3.0)
    report = hs.test(scores)
    with pytest.raises(hs.UsageError, match="tau must be a finite number above 0"):
        labels_at(report, -1.0)
