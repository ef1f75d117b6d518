"""Aligning checkpoints: their sequences and roles in one order, and their means."""

from dataclasses import replace

import numpy as np
import pytest
from helpers.cells import reordered

from headscore.errors import InputError
from headscore.scores import align
from headscore.scores.head_scores import HeadScores

ROLES = ("local", "nsubj", "obj")


def made(seed=0, n=5):
    rng = np.random.default_rng(seed)
    values = rng.gamma(2, 1, (n, 3, 2, 4)).astype(np.float32)
    return HeadScores(
        values,
        ROLES,
        tuple(f"s{i}" for i in range(n)),
        excess=values - 1,
        position_sums=rng.integers(0, 2**45, (11, 3, 2, 4)),
        lengths=np.arange(n) + 4,
    )


def test_sequences_and_roles_are_put_in_the_order_of_the_first():
    first, other = made(0), made(1)
    sequences, roles = [3, 0, 4, 1, 2], [2, 0, 1]
    moved = reordered(
        other,
        sequences,
        roles,
        excess=other.excess[np.ix_(sequences, roles)],
        position_sums=other.position_sums[:, roles],
        lengths=other.lengths[sequences],
    )
    _, (got,) = align.pair(first, moved)
    assert (got.roles, got.sequence_ids) == (first.roles, first.sequence_ids)
    for name in ("values", "excess", "position_sums", "lengths"):
        np.testing.assert_array_equal(getattr(got, name), getattr(other, name))


def test_the_position_control_is_averaged_with_the_scores():
    checkpoints = [made(seed) for seed in range(3)]
    got = align.average(checkpoints)
    excess = np.mean([each.excess.astype(float) for each in checkpoints], axis=0)
    np.testing.assert_allclose(got.excess, excess, rtol=1e-6)
    sums = sum(each.position_sums for each in checkpoints)
    assert got.position_sums.dtype == np.int64
    assert abs(3 * got.position_sums - sums).max() <= 1
    np.testing.assert_array_equal(got.lengths, checkpoints[0].lengths)


def test_the_position_control_is_unknown_unless_every_checkpoint_has_it():
    without = replace(made(1), excess=None, position_sums=None, lengths=None)
    got = align.average([made(0), without])
    assert got.excess is None
    assert got.position_sums is None
    np.testing.assert_array_equal(got.lengths, made(0).lengths)


def test_the_tokens_must_be_the_same_where_both_sides_know_them():
    tokens = np.arange(5).astype(np.uint64)
    first, other = replace(made(0), tokens=tokens), tokens[[0, 2, 1, 3, 4]]
    with pytest.raises(InputError, match=r"sequence 's1' .*2 of 5 differ"):
        align.pair(first, replace(made(1), tokens=other))
    for one, same in ((None, other), (tokens, None), (tokens, tokens)):
        align.pair(replace(first, tokens=one), replace(made(1), tokens=same))
