"""Position control: columns beside the roles of a plan that say what its pairs are compared with.

A head that always looks at the next word finds the noun of most adjectives. So the attention of a
head on a pair of words is compared with its attention at the same offset, key - query, elsewhere
in the sequence. A cell is a query and a key token. The comparison cells of an offset are those that
are visible, lie between two tokens of one text, and hold no pair of the role; where a sequence has
more than 128 at an offset, 128 evenly spaced ones. Special tokens are left out because no pair can
hold one: the last word looks at a separator where others look at their neighbour.

Kernels need to know nothing of this. What is compared comes out of them in further columns, each
attention once:

    column     0 .. R-1     one per distinct cell     one per offset of the sequence
    holds      the scores   its attention             the sum over its cells that hold no pair

and the comparison cells of a role are the latter with those that hold pairs of other roles only.
`headscore.sieves.ratios` makes ratios of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from headscore.arrays import Array, offsets_of, rank_within, run_numbers
from headscore.backends.contract import PlanArrays, Visibility
from headscore.encoding.encoded import Encoded
from headscore.sieves.plan import SievePlan, visible_range

MOST = 128  # cells looked at for an offset, so that their number grows with T and not T x T
_AT_A_TIME = 1 << 16  # cells enumerated


class Cells(NamedTuple):
    """Some cells of a batch, int64 (cell,) each."""

    sequence: Array
    query: Array
    key: Array

    def at(self, chosen: Array) -> Cells:
        """Return some of the cells."""
        return Cells(*(column[chosen] for column in self))


@dataclass(frozen=True, eq=False)
class Controlled:
    """A plan with columns beside its roles; backends take it as they take the plan itself.

    Attributes
    ----------
    plan
        The sieves of the roles.
    entry_role, entry_pair, entry_cell
        int64 (entry,): which cells each pair of a role has; pairs are numbered over the batch.
    cells
        The distinct cells of all pairs.
    comparable
        bool (cell,): roles that have no pair there compare theirs with it.
    offset
        int64 (cell,): number of the cell's offset; each sequence has offsets of its own.
    free, free_offset
        Comparison cells without a pair of any role, and the numbers of their offsets.
    column_sequence, column_number
        int64 (column,): sequence of a column, and its number there, for one column of each cell
        and then one of each offset.
    """

    plan: SievePlan
    entry_role: Array
    entry_pair: Array
    entry_cell: Array
    cells: Cells
    comparable: Array
    offset: Array
    free: Cells
    free_offset: Array
    column_sequence: Array
    column_number: Array
    _arrays: dict[Visibility, PlanArrays] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, plan: SievePlan, encoded: Encoded, *, compared: bool = True) -> Controlled:
        """Find what the pairs of a plan are compared with.

        Parameters
        ----------
        plan
            The sieves of some roles.
        encoded
            What the plan was made for.
        compared
            Whether anything is; if not there are no further columns.
        """
        listed = plan.listed[plan.entry_role] & compared
        role, sequence, group, query, key = (
            column[listed]
            for column in (
                plan.entry_role,
                plan.entry_sequence,
                plan.entry_group,
                plan.entry_query,
                plan.entry_key,
            )
        )
        cells, cell = _distinct(Cells(sequence, query, key), plan)
        spans, offset = _distinct_offsets(cells, plan)
        sample, sample_offset = _sample(spans, _texts(encoded))
        place, sampled = _place(cells, plan), _place(sample, plan)
        free = ~np.isin(sampled, place)
        owner = np.append(cells.sequence, spans.sequence)
        return cls(
            plan,
            role,
            run_numbers(role, sequence, group),
            cell,
            cells,
            np.isin(place, sampled),
            offset,
            sample.at(free),
            sample_offset[free],
            owner,
            len(plan.names) + rank_within(owner),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The roles, then a name for every other column."""
        return *self.plan.names, *(f"column {number}" for number in range(self._further))

    @property
    def batch(self) -> int:
        """Number of sequences."""
        return self.plan.batch

    @property
    def lengths(self) -> Array:
        """int32 (batch,), real tokens of each sequence."""
        return self.plan.lengths

    @property
    def tokens(self) -> int:
        """Padded length T."""
        return self.plan.tokens

    def arrays(self, visibility: Visibility) -> PlanArrays:
        """Return the kernels' arrays under a visibility (computed once for each).

        Only `token_takes_part` has the roles alone: for all columns it would be of size T x T.
        """
        if visibility not in self._arrays:
            self._arrays[visibility] = self._widened(self.plan.arrays(visibility), visibility)
        return self._arrays[visibility]

    def seen(self, cells: Cells, visibility: Visibility) -> Array:
        """Say which cells a query may attend to, bool (cell,)."""
        begin, end = visible_range(self.plan.lengths, self.tokens, visibility)
        at = cells.sequence, cells.query
        return np.asarray((cells.key >= begin[at]) & (cells.key < end[at]))

    @property
    def _further(self) -> int:
        """Columns beside the roles, of the sequence that has most."""
        roles = len(self.plan.names)
        return int(self.column_number.max(initial=roles - 1)) + 1 - roles

    def _widened(self, base: PlanArrays, visibility: Visibility) -> PlanArrays:
        """Enter the cells of the columns, of weight 1, among those of the roles."""
        cells = Cells(*(np.append(*both) for both in zip(self.cells, self.free, strict=True)))
        column = np.append(np.arange(len(self.offset)), len(self.offset) + self.free_offset)
        rows = self.batch * self.tokens
        row = np.append(
            np.repeat(np.arange(rows), np.diff(base.pair_offsets)),
            cells.sequence * self.tokens + cells.query,
        )
        role = np.append(base.pair_role, self.column_number[column]).astype(np.int32)
        key = np.append(base.pair_key, cells.key).astype(np.int32)
        weight = np.append(base.pair_weight, self.seen(cells, visibility)).astype(np.float32)
        order = np.lexsort((role, key, row))
        return replace(
            base,
            times_entropy=np.append(base.times_entropy, np.zeros(self._further, np.uint8)),
            pair_offsets=offsets_of(np.bincount(row, minlength=rows)),
            pair_role=role[order],
            pair_key=key[order],
            pair_weight=weight[order],
            takes_part=_widen(base.takes_part, self._further, True),
            attainable=_widen(base.attainable, self._further, np.nan),
        )


