"""Collect the rows of the matched control, of layers of any visibility and of batches."""

from __future__ import annotations

from collections.abc import Sequence as Many
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from headscore.arrays import Array, Bools, Ints, run_numbers, run_starts
from headscore.sieves.matching import MatchedRows

# For layers of one visibility: their rows, their scores (batch, column, head), one layer after the
# other, and number and place there of each layer.
Layers: TypeAlias = tuple[MatchedRows, Array, list[tuple[int, slice]]]


class MatchedSums(NamedTuple):
    """The rows of some sequences; fields as in `HeadScores`, without their prefix.

    Attributes
    ----------
    attention
        float32 (row, layer, head), `matched`.
    weight
        float32 (row, layer), `matched_weight`.
    sequence
        int64 (row,).
    role
        int32 (row,).
    stratum
        uint64 (row,).
    """

    attention: Array
    weight: Array
    sequence: Array
    role: Array
    stratum: Array

    def of(self, rows: Ints, faulty: Bools) -> MatchedSums:
        """Return the rows of a batch's good sequences, numbered as in the corpus by `rows`."""
        good = ~faulty[self.sequence]
        kept = MatchedSums(*(array[good] for array in self))
        return kept._replace(sequence=rows[kept.sequence])

    def arrays(self) -> dict[str, Any]:
        """Return them under the names of `HeadScores`."""
        named = self._asdict()
        return {"matched": named.pop("attention")} | {f"matched_{k}": v for k, v in named.items()}


def of_layers(parts: Many[Layers], layers: int, heads: int) -> MatchedSums:
    """Return the rows of a batch.

    Parameters
    ----------
    parts
        One for each visibility.
    layers, heads
        Number of layers, and the most heads of any.

    Returns
    -------
    MatchedSums
        A row that some visibilities do not have weighs 0 in their layers.
    """
    names = [
        np.concatenate([getattr(rows, name) for rows, _, _ in parts])
        for name in ("sequence", "role", "stratum")
    ]
    # Rows of all visibilities in one order, equal ones next to each other: a run is a row.
    order = np.lexsort(names[::-1])
    ordered = [name[order] for name in names]
    place = np.empty(len(order), np.int64)
    place[order] = run_numbers(*ordered)
    sequence, role, stratum = (name[run_starts(*ordered)[:-1]] for name in ordered)
    attention = np.zeros((len(sequence), layers, heads), np.float32)
    weight = np.zeros((len(sequence), layers), np.float32)
    start = 0
    for rows, scores__bch, own in parts:
        into = place[start : start + len(rows.sequence)]
        start += len(rows.sequence)
        sums = scores__bch[rows.sequence, rows.column]
        for layer, at in own:
            attention[into, layer, : at.stop - at.start] = sums[:, at]
            weight[into, layer] = rows.weight
    known = np.zeros((layers, heads), np.bool_)
    for _, _, own in parts:
        for layer, at in own:
            known[layer, : at.stop - at.start] = True
    attention[:, ~known] = np.nan
    return MatchedSums(attention, weight, sequence, role.astype(np.int32), stratum)


def joined(batches: Many[MatchedSums]) -> MatchedSums:
    """Return the rows of all batches, sorted by sequence, role and stratum."""
    columns = [list(each) for each in zip(*batches, strict=True)]
    attention = columns[0]
    weight, sequence, role, stratum = (np.concatenate(each) for each in columns[1:])
    order = np.lexsort((stratum, role, sequence))
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    # Batch by batch, so that the attention is held once and not three times.
    whole = np.empty((len(order), *attention[0].shape[1:]), np.float32)
    start = 0
    for number, each in enumerate(attention):
        whole[place[start : start + len(each)]] = each
        start += len(each)
        attention[number] = None
    return MatchedSums(whole, weight[order], sequence[order], role[order], stratum[order])
