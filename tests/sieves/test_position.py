"""The position control of word pairs: its entries and columns, against plain loops."""

import numpy as np
import pytest
from helpers.batches import random_batch

import headscore as hs
from headscore.backends.contract import Visibility
from headscore.sieves.position import MOST, Entries, PositionPlan

ROLES = ("local", "nsubj", "obj", "amod@both", "syntactic")
NOT_PAIRS = ("local",)


def controlled(batch, **options):
    encoded = batch.encoded()
    return PositionPlan.of(hs.SievePlan.compile(ROLES, encoded), encoded, **options)


def listed(cells):
    return list(zip(*(column.tolist() for column in cells), strict=True))


def pair_cells(control, *, role=None):
    """Cells of the pairs of one role, or of all."""
    chosen = control.member_entry
    if role is not None:
        chosen = chosen[control.member_role == ROLES.index(role)]
    places = listed(control.entries)
    return {places[cell] for cell in chosen}


def comparable_cells(batch, sequence, offset):
    """All cells of one text at an offset, none of a special token, in order."""
    n = int(batch.lengths[sequence])
    special, segments = batch.special[sequence], batch.segments[sequence]
    return [
        (sequence, query, query + offset)
        for query in range(n)
        if 0 <= query + offset < n
        and not special[query]
        and not special[query + offset]
        and segments[query] == segments[query + offset]
    ]


def evenly(cells):
    """The cells that are kept of many: number k m // MOST for k = 0 .. MOST - 1."""
    m = len(cells)
    return cells if m <= MOST else [cells[k * m // MOST] for k in range(MOST)]


def offset_numbers(control):
    """Number of an offset -> (sequence, offset), as the cells of the pairs have it."""
    return {
        int(number): (sequence, key - query)
        for number, (sequence, query, key) in zip(
            control.offset, listed(control.entries), strict=True
        )
    }


@pytest.mark.parametrize("seed", range(6))
def test_entries_are_those_of_the_word_pairs_each_once(seed):
    batch = random_batch(seed, batch=4, tokens=24)
    control = controlled(batch)
    places = listed(control.entries)
    assert len(set(places)) == len(places)
    assert pair_cells(control) == set(places)
    assert pair_cells(control, role=NOT_PAIRS[0]) == set()


@pytest.mark.parametrize("seed", range(6))
def test_free_entries_are_all_others_at_the_offsets_of_the_word_pairs(seed):
    batch = random_batch(seed, batch=3, tokens=24)
    control = controlled(batch)
    taken = set(listed(control.entries))
    numbers = offset_numbers(control)
    want = {
        number: [cell for cell in evenly(comparable_cells(batch, *span)) if cell not in taken]
        for number, span in numbers.items()
    }
    got = {number: [] for number in numbers}
    for cell, number in zip(listed(control.free), control.free_offset.tolist(), strict=True):
        got[number].append(cell)
    assert got == want
    assert any(want.values())


@pytest.mark.parametrize("seed", range(6))
def test_comparable_entries_agree_with_the_loops(seed):
    batch = random_batch(seed, batch=3, tokens=24)
    control = controlled(batch)
    want = [
        cell in evenly(comparable_cells(batch, cell[0], cell[2] - cell[1]))
        for cell in listed(control.entries)
    ]
    assert control.comparable.tolist() == want


def test_sampled_entries_at_an_offset_are_evenly_spaced():
    batch = random_batch(2, lengths=[700, 300])
    control = controlled(batch)
    taken, numbers = set(listed(control.entries)), offset_numbers(control)
    lengths = np.bincount(control.free_offset, minlength=len(numbers))
    assert lengths.max() > MOST // 2
    assert lengths.max() <= MOST
    for number, span in numbers.items():
        every = comparable_cells(batch, *span)
        kept = [cell for cell in evenly(every) if cell not in taken]
        assert listed(control.free.at(control.free_offset == number)) == kept
    assert max(len(comparable_cells(batch, *span)) for span in numbers.values()) > 3 * MOST


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
    places = listed(control.entries)
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
    cells = Entries(*map(np.concatenate, zip(control.entries, control.free, strict=True)))
    seen = control.visible(cells, visibility)
    want = sorted(
        (*cell, number)
        for cell, number, visible in zip(listed(cells), column, seen, strict=True)
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
