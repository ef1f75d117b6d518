"""Sums over the sequences of each unit, of cells in which the same sequences take part."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from headscore.arrays import Bools, Floats, Ints, offsets_of
from headscore.scores.head_scores import HeadScores
from headscore.statistics.clusters import Clusters
from headscore.statistics.criterion import Criterion


@dataclass(frozen=True, eq=False, kw_only=True)
class UnitSums:
    """Sums of scores less their allowance over each unit, for some cells of a role.

    Attributes
    ----------
    role
        Number of the role.
    cells
        int64 (cell,), numbers of the cells in (role, layer, head).
    center
        (cell,), the median score less its allowance; sums are of the deviations from it. Unlike the
        mean it is near to most scores also where a few are far away, so that little is cancelled
        where these are not drawn.
    size
        (unit,), sequences that take part, 0 for none.
    score, square
        (unit, cell), sums of the deviations and of their squares.
    lowest, highest
        (unit, cell), range of the scores less their allowance, NaN for none.
    attainable, most
        (unit, cell), sum and largest of the largest possible scores, NaN if unknown.
    reach
        (unit,), the largest possible score of any sequence of the unit in the role, in any layer,
        whether it takes part or not; at least 1.
    faulty
        bool (unit, cell), whether a score is infinite, or missing where it should not be.
    """

    role: int
    cells: Ints
    center: Floats
    size: Floats
    score: Floats
    square: Floats
    lowest: Floats
    highest: Floats
    attainable: Floats
    most: Floats
    reach: Floats
    faulty: Bools


def unit_sums(scores: HeadScores, clusters: Clusters, criterion: Criterion) -> Iterator[UnitSums]:
    """Yield the sums of all cells, those of a role with the same sequences at a time.

    Mostly that is a role at a time, with a float64 copy of its scores.

    Parameters
    ----------
    scores
        The scores of each sequence.
    clusters
        The units; sequences where there are no clusters.
    criterion
        The criterion of the test.
    """
    n_sequences, n_roles, n_layers, n_heads = scores.values.shape
    codes = clusters.units(n_sequences)
    # Sequences in the order of their units, which `reduceat` adds up between the offsets.
    order, starts = np.argsort(codes, kind="stable"), offsets_of(np.bincount(codes))[:-1]
    for role in range(n_roles):
        own, here = criterion.of_role(role), slice(role, role + 1)
        x = scores.values[order, here].astype(np.float64)  # (sequence, 1, layer, head)
        possible: Floats = np.full(x.shape, np.nan)
        if scores.attainable is not None:
            known = scores.attainable[order, here]
            possible[:] = known[..., None]
            x -= own.allowance(known)
        reach = np.fmax.reduce(possible, axis=(1, 2, 3), initial=1.0)
        flat, most = x.reshape(n_sequences, -1), possible.reshape(n_sequences, -1)
        for cells in _same_sequences(~np.isnan(flat)):
            yield _of_cells(
                flat[:, cells],
                most[:, cells],
                starts,
                role=role,
                cells=cells + role * n_layers * n_heads,
                reach=np.maximum.reduceat(reach, starts),
            )


def _same_sequences(part__sc: Bools) -> Iterator[Ints]:
    """Yield sets of cells in which the same sequences take part."""
    # A column of bits as bytes: eight sequences a byte.
    columns = np.packbits(part__sc, axis=0)
    number = np.unique(columns, axis=1, return_inverse=True)[1].ravel()
    for each in range(number.max() + 1):
        yield np.flatnonzero(number == each)


def _of_cells(
    x: Floats, possible: Floats, starts: Ints, *, role: int, cells: Ints, reach: Floats
) -> UnitSums:
    """Add up scores less allowance, and the largest possible ones, both (sequence, cell)."""
    part = ~np.isnan(x)
    faulty = np.isinf(x) | (~part & ~np.isnan(possible))
    sound = part & ~faulty
    center = _middle(x[part[:, 0]])
    deviation = np.where(sound, x - center, 0.0)
    possible = np.where(part, possible, 0.0)
    add = partial(np.add.reduceat, indices=starts, axis=0)
    return UnitSums(
        role=role,
        cells=cells,
        center=center,
        size=add(part[:, 0].astype(np.float64)),
        score=add(deviation),
        square=add(deviation**2),
        lowest=np.fmin.reduceat(np.where(sound, x, np.nan), starts, axis=0),
        highest=np.fmax.reduceat(np.where(sound, x, np.nan), starts, axis=0),
        attainable=add(possible),
        most=np.fmax.reduceat(np.where(part, possible, np.nan), starts, axis=0),
        reach=reach,
        faulty=np.logical_or.reduceat(faulty, starts, axis=0),
    )


def _middle(x: Floats) -> Floats:
    """Return the lower median of each column, 0 where it is not finite or there is none."""
    if not len(x):
        return np.zeros(x.shape[1])
    middle = (len(x) - 1) // 2
    found: Floats = np.nan_to_num(np.partition(x, middle, axis=0)[middle], posinf=0.0, neginf=0.0)
    return found
