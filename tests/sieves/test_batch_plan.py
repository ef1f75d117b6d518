"""BatchPlan: the columns of position control and its comparison, against plain loops."""

import dataclasses
import pickle

import numpy as np
import pytest
from helpers import loops
from helpers.batches import random_batch
from helpers.planning import MOST, columns_of, plan_of

import headscore as hs
from headscore.backends.contract import Visibility
from headscore.roles.role import Role

ROLES = ("local", "nsubj", "obj", "amod@both", "syntactic")
VISIBILITIES = [
    Visibility(),
    Visibility(causal=True),
    Visibility(window=3),
    Visibility(causal=True, window=3),
    Visibility(window=0),
]


def columns(plan):
    """The number of columns, of roles and further ones, which no visibility changes."""
    return plan.arrays(Visibility()).takes_part.shape[1]


def listed_role(batch, seed):
    """A role of pairs that are not of the parse."""
    rng = np.random.default_rng(seed)
    pairs = {
        str(sequence): [([i], [j]) for i, j in rng.integers(0, n, (6, 2)).tolist()]
        for sequence, n in enumerate(batch.lengths.tolist())
    }
    return hs.roles.from_pairs("listed", pairs)


def near_role(batch, seed):
    """Pairs at few offsets, so that one is often the reverse of another or at an offset of it."""
    rng = np.random.default_rng(seed)
    pairs = {
        str(sequence): [
            ([i], [min(n - 1, max(0, i + step))])
            for i, step in zip(rng.integers(0, n, 9), rng.integers(-2, 3, 9), strict=True)
        ]
        for sequence, n in enumerate(batch.lengths.tolist())
    }
    return hs.roles.from_pairs("near", pairs)


def mask_role(batch, seed):
    drawn = np.random.default_rng(seed).random((len(batch.lengths), *[batch.shape[1]] * 2)) < 0.1
    return Role("drawn", lambda _: drawn)


def every_role(batch, seed):
    own = (listed_role(batch, seed), near_role(batch, seed + 1), mask_role(batch, seed + 2))
    return [*ROLES, *own]


def further_entries(plan, visibility):
    """(row, key, number, weight) of the entries of the further columns, as kernels read them."""
    arrays = plan.arrays(visibility)
    row = np.repeat(np.arange(plan.batch * plan.tokens), np.diff(arrays.pair_offsets))
    further = arrays.pair_role >= len(plan.roles)
    columns = (row, arrays.pair_key, arrays.pair_role, arrays.pair_weight)
    return list(zip(*(column[further].tolist() for column in columns), strict=True))


def wanted_entries(batch, plan, visibility):
    allowed = {
        offset: any(
            (i + offset) in loops.visible(i, plan.tokens, *visibility)
            for i in range(max(0, -offset), plan.tokens - max(0, offset))
        )
        for offset in range(1 - plan.tokens, plan.tokens)
    }
    return sorted(
        (b * plan.tokens + query, key, number, float(allowed[key - query]))
        for columns in columns_of(batch, plan)
        for number, entries in enumerate(columns, start=len(plan.roles))
        for b, query, key in entries
    )


@pytest.mark.parametrize("visibility", VISIBILITIES)
@pytest.mark.parametrize("seed", range(8))
def test_further_columns_agree_with_the_loops(visibility, seed):
    batch = random_batch(seed, batch=4, tokens=24)
    plan = plan_of(every_role(batch, seed), batch.encoded())
    want = wanted_entries(batch, plan, visibility)
    assert further_entries(plan, visibility) == want
    assert want
    widest = max(map(len, columns_of(batch, plan)))
    assert columns(plan) == len(plan.roles) + widest


def test_at_most_128_evenly_spaced_entries_of_an_offset_are_sampled():
    batch = random_batch(2, lengths=[700, 300])
    plan = plan_of([*ROLES, near_role(batch, 2)], batch.encoded())
    assert further_entries(plan, Visibility()) == wanted_entries(batch, plan, Visibility())
    sizes = [len(column) for each in columns_of(batch, plan) for column in each]
    assert max(sizes) == MOST


@pytest.mark.parametrize("roles", ["nsubj", "amod@both,nsubj", "syntactic,det"])
def test_an_arc_of_a_relation_that_is_no_role_is_not_free(roles):
    tokens = np.zeros((1, 8), int)
    pairs = {"nsubj": [[([0], [1])]], "amod": [[([3], [2])]], "det": [[([5], [6])]]}
    plan = plan_of(roles, hs.Encoded.from_arrays(tokens, pairs=pairs))
    sums = [
        number
        for number in range(len(plan.roles), columns(plan))
        if (plan.arrays(Visibility()).pair_role == number).sum() > 1
    ]
    free = {
        (row, key)
        for row, key, number, _ in further_entries(plan, Visibility())
        if number in sums and key - row == 1
    }
    assert free == {(1, 2), (3, 4), (4, 5), (6, 7)}


