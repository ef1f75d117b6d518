"""The position control of word pairs: its entries and columns, against plain loops."""

import numpy as np
import pytest
from helpers.batches import random_batch

import headscore as hs
from headscore.backends.contract import Visibility
from headscore.sieves.position import PositionPlan
from headscore.sieves.sample import MOST, Entries

ROLES = ("local", "nsubj", "obj", "amod@both", "syntactic")
NOT_PAIRS = ("local",)


def controlled(batch, roles=ROLES, **options):
    encoded = batch.encoded()
    return PositionPlan.of(hs.SievePlan.compile(roles, encoded), encoded, **options)


def listed_role(batch, seed):
    """A role of pairs that are not of the parse, and its (sequence, query, key)."""
    rng = np.random.default_rng(seed)
    pairs, entries = {}, set()
    for sequence, n in enumerate(batch.lengths.tolist()):
        groups = [tuple(rng.integers(0, n, 2).tolist()) for _ in range(4)]
        pairs[str(sequence)] = [([i], [j]) for i, j in groups if i != j]
        entries |= {(sequence, i, j) for i, j in groups if i != j}
    return hs.roles.from_pairs("listed", pairs), entries


def places_of(entries):
    return list(zip(*(column.tolist() for column in entries), strict=True))


def pair_entries(control, *, role=None):
    """Entries of the pairs of one role, or of all."""
    chosen = control.member_entry
    if role is not None:
        chosen = chosen[control.member_role == ROLES.index(role)]
    places = places_of(control.entries)
    return {places[entry] for entry in chosen}


def arcs_of(batch):
    """Entries that hold an arc of any relation, in either direction."""
    forward = {
        (sequence, i, j)
        for words in batch.pairs.values()
        for sequence, pairs in enumerate(words)
        for dependent, head in pairs
        for i in dependent
        for j in head
    }
    return forward | {(sequence, j, i) for sequence, i, j in forward}


