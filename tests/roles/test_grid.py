"""The role of neighbouring patches: against loops over places."""

import numpy as np
import pytest

import headscore as hs
from headscore.errors import InputError, UsageError
from headscore.roles.specs import parse_roles


def places(rows, columns, leading):
    """Rows and columns of a picture's tokens, -1 for those before the patches."""
    place = np.arange(rows * columns)
    before = [-1] * leading
    return [*before, *(place // columns)], [*before, *(place % columns)]


def encoded(pictures, tokens):
    """A batch of pictures (rows, columns, leading tokens), padded to so many tokens."""
    grid = np.full((2, len(pictures), tokens), -1)
    lengths = []
    for n, picture in enumerate(pictures):
        where = np.array(places(*picture))
        grid[:, n, : where.shape[1]] = where
        lengths.append(where.shape[1])
    columns = {"row": grid[0], "column": grid[1]}
    return hs.Encoded.from_arrays(np.zeros((len(pictures), tokens), int), lengths, columns=columns)


def by_loops(batch, width):
    """Query i looks at key j: both are patches, at most `width` rows and columns apart."""
    mask = np.zeros((len(batch), batch.tokens, batch.tokens), bool)
    row, column = (batch.grid(batch.columns[name].labels, -1) for name in ("row", "column"))
    for s, n in enumerate(batch.lengths):
        for i in range(n):
            for j in range(n):
                if row[s, i] >= 0 and row[s, j] >= 0:
                    apart = abs(row[s, i] - row[s, j]), abs(column[s, i] - column[s, j])
                    mask[s, i, j] = max(apart) <= width
    return mask


PICTURES = [(3, 5, 1), (5, 3, 0), (1, 4, 2), (4, 1, 5), (1, 1, 1)]


@pytest.mark.parametrize("width", [0, 1, 2, 7, 999_999_999])
def test_entries_equal_loops_over_places(width):
    batch = encoded(PICTURES, 18)
    (role,) = parse_roles(f"grid:{width}")
    sieve = role.sieve(batch)
    mask = np.zeros((len(batch), batch.tokens, batch.tokens), int)
    np.add.at(mask, (sieve.sequence, sieve.query, sieve.key), 1)
    assert (mask == by_loops(batch, width)).all()  # each entry once
    assert (sieve.group == sieve.query).all()


def test_scores_equal_those_of_the_drawn_mask():
    batch = encoded(PICTURES, 18)
    attention = np.random.default_rng(0).random((len(PICTURES), 2, 18, 18))
    attention *= batch.real[:, None, None, :]
    attention = (attention / attention.sum(-1, keepdims=True)).astype(np.float32)
    drawn = hs.SievePlan.from_masks(by_loops(batch, 1)[:, None], batch.lengths)
    want = hs.sieve_scores(attention, drawn)
    got = hs.sieve_scores(attention, hs.SievePlan.compile("grid:1", batch))
    np.testing.assert_allclose(got, want, rtol=1e-6)


def test_patches_may_be_left_out_and_in_any_order():
    rows, columns = np.array([[2, 0, -1, 1]]), np.array([[0, 0, -1, 1]])
    batch = hs.Encoded.from_arrays(np.zeros((1, 4), int), columns={"row": rows, "column": columns})
    sieve = parse_roles("grid:1")[0].sieve(batch)
    found = set(zip(sieve.query.tolist(), sieve.key.tolist(), strict=True))
    assert found == {(0, 0), (1, 1), (3, 3), (0, 3), (3, 0), (1, 3), (3, 1)}


def test_two_tokens_at_one_place_raise():
    rows = np.array([[0, 0]])
    batch = hs.Encoded.from_arrays(np.zeros((1, 2), int), columns={"row": rows, "column": rows})
    with pytest.raises(InputError, match="got several at row 0, column 0 of sequence '0'"):
        hs.SievePlan.compile("grid:1", batch)


def test_a_batch_without_places_lacks_the_role():
    batch = hs.Encoded.from_arrays([[5, 6]])
    (role,) = parse_roles("grid:1")
    assert "which columns 'row' and 'column' give" in role.lacking(batch)
    assert not len(role.sieve(batch).query)
    nowhere = {"row": [[-1, -1]], "column": [[-1, -1]]}
    batch = hs.Encoded.from_arrays([[5, 6]], columns=nowhere)
    assert role.lacking(batch) == "no token has a row and a column"
    assert not len(role.sieve(batch).query)


@pytest.mark.parametrize("spec", ["grid", "grid:", "grid:a", "grid:-1"])
def test_a_width_must_be_a_number(spec):
    with pytest.raises(UsageError, match="grid"):
        parse_roles(spec)
