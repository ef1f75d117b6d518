"""Clusters of sequences: valid and invalid input."""

import re

import numpy as np
import pandas as pd
import pytest

from headscore.errors import InputError, UsageError
from headscore.options import ClusterOptions
from headscore.scores.head_scores import HeadScores
from headscore.statistics.clusters import clusters_of


def scores_of(documents, n=5):
    return HeadScores.from_arrays(np.ones((n, 1, 1, 1)), ["local"], documents=documents)


def test_clusters_none_return_none():
    assert clusters_of(scores_of(list("aabba")), None) is None


def test_documents_in_any_order_are_grouped():
    found = clusters_of(scores_of(["z", "a", "z", "b", "a"]), "document")
    assert found.codes.tolist() == [0, 1, 0, 2, 1]
    assert found.name == "document"


@pytest.mark.parametrize(
    "ids",
    [
        [7, 3, 7, 9, 3],
        ("z", "a", "z", "b", "a"),
        np.array([7, 3, 7, 9, 3]),
        np.array(["z", "a", "z", "b", "a"]),
        pd.Series([7.5, 3, 7.5, 9, 3], index=[4, 3, 2, 1, 0]),
        (number for number in [7, 3, 7, 9, 3]),
        [("a", 1), ("b", 1), ("a", 1), 5, ("b", 1)],
    ],
)
def test_ids_of_any_type_are_grouped(ids):
    found = clusters_of(scores_of(None), ids)
    assert found.codes.tolist() == [0, 1, 0, 2, 1]


def test_the_name_differs_by_grouping():
    one, same, other = (
        clusters_of(scores_of(None), ids).name
        for ids in ("zazba", "xyxwy", "zzzba")
        for ids in [list(ids)]
    )
    assert one == same != other
    assert re.fullmatch(r"given@[0-9a-f]{12}", one)


def test_unknown_documents_raise():
    message = 'clusters "document" need scores with documents, such as those of a .conllu file'
    with pytest.raises(InputError, match=re.escape(message)):
        clusters_of(scores_of(None), "document")


def test_one_unknown_document_raises():
    message = "clusters \"document\" need a document for each sequence, got none for sequence '2'"
    with pytest.raises(InputError, match=re.escape(message)):
        clusters_of(scores_of(["a", "a", None, "b", "b"]), "document")


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([1, 2], "clusters must have one id for each of 5 sequences, got 2"),
        (range(6), "clusters must have one id for each of 5 sequences, got 6"),
        ([1, 2, None, 3, 3], "such as numbers or texts, got None for sequence 2"),
        ([1, 2, 3, float("nan"), 3], "such as numbers or texts, got nan for sequence 3"),
        ([1, [2], 3, 3, 3], "such as numbers or texts, got [2] for sequence 1"),
        (np.ones((5, 2)), "such as numbers or texts, got array([1., 1.]) for sequence 0"),
    ],
)
def test_invalid_ids_raise(ids, message):
    with pytest.raises(InputError, match=re.escape(message)):
        clusters_of(scores_of(None), ids)


@pytest.mark.parametrize("clusters", ["documents", "", 3, True, object])
def test_an_unknown_option_raises(clusters):
    message = f'clusters must be None, "document" or an id for each sequence, got {clusters!r}'
    with pytest.raises(UsageError, match=re.escape(message)):
        ClusterOptions(clusters=clusters)
