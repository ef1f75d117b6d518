"""tau_curve: the number of heads per threshold equals that of separate tests."""

import re

import numpy as np
import pytest

import headscore as hs
from headscore.errors import InputError, UsageError

ROLES = ["local", "syntactic", "block"]


@pytest.fixture(scope="module")
def scores():
    rng = np.random.default_rng(0)
    values = rng.gamma(4, 0.5, (60, 3, 4, 5)) * rng.uniform(0.3, 2.5, (1, 3, 4, 5))
    values[::3, 1] = np.nan
    attainable = np.where(np.isnan(values[..., 0]), np.nan, 40.0)
    attainable[:, 2] = 2.2  # above most of the taus
    documents = [str(n // 5) for n in range(60)]
    return hs.HeadScores.from_arrays(values, ROLES, attainable=attainable, documents=documents)


@pytest.mark.parametrize(
    "options",
    [{}, {"clusters": None}, {"adjust": "bh", "alpha": 0.01}, {"ddof": 0, "adjust": "none"}],
)
def test_counts_equal_those_of_each_test(scores, options):
    curve = hs.tau_curve(scores, **options)
    assert curve.index.tolist() == ROLES
    assert (curve.index.name, curve.columns.name) == ("role", "tau")
    assert curve.columns.tolist() == [1.0, 1.5, 2.0, 2.5, 3.0, 3.5]
    for tau in curve:
        expected = hs.test(scores, tau=tau, **options).labels().sum()
        assert curve[tau].tolist() == expected.tolist(), tau
    assert curve.loc["local"].is_monotonic_decreasing
    assert curve.loc["local", 1.0] > curve.loc["local", 3.5]
    assert curve.loc["block", [1.0, 2.5]].tolist() != [0, 0]
    assert (curve.loc["block", [2.5, 3.0, 3.5]] == 0).all()
    assert all(dtype.kind == "i" for dtype in curve.dtypes)


def test_label_unadjusted_counts_labels_without_adjustment(scores):
    curve = hs.tau_curve(scores, label="label_unadjusted")
    labels = hs.test(scores, tau=2).labels(label="label_unadjusted")
    assert curve[2.0].tolist() == labels.sum().tolist()
    assert (curve >= hs.tau_curve(scores)).all(axis=None)
    assert (curve > hs.tau_curve(scores)).any(axis=None)


def test_taus_set_the_thresholds(scores):
    curve = hs.tau_curve(scores, taus=(tau for tau in (4, np.float32(0.5))))
    assert curve.columns.tolist() == [4.0, 0.5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"taus": []}, "taus must have at least one threshold, got none"),
        ({"taus": 3.0}, "taus must be a list of thresholds, got 3.0"),
        ({"taus": {"a": 3.0}}, "taus must be a list of thresholds, got {'a': 3.0}"),
        ({"taus": [{"a": 3.0}]}, "taus must be numbers that hold for all roles, got a mapping"),
        ({"taus": "3"}, "taus must be a list of thresholds, got '3'"),
        ({"taus": [1, 0]}, "tau must be a finite number above 0, got 0"),
        ({"taus": ["1"]}, "tau must be a finite number above 0, got '1'"),
        ({"alpha": 2}, "alpha must lie between 0 and 1, got 2"),
        ({"adjust": "fdr"}, "adjust must be one of holm, bh, by, maxt, none, got 'fdr'"),
        ({"clusters": "doc"}, 'clusters must be "auto", "document", "none", None or an id'),
    ],
)
def test_invalid_options_raise(scores, options, message):
    with pytest.raises(UsageError, match=re.escape(message)):
        hs.tau_curve(scores, **options)


def test_document_clusters_without_documents_raise(scores):
    unknown = hs.HeadScores.from_arrays(scores.values, ROLES)
    with pytest.raises(InputError, match="need scores with documents"):
        hs.tau_curve(unknown, clusters="document")
