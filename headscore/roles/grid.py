"""The role of neighbouring patches of a picture, in two dimensions.

Heads of vision transformers that attend to the patches around the query: Raghu et al. 2021 (arXiv
2108.08810), Cordonnier et al. 2020 (1911.03584).
"""

from __future__ import annotations

from functools import partial

import numpy as np

from headscore.arrays import Array
from headscore.encoding.encoded import Encoded
from headscore.errors import InputError, UsageError
from headscore.roles.role import Pairs, Role

# Columns with the place of each patch; -1 for tokens outside the picture, such as [CLS].
PLACE = ROW, COLUMN = ("row", "column")


def grid(name: str, width: int) -> Role:
    """Make the role of the patches up to `width` rows and columns away, itself among them.

    Parameters
    ----------
    name
        The role's name.
    width
        Largest distance, max(|row difference|, |column difference|).
    """
    if width < 0:
        raise UsageError(f"the width of a grid role must be 0 or more, got {name!r}")
    return Role(name, partial(_neighbours, width=width), lacking=_no_place, one_text=True)


def has_places(encoded: Encoded) -> bool:
    """Return whether the place of each patch is known."""
    return all(name in encoded.columns for name in PLACE)


def _neighbours(batch: Encoded, *, width: int) -> Pairs:
    """Return the entries with a group for each patch: the score is a mean over the patches."""
    token, row, column = _places(batch)
    if not len(token):
        return Pairs.from_lists([])
    sequence, position = batch.places
    # Each patch has one code, in pictures with an empty margin of `width` rows and columns. So the
    # code of the patch `down` rows and `right` columns away is a sum, and no patch has it where
    # that place lies outside the picture:
    #
    #     code = (sequence * rows + row) * columns + column
    width = min(width, int(max(row.max(), column.max())))
    rows, columns = int(row.max()) + 1 + width, int(column.max()) + 1 + width
    codes = (sequence[token] * rows + row) * columns + column
    order = np.argsort(codes, kind="stable")
    codes = codes[order]
    _check_places(batch, token[order], codes)
    steps = np.arange(-width, width + 1)
    found = []
    for step in (steps[:, None] * columns + steps).ravel():
        at = np.searchsorted(codes, codes + step)
        there = np.flatnonzero(np.take(codes, at, mode="clip") == codes + step)
        found.append(np.stack([there, at[there]]))
    query, key = token[order[np.concatenate(found, axis=1)]]
    return Pairs(sequence[query], position[query], position[query], position[key])


def _places(encoded: Encoded) -> tuple[Array, Array, Array]:
    """Return the flat tokens that have a place, with their rows and columns."""
    if not has_places(encoded):
        nothing = np.zeros(0, np.int64)
        return nothing, nothing, nothing
    row, column = (encoded.columns[name].labels.astype(np.int64) for name in PLACE)
    token = np.flatnonzero((row >= 0) & (column >= 0))
    return token, row[token], column[token]


def _check_places(batch: Encoded, token: Array, codes: Array) -> None:
    """Check that no two patches of a sequence are at one place; raises InputError."""
    twice = np.flatnonzero(codes[1:] == codes[:-1])
    if len(twice):
        flat = int(token[twice[0]])
        row, column = (int(batch.columns[name].labels[flat]) for name in PLACE)
        sequence = batch.places[0][flat]
        raise InputError(
            "the columns 'row' and 'column' must place one token at a place, got several at row "
            f"{row}, column {column} of sequence {batch.ids[sequence]!r}"
        )


def _no_place(encoded: Encoded) -> str | None:
    if not has_places(encoded):
        return (
            "the place of each patch is not known, which columns 'row' and 'column' give "
            "(see Encoded.from_arrays)"
        )
    return None if len(_places(encoded)[0]) else "no token has a row and a column"