def _place(cells: Cells, plan: SievePlan) -> Array:
    return np.ravel_multi_index(cells, (plan.batch, plan.tokens, plan.tokens))


def _distinct(cells: Cells, plan: SievePlan) -> tuple[Cells, Array]:
    """Return the distinct cells, and the number of each cell among them."""
    places, number = np.unique(_place(cells, plan), return_inverse=True)
    return Cells(*np.unravel_index(places, (plan.batch, plan.tokens, plan.tokens))), number


class Spans(NamedTuple):
    """Offsets that occur in a batch, int64 (offset,) each."""

    sequence: Array
    offset: Array


def _distinct_offsets(cells: Cells, plan: SievePlan) -> tuple[Spans, Array]:
    """Return the distinct offsets of each sequence, and the number of each cell's."""
    wide = plan.batch, 2 * plan.tokens
    spans = cells.sequence, cells.key - cells.query + plan.tokens
    places, number = np.unique(np.ravel_multi_index(spans, wide), return_inverse=True)
    sequence, shifted = np.unravel_index(places, wide)
    return Spans(sequence, shifted - plan.tokens), number


def _texts(encoded: Encoded) -> Array:
    """Return the number of each token's text, -1 for special tokens and padding; (batch, T)."""
    return encoded.grid(np.where(encoded.special, -1, encoded.segments), fill=-1)


def _in_one_text(texts: Array, cells: Cells) -> Array:
    query, key = texts[cells.sequence, cells.query], texts[cells.sequence, cells.key]
    return np.asarray((query == key) & (query >= 0))


def _sample(spans: Spans, texts: Array) -> tuple[Cells, Array]:
    """Return up to `MOST` cells of one text at each offset, and the numbers of their offsets."""
    step = max(1, _AT_A_TIME // max(1, texts.shape[1]))
    numbers = [
        np.arange(len(spans.offset))[n : n + step] for n in range(0, len(spans.offset), step)
    ]
    parts = [_sample_of(number, spans, texts) for number in [*numbers, np.zeros(0, np.int64)]]
    cells, number = zip(*parts, strict=True)
    return Cells(*map(np.concatenate, zip(*cells, strict=True))), np.concatenate(number)


def _sample_of(numbers: Array, spans: Spans, texts: Array) -> tuple[Cells, Array]:
    """Do it for the offsets of some numbers, sorted.

    Of m > MOST cells the k-th one kept is number k m // MOST: those whose own number, times MOST,
    lies less than MOST before a multiple of m.
    """
    offset = spans.offset[numbers]
    number = np.repeat(numbers, np.maximum(0, texts.shape[1] - np.abs(offset)))
    query = rank_within(number) + np.maximum(0, -spans.offset[number])
    cells = Cells(spans.sequence[number], query, query + spans.offset[number])
    chosen = _in_one_text(texts, cells)
    cells, number = cells.at(chosen), number[chosen]
    kept = -rank_within(number) * MOST % np.bincount(number)[number] < MOST
    return cells.at(kept), number[kept]


def _widen(array: Array, further: int, fill: float) -> Array:
    """Fill the further columns of an array (batch, role, ...)."""
    padding = [(0, 0), (0, further)] + [(0, 0)] * (array.ndim - 2)
    return np.pad(array, padding, constant_values=fill)