def sampled_at(batch, sequence, offset):
    """All entries of one text at an offset without an arc or special token, `MOST` of them."""
    n, arcs = int(batch.lengths[sequence]), arcs_of(batch)
    special, segments = batch.special[sequence], batch.segments[sequence]
    every = [
        (sequence, query, query + offset)
        for query in range(n)
        if 0 <= query + offset < n
        and not special[query]
        and not special[query + offset]
        and segments[query] == segments[query + offset]
        and (sequence, query, query + offset) not in arcs
    ]
    # Number k m // MOST for k = 0 .. MOST - 1.
    m = len(every)
    return every if m <= MOST else [every[k * m // MOST] for k in range(MOST)]


def offset_numbers(control):
    """Number of an offset -> (sequence, offset), as the entries have it."""
    return {
        int(number): (sequence, key - query)
        for number, (sequence, query, key) in zip(
            control.offset, places_of(control.entries), strict=True
        )
    }


@pytest.mark.parametrize("seed", range(6))
def test_entries_are_those_of_the_word_pairs_each_once(seed):
    batch = random_batch(seed, batch=4, tokens=24)
    control = controlled(batch)
    places = places_of(control.entries)
    assert len(set(places)) == len(places)
    assert pair_entries(control) == set(places)
    assert pair_entries(control, role=NOT_PAIRS[0]) == set()
    assert not control.sampled.any()


@pytest.mark.parametrize("seed", range(6))
def test_free_entries_hold_no_arc_in_either_direction(seed):
    batch = random_batch(seed, batch=3, tokens=24)
    control = controlled(batch)
    numbers = offset_numbers(control)
    want = {number: sampled_at(batch, *span) for number, span in numbers.items()}
    got = {number: [] for number in numbers}
    for entry, number in zip(places_of(control.free), control.free_offset.tolist(), strict=True):
        got[number].append(entry)
    assert got == want
    assert any(want.values())
    assert not arcs_of(batch) & set(places_of(control.free))


@pytest.mark.parametrize("roles", ["nsubj", "amod@both,nsubj", "syntactic,det"])
def test_an_arc_of_a_relation_that_is_no_role_is_not_free(roles):
    tokens = np.zeros((1, 8), int)
    pairs = {"nsubj": [[([0], [1])]], "amod": [[([3], [2])]], "det": [[([5], [6])]]}
    encoded = hs.Encoded.from_arrays(tokens, pairs=pairs)
    control = PositionPlan.of(hs.SievePlan.compile(roles, encoded), encoded)
    entries = {(query, key) for _, query, key in places_of(control.free) if key - query == 1}
    assert entries == {(1, 2), (3, 4), (4, 5), (6, 7)}


@pytest.mark.parametrize("seed", range(6))
def test_a_role_of_listed_pairs_leaves_out_its_own_pairs_in_both_directions(seed):
    batch = random_batch(seed, batch=3, tokens=24)
    role, listed = listed_role(batch, seed)
    control = controlled(batch, ["nsubj", role])
    places, numbers = places_of(control.entries), offset_numbers(control)
    sampled = {entry for span in numbers.values() for entry in sampled_at(batch, *span)}
    assert {place for place, each in zip(places, control.sampled, strict=True) if each} == (
        sampled & set(places)
    )
    assert set(places_of(control.free)) == sampled - set(places)
    reversed_ = {(sequence, j, i) for sequence, i, j in listed}
    own = {places[entry] for entry in control.own_entry[control.own_role == 1]}
    assert listed <= own <= listed | reversed_
    assert own & sampled == (listed | reversed_) & sampled
    assert not {places[entry] for entry in control.own_entry[control.own_role == 0]} & sampled


def test_sampled_entries_at_an_offset_are_evenly_spaced():
    batch = random_batch(2, lengths=[700, 300])
    control = controlled(batch)
    numbers = offset_numbers(control)
    counts = np.bincount(control.free_offset, minlength=len(numbers))
    assert counts.max() == MOST
    for number, span in numbers.items():
        free = places_of(control.free.at(control.free_offset == number))
        assert free == sampled_at(batch, *span)


def test_columns_are_numbered_within_each_sequence():
    control = controlled(random_batch(3, batch=4, tokens=24))
    roles = len(ROLES)
    for sequence in range(4):
        numbers = control.column_number[control.column_sequence == sequence]
        assert sorted(numbers) == list(range(roles, roles + len(numbers)))
    widest = np.bincount(control.column_sequence).max()
    assert control.names == (*ROLES, *(f"column {number}" for number in range(widest)))


def test_entries_of_a_word_pair_share_one_number():
    batch = random_batch(4, batch=4, tokens=24)
    control = controlled(batch)
    nsubj = control.member_role == ROLES.index("nsubj")
    sizes = np.bincount(control.member_pair[nsubj])
    sequences = control.entries.sequence[control.member_entry]
    for pair in np.unique(control.member_pair):
        assert len(np.unique(control.member_role[control.member_pair == pair])) == 1
        assert len(np.unique(sequences[control.member_pair == pair])) == 1
    words = [
        len(dependent) * len(head) for pairs in batch.pairs["nsubj"] for dependent, head in pairs
    ]
    assert max(words) > 1
    assert set(sizes[sizes > 0].tolist()) <= set(words)


@pytest.mark.parametrize(
    ("visibility", "allowed"),
    [
        (Visibility(), lambda offset: True),
        (Visibility(causal=True), lambda offset: offset <= 0),
        (Visibility(window=3), lambda offset: abs(offset) <= 3),
        (Visibility(causal=True, window=3), lambda offset: -3 < offset <= 0),
    ],
)
def test_visible_entries_follow_the_visibility(visibility, allowed):
    control = controlled(random_batch(5, batch=4, tokens=24))
    places = places_of(control.entries)
    want = [allowed(key - query) for _, query, key in places]
    assert control.visible(control.entries, visibility).tolist() == want
    assert any(want)
    assert all(want) == (visibility == Visibility())


@pytest.mark.parametrize("visibility", [Visibility(), Visibility(causal=True)])
def test_kernel_arrays_hold_each_visible_entry_once(visibility):
    control = controlled(random_batch(6, batch=3, tokens=24))
    arrays = control.arrays(visibility)
    row = np.repeat(np.arange(3 * control.tokens), np.diff(arrays.pair_offsets))
    further = (arrays.pair_role >= len(ROLES)) & (arrays.pair_weight > 0)
    got = sorted(
        zip(
            (row // control.tokens)[further].tolist(),
            (row % control.tokens)[further].tolist(),
            arrays.pair_key[further].tolist(),
            arrays.pair_role[further].tolist(),
            strict=True,
        )
    )
    column = [*control.column_number[: len(control.offset)].tolist()]
    column += control.column_number[len(control.offset) + control.free_offset].tolist()
    entries = Entries(*map(np.concatenate, zip(control.entries, control.free, strict=True)))
    seen = control.visible(entries, visibility)
    want = sorted(
        (*entry, number)
        for entry, number, visible in zip(places_of(entries), column, seen, strict=True)
        if visible
    )
    assert got == want
    assert (arrays.pair_weight[arrays.pair_role >= len(ROLES)] <= 1).all()


def test_no_columns_are_made_without_comparison():
    control = controlled(random_batch(7, batch=3, tokens=20), compared=False)
    assert control.names == ROLES
    assert len(control.entries.query) == len(control.free.query) == len(control.column_number) == 0


def test_no_word_pairs_make_no_column():
    batch = random_batch(8, batch=2, tokens=12)
    for pairs in batch.pairs.values():
        pairs[:] = [[], []]
    control = controlled(batch)
    assert control.names == ROLES
    assert control.arrays(Visibility()).takes_part.shape[1] == len(ROLES)
