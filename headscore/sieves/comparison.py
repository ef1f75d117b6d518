"""Comparison: the word pairs of a batch, and the columns that each is compared with."""

from __future__ import annotations

from dataclasses import dataclass

from headscore.arrays import Array


@dataclass(frozen=True, eq=False)
class Comparison:
    """What position control needs of one visibility.

    A column is a flat index ``sequence * columns + number`` into scores of shape (batch, columns),
    which are the roles and then the further columns. A member is an entry as part of a word pair. A
    unit is a role in a sequence, if it has pairs; units, the pairs of a unit and the members of a
    pair follow each other, so that offsets delimit them::

        unit      0              1
        pair      0       1      2
        member    0   1   2      3   4      unit_offsets = 0 2 3, pair_offsets = 0 2 3 5

    Attributes
    ----------
    pair_offsets
        int64 (pair + 1,): the members of each pair.
    member_column
        int32 (member,): the column with the attention on the member's entry.
    member_mean
        int32 (member,): the mean that it is compared with.
    member_weight
        float64 (member,): w_ij of `headscore.sieves.excess`.
    mean_offsets
        int64 (mean + 1,): the columns of each mean.
    mean_column
        int32 (mean column,).
    mean_share
        float64 (mean,): 1 / number of comparison entries; the mean is this times the sum of the
        columns, of which one holds the sum of several entries.
    unit_offsets
        int64 (unit + 1,): the pairs of each unit.
    unit_sequence, unit_role
        int32 (unit,).
    """

    pair_offsets: Array
    member_column: Array
    member_mean: Array
    member_weight: Array
    mean_offsets: Array
    mean_column: Array
    mean_share: Array
    unit_offsets: Array
    unit_sequence: Array
    unit_role: Array
