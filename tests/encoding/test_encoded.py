"""Encoded: flat arrays plus offsets, and construction from padded arrays."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import headscore as hs
from headscore.arrays import offsets_of, ragged_take
from headscore.encoding.word_pairs import WordPairs
from headscore.errors import InputError

pieces = st.lists(st.integers(0, 9), min_size=1, max_size=3)
word_pairs = st.lists(st.lists(st.tuples(st.integers(0, 3), pieces, pieces), max_size=4))


def as_lists(pairs):
    """(relation, dependent pieces, head pieces) of each sequence."""
    sides = [
        [values[a:b].tolist() for a, b in pairwise(offsets)]
        for offsets, values in (
            (pairs.dependent_offsets, pairs.dependents),
            (pairs.head_offsets, pairs.heads),
        )
    ]
    flat = list(zip(pairs.relation.tolist(), *sides, strict=True))
    return [flat[a:b] for a, b in pairwise(pairs.offsets)]


@given(st.lists(st.lists(st.integers(), max_size=4)), st.data())
def test_ragged_take_agrees_with_lists(rows, data):
    chosen = data.draw(st.lists(st.integers(0, len(rows) - 1))) if rows else []
    offsets = offsets_of([len(row) for row in rows])
    flat = [item for row in rows for item in row]
    taken, elements = ragged_take(offsets, np.array(chosen, int))
    assert taken.dtype == np.int64
    assert [[flat[e] for e in elements[a:b]] for a, b in pairwise(taken)] == [
        rows[row] for row in chosen
    ]


@given(word_pairs, st.data())
def test_word_pairs_agree_with_lists(lists, data):
    pairs = WordPairs.from_lists(lists, len(lists))
    assert as_lists(pairs) == lists
    chosen = data.draw(st.lists(st.integers(0, len(lists) - 1))) if lists else []
    assert as_lists(pairs.take(np.array(chosen, int))) == [lists[s] for s in chosen]


def test_from_lists_gives_missing_sequences_no_word_pairs():
    assert as_lists(WordPairs.from_lists([], 2)) == [[], []]


@pytest.fixture
def encoded():
    return hs.Encoded.from_arrays(
        [[7, 8, 9, 4], [5, 6, -1, -1], [3, -1, -1, -1]],
        lengths=[4, 2, 1],
        special=[[1, 0, 0, 1], [1, 0, 1, 1], [1, 1, 1, 1]],
        segments=[[0, 0, 1, 1], [0, 0, 1, 1], [0, 0, 0, 0]],
        pairs={"nsubj": [[([1], [2, 3])], [], []], "obj": [[], [((0,), range(2))], []]},
    )


def test_from_arrays_drops_the_padding(encoded):
    assert encoded.offsets.tolist() == [0, 4, 6, 7]
    assert encoded.input_ids.tolist() == [7, 8, 9, 4, 5, 6, 3]
    assert encoded.special.tolist() == [True, False, False, True, True, False, True]
    assert encoded.segments.tolist() == [0, 0, 1, 1, 0, 0, 0]
    assert encoded.token_types.tolist() == [0, 0, 1, 1, 0, 0, 0]
    assert (encoded.lengths.tolist(), encoded.tokens, len(encoded)) == ([4, 2, 1], 4, 3)
    assert (encoded.ids, encoded.documents) == (("0", "1", "2"), (None, None, None))
    assert (encoded.relation_names, encoded.parsed) == (("nsubj", "obj"), True)
    assert as_lists(encoded.pairs) == [[(0, [1], [2, 3])], [(1, [0], [0, 1])], []]
    types = encoded.input_ids, encoded.special, encoded.segments, encoded.token_types
    assert [each.dtype.name for each in types] == ["int64", "bool", "int32", "int64"]


def test_from_arrays_fills_in_defaults():
    encoded = hs.Encoded.from_arrays(np.ones((2, 3), np.uint8))
    assert encoded.lengths.tolist() == [3, 3]
    assert not encoded.special.any()
    assert not encoded.segments.any()
    assert (encoded.token_types, encoded.relation_names, encoded.parsed) == (None, (), False)
    assert hs.Encoded.from_arrays([[1]], pairs={}).parsed


def test_grid_pads_with_the_fill_value(encoded):
    assert encoded.grid(encoded.input_ids, fill=-9).tolist() == [
        [7, 8, 9, 4],
        [5, 6, -9, -9],
        [3, -9, -9, -9],
    ]
    assert encoded.real.sum(1).tolist() == [4, 2, 1]


def test_tokens_is_the_padded_length_until_take():
    encoded = hs.Encoded.from_arrays(np.ones((2, 6), int), [2, 3])
    assert encoded.tokens == 6
    assert encoded.take(np.array([0, 1])).tokens == 3
    assert encoded.take(np.array([0])).tokens == 2


def test_take_returns_sequences_in_the_given_order(encoded):
    taken = encoded.take(np.array([2, 0]))
    assert taken.ids == ("2", "0")
    assert taken.grid(taken.input_ids, fill=0).tolist() == [[3, 0, 0, 0], [7, 8, 9, 4]]
    assert taken.grid(taken.special, fill=0).tolist() == [[True, False, False, False], [1, 0, 0, 1]]
    assert taken.token_types.tolist() == [0, 0, 0, 1, 1]
    assert as_lists(taken.pairs) == [[], [(0, [1], [2, 3])]]
    assert taken.relation_names == encoded.relation_names
    assert len(encoded.take(np.array([], int))) == 0


ONE_LIST = "must have one list for each of the 2 sequences, got"
BOTH = "must name tokens on both sides, got"
POSITIONS = "must hold (dependent pieces, head pieces), two lists of positions, got "
SHAPE = "must be integers of shape (batch, T), got "


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_ids": [1, 2]}, f"input_ids {SHAPE}int64 (2,)"),
        ({"input_ids": [[1.0]]}, f"input_ids {SHAPE}float64 (1, 1)"),
        ({"input_ids": [["a"]]}, f"input_ids {SHAPE}<U1 (1, 1)"),
        ({"special": [[0.5] * 3] * 2}, f"special {SHAPE}float64 (2, 3)"),
        ({"special": [[True]]}, "special must have the shape (2, 3) of input_ids, got (1, 1)"),
        ({"segments": [0, 0]}, f"segments {SHAPE}int64 (2,)"),
        ({"segments": [[0] * 4] * 2}, "segments must have the shape (2, 3) of input_ids"),
        ({"input_ids": [[1, 2], [3]]}, "input_ids must be an array with rows of one length: "),
        ({"input_ids": [[1, 2, 3], [4, -5, 6]]},
         "input_ids must be 0 or more at every token, got -5 at token 1 of sequence 1"),
        ({"segments": [[0, 1, 2]] * 2},
         "segments must be in 0..1 at every token, got 2 at token 2 of sequence 0"),
        ({"special": [[0, 1, 7]] * 2}, "special must be in 0..1 at every token, got 7"),
        ({"lengths": [3]}, "lengths must be 2 integers, got int64 (1,)"),
        ({"lengths": [3.0, 2.0]}, "lengths must be 2 integers, got float64 (2,)"),
        ({"lengths": [3, 0]}, "lengths must lie in 1..T = 3, got 0 for sequence 1"),
        ({"lengths": [4, 3]}, "lengths must lie in 1..T = 3, got 4 for sequence 0"),
        ({"pairs": {"amod": [[]]}}, f"pairs['amod'] {ONE_LIST} 1"),
        ({"pairs": {"a": [[], []], "b": []}}, f"pairs['b'] {ONE_LIST} 0"),
        ({"pairs": {"a": [[], [([], [1])]]}}, f"pairs['a'] {BOTH} [] and [1] for sequence 1"),
        ({"pairs": {"a": [[([1], ())], []]}}, f"pairs['a'] {BOTH} [1] and [] for sequence 0"),
        ({"pairs": {"a": [[([0], [3])], []]}}, "lie in 0..2, got [0] and [3] for sequence 0"),
        ({"pairs": {"a": [[], [([-1], [0])]]}}, "lie in 0..2, got [-1] and [0] for sequence 1"),
        ({"pairs": {"a": [[([0, 3], [1])], []]}}, "lie in 0..2, got [0, 3] and [1] for sequence 0"),
        ({"pairs": {"a": [[], [([2], [0])]]}, "lengths": [3, 2]}, "pairs['a'] must lie in 0..1"),
        ({"pairs": [[], []]}, "pairs must map relations to lists, got list"),
        ({"pairs": {"a": 2}}, f"pairs['a'] {ONE_LIST} int"),
        ({"pairs": {"a": [[1], []]}}, f"pairs['a'] {POSITIONS}1 for sequence 0"),
        ({"pairs": {"a": [[([1],)], []]}}, f"pairs['a'] {POSITIONS}([1],) for sequence 0"),
        ({"pairs": {"a": [[([1], [0.5])], []]}}, f"pairs['a'] {POSITIONS}([1], [0.5])"),
        ({"pairs": {"a": [[(1, 2)], []]}}, f"pairs['a'] {POSITIONS}(1, 2) for sequence 0"),
    ],
)  # fmt: skip
def test_invalid_arrays_raise(arguments, message):
    with pytest.raises(InputError) as caught:
        hs.Encoded.from_arrays(**{"input_ids": np.ones((2, 3), int), **arguments})
    assert message in str(caught.value)
