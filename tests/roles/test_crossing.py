"""Roles of batches whose keys are those of a source."""

import numpy as np
import pytest
from helpers import loops
from helpers.batches import random_batch
from hypothesis import given
from hypothesis import strategies as st

import headscore as hs
from headscore.roles.presence import absent
from headscore.roles.role import Labels
from headscore.roles.specs import parse_roles


def batch_of(lengths, source_lengths, columns=None, source_columns=None, special=None):
    shapes = [(len(each), max(each)) for each in (lengths, source_lengths)]
    source = hs.Encoded.from_arrays(
        np.ones(shapes[1], int), source_lengths, special, columns=source_columns
    )
    return hs.Encoded.from_arrays(np.ones(shapes[0], int), lengths, columns=columns, source=source)


def entries_of(role, batch):
    """The (sequence, query, key) that a role's sieve holds."""
    (parsed,) = parse_roles(role)
    sieve = parsed.sieve(batch)
    if isinstance(sieve, Labels):
        low, high = parsed.band
        return {
            (b, i, j)
            for b, (n, m) in enumerate(zip(batch.lengths, batch.keyed.lengths, strict=True))
            for i in range(n)
            for j in range(m)
            if sieve.query[b, i] == sieve.key[b, j] >= 0 and low <= j - i <= high
        }
    entries = np.stack([sieve.sequence, sieve.query, sieve.key], 1)
    return set(map(tuple, entries.tolist()))


@given(
    n=st.integers(1, 12),
    m=st.integers(1, 12),
    width=st.integers(0, 4),
)
def test_the_diagonal_of_two_texts_is_that_of_the_loops(n, m, width):
    role = f"diagonal:{width}"
    want = loops.source_sieves(role, n, [False] * m)
    found = entries_of(role, batch_of([n, 1], [m, 3]))
    assert {(i, j) for b, i, j in found if b == 0} == {
        (i, j) for i, keys in enumerate(want) for j in keys
    }


def test_the_diagonal_begins_at_the_first_and_ends_at_the_last_key():
    assert entries_of("diagonal:0", batch_of([3], [6])) == {(0, 0, 0), (0, 1, 3), (0, 2, 5)}
    assert entries_of("diagonal:0", batch_of([1], [6])) == {(0, 0, 0)}


def test_the_diagonal_of_one_text_is_local():
    batch = random_batch(1).encoded()
    assert entries_of("diagonal:3", batch) == entries_of("local:3", batch)
    assert entries_of("diagonal", batch) == entries_of("local", batch)


def test_a_negative_width_raises():
    with pytest.raises(hs.UsageError, match="width of a diagonal role must be 0 or more, got 'di"):
        parse_roles("diagonal:-1")


def test_labels_of_two_texts_agree_by_name():
    batch = batch_of(
        [3], [4], {"upos": [["NOUN", "VERB", "ADV"]]}, {"upos": [["VERB", "", "NOUN", "NOUN"]]}
    )
    assert entries_of("label:upos", batch) == {(0, 0, 2), (0, 0, 3), (0, 1, 0)}
    assert entries_of("label:upos=VERB", batch) == {(0, 0, 0), (0, 1, 0), (0, 2, 0)}
    (role,) = parse_roles("label:upos=ADV")
    assert "no token has 'ADV'" in role.lacking(batch)


def test_labels_that_one_text_lacks_match_nothing():
    labels = {"upos": [["NOUN", "VERB", "ADV"]]}
    assert entries_of("label:upos", batch_of([3], [3], labels)) == set()
    assert entries_of("label:upos", batch_of([3], [3], None, labels)) == set()


def test_numbered_labels_of_two_texts_agree_by_number():
    batch = batch_of([2], [3], {"word": [[0, 1]]}, {"word": [[1, -1, 0]]})
    assert entries_of("label:word", batch) == {(0, 0, 2), (0, 1, 0)}


def test_delimiters_punctuation_and_sink_are_keys_of_the_source():
    special, marks = np.array([[1, 0, 0, 1]]), {"punctuation": [["", "yes", "", ""]]}
    batch = batch_of([2], [4], None, marks, special)
    keys = {"delimiter": {0, 3}, "delimiter_cls": {0}, "delimiter_sep": {3}}
    keys |= {"punctuation": {1}, "sink": {0}}
    for role, want in keys.items():
        assert entries_of(role, batch) == {(0, i, j) for i in range(2) for j in want}
        assert role not in absent(parse_roles(role), batch)


def test_drawn_masks_and_pairs_lead_to_the_source():
    batch = batch_of([2, 2], [3, 1])
    mask = np.array([[True, False, True], [False, False, False]])
    masks = hs.roles.from_masks("drawn", {"0": mask})
    pairs = hs.roles.from_pairs("listed", {"0": [([1], [2])], "1": [([1], [0])]})
    plan = hs.SievePlan.compile([masks, pairs], batch)
    columns = (plan.entry_role, plan.entry_sequence, plan.entry_query, plan.entry_key)
    assert set(map(tuple, np.stack(columns, 1).tolist())) == {
        (0, 0, 0, 0),
        (0, 0, 0, 2),
        (1, 0, 1, 2),
        (1, 1, 1, 0),
    }
    square = hs.roles.from_masks("drawn", {"0": np.ones((2, 2), bool)})
    with pytest.raises(hs.InputError, match=r"must be bool \(2, 3\), got bool \(2, 2\)"):
        hs.SievePlan.compile([square], batch)


def test_a_word_pair_at_one_place_in_both_texts_is_an_entry():
    source = hs.Encoded.from_arrays([[1, 1, 1]])
    pairs = {"alignment": [[([0], [0]), ([1], [2])]]}
    batch = hs.Encoded.from_arrays([[1, 1]], pairs=pairs, source=source)
    assert entries_of("alignment", batch) == {(0, 0, 0), (0, 1, 2)}


def test_roles_of_one_text_from_a_set_are_absent_with_the_reason():
    batch = batch_of([2], [3], special=np.array([[1, 0, 1]]))
    roles = parse_roles("paper")
    plan = hs.SievePlan.unchecked(roles, batch)
    assert plan.names == tuple(role.name for role in roles)
    assert "of one text" in absent(roles, batch)["local"]
    assert "delimiter" not in absent(roles, batch)
