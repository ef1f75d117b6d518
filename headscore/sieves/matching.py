"""Match the entries of word pairs with controls of the same stratum, summed for each sequence.

Position is not the only heuristic: a head that looks at any verb finds the verb of most objects. So
the attention on word pairs is also compared with that on entries without an arc whose words have
the same labels, such as parts of speech, at the same offset: in the same stratum. In one sequence
such entries are rare, so that strata are pooled over a corpus. What a sequence gives to a stratum
is a row, of the word pairs of one role or of the controls::

    matched = sum of w a        weight = sum of w

with the attention a and the weight w of each visible entry: 1 for a control, and

    w_ij = 1 / (keys of the row * rows of the pair)

for the entry of query i and key j of a word pair, of those that are visible; a pair has 1 in all,
as in its score. Rows are columns behind those of position control to a kernel: pair roles like any
other, in the order of role and stratum, controls first::

    column     0 .. R-1     R .. W-1              W ..
    holds      the scores   position control      a row of the sequence each

`headscore.sieves.sampling` finds the controls, and `headscore.sieves.strata` defines strata.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from headscore.arrays import Array, Ints, offsets_of, run_numbers, run_starts
from headscore.backends.contract import PlanArrays, Visibility
from headscore.encoding.controls import Controls
from headscore.encoding.encoded import Encoded
from headscore.sieves.compile import CompiledSieves
from headscore.sieves.strata import CONTROL, label_hashes, stratum_of
from headscore.sieves.surroundings import Surroundings


class Labelled(NamedTuple):
    """The controls of a batch, and a hash of the labels of each token.

    Attributes
    ----------
    controls
        Sampled entries.
    labels
        uint64 (token,), 0 for a token without a label.
    surroundings
        Of the tokens.
    offsets
        int64 (sequence + 1,): the tokens of each sequence.
    """

    controls: Controls
    labels: Array
    surroundings: Surroundings
    offsets: Array

    @classmethod
    def of(cls, batch: Encoded) -> Labelled | None:
        """Return those of a batch; None where it has no controls."""
        if batch.controls is None:
            return None
        columns = batch.controls.columns
        labels = label_hashes(batch, columns)
        return cls(batch.controls, labels, Surroundings.of(batch, columns, labels), batch.offsets)


@dataclass(frozen=True, eq=False)
class MatchedRows:
    """The rows of a batch, sorted by sequence, role and stratum, each once.

    Attributes
    ----------
    sequence, role
        int64 (row,): numbers in the batch and of the role; -1 for controls.
    stratum
        uint64 (row,).
    weight
        float32 (row,): the sum of the weights of its entries.
    column
        int64 (row,): the column with the sum of weight times attention.
    """

    sequence: Ints
    role: Ints
    stratum: Array
    weight: Array
    column: Ints


class _Entries(NamedTuple):
    """Weighted entries, an array for each of these."""

    sequence: Array
    role: Array
    query: Array
    key: Array
    weight: Array

    def some(self, chosen: Array) -> _Entries:
        return _Entries(*(column[chosen] for column in self))


def match(
    sieves: CompiledSieves, labelled: Labelled, visibility: Visibility, arrays: PlanArrays
) -> tuple[MatchedRows, PlanArrays]:
    """Return the rows of a batch under a visibility, and a plan with a column for each.

    Parameters
    ----------
    sieves
        The sieves of the roles.
    labelled
        Of the same batch, whose keys are its queries.
    visibility
        Which keys a query may attend to.
    arrays
        The plan without them.
    """
    sides = [
        _weighed(_visible(_pairs(sieves), sieves, visibility)),
        _visible(_of_controls(labelled.controls), sieves, visibility),
    ]
    entries = _Entries(*(np.concatenate(columns) for columns in zip(*sides, strict=True)))
    first = labelled.offsets[entries.sequence]
    query, key = first + entries.query, first + entries.key
    stratum = stratum_of(
        key - query,
        labelled.labels[query],
        labelled.labels[key],
        _count_visible(entries, sieves, visibility),
        labelled.surroundings.of_entries(query, key),
    )
    order = np.lexsort((stratum, entries.role, entries.sequence))
    entries, stratum = entries.some(order), stratum[order]
    names = (entries.sequence, entries.role, stratum)
    row, starts = run_numbers(*names), run_starts(*names)[:-1]
    width = len(arrays.times_entropy)
    # The rows of a sequence are numbered from 0 on.
    sequence = entries.sequence[starts]
    number = np.arange(len(starts)) - np.searchsorted(sequence, sequence)
    rows = MatchedRows(
        sequence=sequence,
        role=entries.role[starts],
        stratum=stratum[starts],
        weight=np.bincount(row, entries.weight, minlength=len(starts)).astype(np.float32),
        column=width + number,
    )
    return rows, _with_columns(arrays, entries, rows.column[row], int(number.max(initial=-1)) + 1)


def _pairs(sieves: CompiledSieves) -> _Entries:
    """Return the entries of word pairs, with the numbers of their pairs for weights."""
    listed = sieves.listed[sieves.entry_role]
    columns = (
        sieves.entry_sequence,
        sieves.entry_role,
        sieves.entry_query,
        sieves.entry_key,
        sieves.entry_group,
    )
    return _Entries(*(column[listed].astype(np.int64) for column in columns))


def _of_controls(controls: Controls) -> _Entries:
    owner = np.repeat(np.arange(len(controls.offsets) - 1), np.diff(controls.offsets))
    query, key = controls.query.astype(np.int64), controls.key.astype(np.int64)
    return _Entries(owner, np.full_like(query, CONTROL), query, key, np.ones(len(query)))


def _weighed(entries: _Entries) -> _Entries:
    """Return entries of word pairs with their weights, of those numbered by pair."""
    # Entries are sorted by role, sequence, pair, query and key. The rows of a pair, and the keys of
    # a row, are runs:
    #
    #     pair     4 4 4 4 | 5        query    1 1 2 2 | 7
    #     keys     2 2 2 2   1        rows     2 2 2 2   1        weight   1/4 each, and 1
    pair = (entries.role, entries.sequence, entries.weight)
    row = (*pair, entries.query)
    keys = np.diff(run_starts(*row))[run_numbers(*row)]
    # The first entry of each row counts its row.
    first = np.zeros(len(keys))
    first[run_starts(*row)[:-1]] = 1
    rows = np.bincount(run_numbers(*pair), first)[run_numbers(*pair)]
    return entries._replace(weight=1 / (keys * rows))


def _visible(entries: _Entries, sieves: CompiledSieves, visibility: Visibility) -> _Entries:
    low, high = _sight(entries, sieves, visibility)
    return entries.some((low <= entries.key) & (entries.key < high))


def _count_visible(entries: _Entries, sieves: CompiledSieves, visibility: Visibility) -> Array:
    low, high = _sight(entries, sieves, visibility)
    return high - low


def _sight(
    entries: _Entries, sieves: CompiledSieves, visibility: Visibility
) -> tuple[Array, Array]:
    """Return V(i) = [low, high) of the query of each entry, as csrc/planning/sieves.h draws it."""
    query, n = entries.query, sieves.lengths[entries.sequence].astype(np.int64)
    causal, window = visibility
    low, high = np.zeros_like(query), query + 1 if causal else n
    if window is not None:
        low = np.maximum(low, query - window + causal)
        high = np.minimum(high, query + window + 1)
    return low, high


def _with_columns(arrays: PlanArrays, entries: _Entries, column: Ints, more: int) -> PlanArrays:
    """Return a plan with further pair roles, `column` of each entry, in `more` columns."""
    offsets = arrays.pair_offsets
    rows = len(offsets) - 1
    row = [np.repeat(np.arange(rows), np.diff(offsets))]
    row.append(entries.sequence * arrays.tokens + entries.query)
    role = np.concatenate([arrays.pair_role, column.astype(np.int32)])
    key = np.concatenate([arrays.pair_key, entries.key.astype(np.int32)])
    weight = np.concatenate([arrays.pair_weight, entries.weight.astype(np.float32)])
    order = np.lexsort((role, key, np.concatenate(row)))
    return replace(
        arrays,
        times_entropy=_widened(arrays.times_entropy, more, 0),
        pair_offsets=offsets_of(np.bincount(np.concatenate(row), minlength=rows)),
        pair_role=role[order],
        pair_key=key[order],
        pair_weight=weight[order],
        takes_part=_widened(arrays.takes_part, more, True),
        attainable=_widened(arrays.attainable, more, np.nan),
    )


def _widened(columns: Array, more: int, fill: float) -> Array:
    shape = (*columns.shape[:-1], more)
    return np.concatenate([columns, np.full(shape, fill, columns.dtype)], axis=-1)