@pytest.mark.parametrize("visibility", VISIBILITIES)
def test_entries_of_a_row_are_sorted_by_key_and_number(visibility):
    batch = random_batch(6, batch=3, tokens=24)
    arrays = plan_of(every_role(batch, 6), batch.encoded()).arrays(visibility)
    row = np.repeat(np.arange(len(arrays.pair_offsets) - 1), np.diff(arrays.pair_offsets))
    order = np.lexsort((arrays.pair_role, arrays.pair_key, row))
    np.testing.assert_array_equal(order, np.arange(len(row)))


@pytest.mark.parametrize("visibility", VISIBILITIES)
def test_the_arrays_of_the_roles_do_not_depend_on_the_comparison(visibility):
    batch = random_batch(9, batch=4, tokens=30)
    plan = plan_of(every_role(batch, 9), batch.encoded())
    alone, wide = plan.sieves.arrays(visibility), plan.arrays(visibility)
    roles = len(plan.roles)
    own = wide.pair_role < roles
    for name in ("pair_role", "pair_key", "pair_weight"):
        np.testing.assert_array_equal(getattr(wide, name)[own], getattr(alone, name))
    for name in ("row_weight", "token_takes_part"):
        np.testing.assert_array_equal(getattr(wide, name), getattr(alone, name))
    for name in ("takes_part", "attainable"):
        np.testing.assert_array_equal(getattr(wide, name)[:, :roles], getattr(alone, name))
    assert wide.takes_part[:, roles:].all()
    assert np.isnan(wide.attainable[:, roles:]).all()
    assert not wide.times_entropy[roles:].any()


@pytest.mark.parametrize("seed", range(4))
def test_a_comparison_lists_units_pairs_and_members_in_order(seed):
    batch = random_batch(seed, batch=4, tokens=24)
    plan = plan_of(every_role(batch, seed), batch.encoded())
    found = plan.under(Visibility(causal=True)).comparison
    units = list(zip(found.unit_sequence.tolist(), found.unit_role.tolist(), strict=True))
    assert units == sorted(set(units))
    assert all(plan.sieves.listed[role] for _, role in units)
    for offsets, total in (
        (found.unit_offsets, len(found.pair_offsets) - 1),
        (found.pair_offsets, len(found.member_column)),
        (found.mean_offsets, len(found.mean_column)),
    ):
        assert (offsets[0], offsets[-1]) == (0, total)
        assert (np.diff(offsets) > 0).all()
    # All columns of a unit are further columns of its own sequence.
    pair_unit = np.repeat(np.arange(len(units)), np.diff(found.unit_offsets))
    member_unit = np.repeat(pair_unit, np.diff(found.pair_offsets))
    sequence, number = np.divmod(found.member_column, columns(plan))
    np.testing.assert_array_equal(sequence, found.unit_sequence[member_unit])
    assert (number >= len(plan.roles)).all()
    for member, mean in enumerate(found.member_mean):
        own = found.mean_column[found.mean_offsets[mean] : found.mean_offsets[mean + 1]]
        assert (own // columns(plan) == sequence[member]).all()
        assert found.member_column[member] not in own


def test_no_columns_are_made_without_comparison():
    plan = plan_of(ROLES, random_batch(7, batch=3, tokens=20).encoded(), compared=False)
    assert columns(plan) == len(ROLES)
    assert len(plan.under(Visibility()).comparison.member_column) == 0


def test_no_word_pairs_make_no_column():
    batch = random_batch(8, batch=2, tokens=12)
    for pairs in batch.pairs.values():
        pairs[:] = [[], []]
    plan = plan_of(ROLES, batch.encoded())
    assert columns(plan) == len(ROLES)


def test_a_plan_of_another_process_has_the_same_arrays():
    batch = random_batch(3, batch=3, tokens=20)
    roles = [*ROLES, listed_role(batch, 3)]
    plan = plan_of(roles, batch.encoded(), under=[Visibility()])
    sent = pickle.loads(pickle.dumps(plan))
    assert (sent.roles, sent.tokens, sent.batch) == (plan.roles, plan.tokens, plan.batch)
    # The one that was computed before it was sent, and one that is computed afterwards.
    for visibility in (Visibility(), Visibility(causal=True)):
        assert sent.under(visibility) is sent.under(visibility)
        for mine, theirs in (
            (plan.arrays(visibility), sent.arrays(visibility)),
            (plan.under(visibility).comparison, sent.under(visibility).comparison),
        ):
            for field in dataclasses.fields(mine):
                np.testing.assert_array_equal(
                    getattr(mine, field.name), getattr(theirs, field.name)
                )
