"""Clusters of sequences: valid and invalid input."""

import re

import numpy as np
import pandas as pd
import pytest

import headscore as hs
from headscore.errors import InputError, UsageError
from headscore.options import ClusterOptions
from headscore.scores.head_scores import HeadScores
from headscore.statistics.clusters import clusters_of


def scores_of(documents, n=5):
    return HeadScores.from_arrays(np.ones((n, 1, 1, 1)), ["local"], documents=documents)


@pytest.mark.parametrize("clusters", [None, "none"])
def test_no_clusters_are_sequences(clusters):
    found = clusters_of(scores_of([*"abcdefghijk"], n=11), clusters)
    assert (found.codes, found.name, found.unit) == (None, "none", "sequences (clusters None)")


def test_auto_takes_documents_where_ten_are_known():
    documents = [f"d{n % 10}" for n in range(25)]
    found = clusters_of(scores_of(documents, n=25), "auto")
    assert found.codes.tolist() == [n % 10 for n in range(25)]
    assert (found.name, found.unit) == ("document", "10 documents")


@pytest.mark.parametrize(
    ("documents", "why"),
    [
        (None, "no documents are known"),
        ([f"d{n % 9}" for n in range(25)], "fewer than 10 documents, 9"),
        ([*[f"d{n}" for n in range(23)], None, None], "2 without a document"),
    ],
)
def test_auto_takes_sequences_otherwise_and_says_why(documents, why):
    found = clusters_of(scores_of(documents, n=25), "auto")
    assert (found.codes, found.name, found.unit) == (None, "none", f"sequences ({why})")


def test_the_unit_is_in_the_report():
    documents = [f"d{n % 10}" for n in range(25)]
    facts = hs.test(scores_of(documents, n=25)).facts
    assert (facts["clusters"], facts["unit"]) == ("document", "10 documents")
    facts = hs.test(scores_of(None, n=25)).facts
    assert (facts["clusters"], facts["unit"]) == ("none", "sequences (no documents are known)")


def test_clusters_of_some_sequences_keep_their_grouping():
    found = clusters_of(scores_of(list("zazba")), "document")
    part = found.at(np.array([True, False, True, True, False]))
    assert part.codes[0] == part.codes[1] != part.codes[2]
    assert set(part.codes.tolist()) == {0, 1}
    assert part.name == "document"
    alone = clusters_of(scores_of(None), None)
    assert alone.at(np.array([True, False, True, True, False])) is alone


def test_documents_in_any_order_are_grouped():
    found = clusters_of(scores_of(["z", "a", "z", "b", "a"]), "document")
    assert found.codes.tolist() == [0, 1, 0, 2, 1]
    assert (found.name, found.unit) == ("document", "3 documents")


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
    assert found.unit == "3 clusters"


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
    message = 'clusters must be "auto", "document", "none", None or an id for each sequence, got '
    with pytest.raises(UsageError, match=re.escape(message + repr(clusters))):
        ClusterOptions(clusters=clusters)
