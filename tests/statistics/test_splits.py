"""Parts of a corpus by genre, length and labels; the scores of some sequences."""

import numpy as np
import pytest

import headscore as hs
from headscore.errors import InputError, UsageError
from headscore.sieves.odds import ROWS
from headscore.statistics.clusters import clusters_of
from headscore.statistics.splits import split


def scores_of(n=6, **parts):
    values = np.arange(n * 2.0).reshape(n, 1, 1, 2)
    return hs.HeadScores.from_arrays(values, ["a"], **parts)


def test_by_genre():
    documents = ["weblog-1-a", "weblog-2", "email-1", None, "weblog-1-a", "email-2"]
    parts = split(scores_of(documents=documents), "genre")
    assert {name: chosen.tolist() for name, chosen in parts.items()} == {
        "weblog": [True, True, False, False, True, False],
        "email": [False, False, True, False, False, True],
    }


def test_by_length():
    parts = split(scores_of(lengths=[9, 1, 5, 2, 8, 5]), "length")
    assert list(parts) == ["short", "middle", "long"]
    assert [np.flatnonzero(chosen).tolist() for chosen in parts.values()] == [
        [1, 3],
        [2, 5],
        [0, 4],
    ]


@pytest.mark.parametrize("missing", [None, float("nan")])
def test_by_labels_of_which_some_are_missing(missing):
    parts = split(scores_of(), iter(["b", "b", 7, missing, 7, 7]))
    assert {name: chosen.sum() for name, chosen in parts.items()} == {"b": 2, "7": 3}


@pytest.mark.parametrize(
    ("by", "parts", "error", "sentence"),
    [
        ("genre", {}, InputError, "needs scores with documents, got none"),
        ("genre", {"documents": ["a-1"] * 5 + ["plain"]}, InputError, "got 'plain'"),
        ("genre", {"documents": ["a-1"] * 5 + ["-1"]}, InputError, "got '-1'"),
        ("length", {}, InputError, "needs scores with the lengths of sequences, got none"),
        (["a", "b"], {}, UsageError, "one label for each of 6 sequences, got 2"),
    ],
)
def test_a_corpus_that_cannot_be_split_raises(by, parts, error, sentence):
    with pytest.raises(error, match=sentence):
        split(scores_of(**parts), by)


def test_scores_of_some_sequences_keep_what_each_sequence_has():
    n = 6
    scores = scores_of(
        documents=[f"d-{k // 2}" for k in range(n)],
        lengths=range(n),
        attainable=np.full((n, 1), 9.0) + np.arange(n)[:, None],
        excess=np.arange(n * 2.0).reshape(n, 1, 1, 2),
        position_sums=np.ones((ROWS, 1, 1, 2), np.int64),
    )
    chosen = np.array([False, True, False, True, True, False])
    found = scores.select(where=chosen)
    np.testing.assert_array_equal(found.values, scores.values[[1, 3, 4]])
    np.testing.assert_array_equal(found.excess, scores.excess[[1, 3, 4]])
    np.testing.assert_array_equal(found.attainable[:, 0, 0], [10, 12, 13])
    assert found.sequence_ids == ("1", "3", "4")
    assert found.documents == ("d-0", "d-1", "d-2")
    assert found.lengths.tolist() == [1, 3, 4]
    assert found.position_sums is None


def test_clusters_of_a_part_are_those_of_the_corpus():
    scores = scores_of(24, documents=[f"d-{k // 2}" for k in range(24)])
    clusters = clusters_of(scores, "auto")
    assert clusters.unit == "12 documents"
    few = clusters.at(np.arange(24) < 6)
    assert few.codes.tolist() == [0, 0, 1, 1, 2, 2]
    assert (few.unit, few.name) == ("3 documents", "document")
    assert clusters.at(np.arange(24) < 2).unit == "1 document"
    given = clusters_of(scores, [k // 3 for k in range(24)]).at(np.arange(24) < 4)
    assert given.unit == "2 clusters"
    assert clusters_of(scores, None).at(np.arange(24) < 6).unit == "sequences (clusters None)"
