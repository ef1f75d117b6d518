"""Beyond position: how much more attention is on a role's pairs than at their offsets elsewhere.

For one sequence, role and head it is the mean over the pairs of

    log( mean over the pair's cells of a  /  mean over the same cells of c(offset) )

where a is the attention of a cell, and c(offset) its mean over the comparison cells of that offset,
see `headscore.sieves.position`. A word in pieces makes one pair of several cells; means are taken
before the logarithm, so that a head may look at one of the pieces. Cells without a comparison are
left out on both sides, and pairs of nothing else altogether.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy import sparse

from headscore.arrays import Array
from headscore.backends.contract import Visibility
from headscore.sieves.position import Controlled

LEAST = 1e-7  # attention below counts as this: about the smallest that float16 can hold


class Compared(NamedTuple):
    """The entries of a batch's pairs that can be compared, under one visibility.

    Attributes
    ----------
    role, pair, cell
        int64 (entry,), as in `Controlled`.
    means
        (role * offset, column): the mean of the comparison cells.
    left_out
        Visible pairs that have no comparison, a pair of several roles once for each.
    """

    role: Array
    pair: Array
    cell: Array
    means: sparse.csr_array
    left_out: int


def log_ratios(control: Controlled, scores__bclh: Array, compared: Compared) -> Array:
    """Say how far heads go beyond position.

    Parameters
    ----------
    control
        The plan.
    scores__bclh
        (batch, column, layer, head), what a backend returned for it.
    compared
        What `compare` found for the visibility of these layers.

    Returns
    -------
    float32 (batch, role, layer, head)
        NaN where no pair of a sequence can be compared.
    """
    _, _, layers, heads = scores__bclh.shape
    attention = scores__bclh[control.column_sequence, control.column_number]
    attention = attention.reshape(len(attention), layers * heads).astype(np.float64)
    own, elsewhere = _pair_means(control, compared)
    logs = np.log(np.maximum(own @ attention, LEAST) / np.maximum(elsewhere @ attention, LEAST))
    roles = len(control.plan.names)
    pair, first = np.unique(compared.pair, return_index=True)
    place = control.cells.sequence[compared.cell[first]] * roles + compared.role[first]
    mean = _matrix(place, np.arange(len(pair)), _shares(place), (control.batch * roles, len(pair)))
    ratios = np.where(np.diff(mean.indptr)[:, None] > 0, mean @ logs, np.nan)
    return ratios.reshape(control.batch, roles, layers, heads).astype(np.float32)


def compare(control: Controlled, visibility: Visibility) -> Compared:
    """Find the entries that have a comparison, and the means that are their comparisons."""
    seen = control.seen(control.cells, visibility)
    count__ro, others__rc = _comparison_cells(control, seen, visibility)
    visible = seen[control.entry_cell]
    chosen = visible & (count__ro[control.entry_role, control.offset[control.entry_cell]] > 0)
    pairs = [len(np.unique(control.entry_pair[some])) for some in (visible, chosen)]
    return Compared(
        control.entry_role[chosen],
        control.entry_pair[chosen],
        control.entry_cell[chosen],
        _means(control, count__ro, others__rc),
        pairs[0] - pairs[1],
    )


def _comparison_cells(
    control: Controlled, seen: Array, visibility: Visibility
) -> tuple[Array, Array]:
    """Count the comparison cells of each role and offset; say which hold pairs of other roles."""
    roles, offsets = len(control.plan.names), len(control.column_number) - len(control.offset)
    others__rc = np.tile(seen & control.comparable, (roles, 1))
    others__rc[control.entry_role, control.entry_cell] = False
    free = control.free_offset[control.seen(control.free, visibility)]
    count__ro = np.tile(np.bincount(free, minlength=offsets), (roles, 1))
    role, cell = others__rc.nonzero()
    np.add.at(count__ro, (role, control.offset[cell]), 1)
    return count__ro, others__rc


def _means(control: Controlled, count__ro: Array, others__rc: Array) -> sparse.csr_array:
    roles, offsets = count__ro.shape
    cells = len(control.offset)
    role, cell = others__rc.nonzero()
    every = np.arange(roles * offsets)
    row = np.append(every, role * offsets + control.offset[cell])
    column = np.append(np.tile(cells + np.arange(offsets), roles), cell)
    share = 1 / np.maximum(count__ro.ravel(), 1)
    return _matrix(row, column, share[row], (roles * offsets, cells + offsets))


def _pair_means(
    control: Controlled, compared: Compared
) -> tuple[sparse.csr_array, sparse.csr_array]:
    """Return (pair, column): mean attention on each pair, and of its comparisons."""
    pairs, pair = np.unique(compared.pair, return_inverse=True)
    columns = compared.means.shape[1]
    offsets = columns - len(control.offset)
    row = compared.role * offsets + control.offset[compared.cell]
    share = _shares(pair)
    own = _matrix(pair, compared.cell, share, (len(pairs), columns))
    return own, _matrix(pair, row, share, (len(pairs), compared.means.shape[0])) @ compared.means


def _shares(owner: Array) -> Array:
    """Return for each entry 1 / (entries of its owner)."""
    return np.asarray(1 / np.bincount(owner)[owner])


def _matrix(row: Array, column: Array, value: Array, shape: tuple[int, int]) -> sparse.csr_array:
    return sparse.csr_array((value, (row, column)), shape=shape)
