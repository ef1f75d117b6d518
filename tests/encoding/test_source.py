"""Encoded with a source, whose tokens are the keys."""

import numpy as np
import pytest

import headscore as hs


def made():
    source = hs.Encoded.from_arrays([[1, 2, 3], [4, 5, 0]], [3, 2], special=[[1, 0, 0], [0, 1, 0]])
    pairs = {"alignment": [[([1], [0, 2])], [([0], [1])]]}
    special = [[1, 0], [0, 0]]
    return hs.Encoded.from_arrays([[7, 8], [9, 9]], [2, 2], special, pairs=pairs, source=source)


def test_the_source_is_taken_with_its_sequences():
    taken = made().take(np.array([1, 0]))
    assert taken.source.input_ids.tolist() == [4, 5, 1, 2, 3]
    assert taken.keyed is taken.source
    assert taken.source.keyed is taken.source


def test_special_tokens_are_dropped_on_both_sides():
    kept = made().without_special()
    assert kept.input_ids.tolist() == [8, 9, 9]
    assert kept.source.input_ids.tolist() == [2, 3, 4]
    assert kept.pairs.dependents.tolist() == [0, 0]
    assert kept.pairs.heads.tolist() == [1]
    assert kept.pairs.head_offsets.tolist() == [0, 1, 1]


def test_a_source_of_other_sequences_raises():
    source = made().source
    with pytest.raises(hs.InputError, match=r"an Encoded of 1 sequences that .*, got 2 sequences"):
        hs.Encoded.from_arrays([[1]], source=source)
    with pytest.raises(hs.InputError, match="that has no source, got list"):
        hs.Encoded.from_arrays([[1]], source=[[1]])
    with pytest.raises(hs.InputError, match="that has no source, got one that has"):
        hs.Encoded.from_arrays([[1], [1]], source=made())


def test_a_head_outside_the_source_raises():
    source = hs.Encoded.from_arrays([[1, 1]])
    with pytest.raises(hs.InputError, match=r"must lie in 0\.\.1, got \[3\] and \[2\]"):
        hs.Encoded.from_arrays([[1] * 4], pairs={"a": [[([3], [2])]]}, source=source)
    with pytest.raises(hs.InputError, match=r"must lie in 0\.\.0, got \[1\] and \[1\]"):
        hs.Encoded.from_arrays([[1]], pairs={"a": [[([1], [1])]]}, source=source)
