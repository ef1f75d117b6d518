"""Position control: further columns of a plan, which hold what its word pairs are compared with.

A head that always looks at the next word finds the noun of most adjectives. So the attention of a
head on a word pair is compared with its attention at the same offset, key - query, elsewhere in the
sequence. The comparison entries of an offset are those that are visible, lie between two tokens of
one text, and belong to no word pair of the role; where a sequence has more than 128 at an offset,
128 evenly spaced ones. Special tokens are left out because no word pair can contain one: the last
word of a text looks at a separator where other words look at their neighbour.

To a kernel the further columns are pair roles like any other, and each attention is computed for
one column only::

    column     0 .. R-1     R ..
    holds      the scores   one per distinct entry   one per offset of the sequence:
                            of a word pair:          the sum over its free entries,
                            its attention            those of no word pair of any role

The comparison entries of a role are the free ones together with the entries that belong to word
pairs of other roles only. `headscore.sieves.ratios` computes the ratios. An example with two roles,
A and B, at offset 1 of a sequence of six tokens::

    query      0    1    2    3    4
    entry      A    .    B    .    A,B      A compares its pairs with entries 1, 2 and 3,
    column     R    R+3  R+1  R+3  R+2      B its own with 0, 1 and 3
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import NamedTuple

import numpy as np

from headscore.arrays import Array, offsets_of, rank_within, run_numbers
from headscore.backends.contract import PlanArrays, Visibility
from headscore.encoding.encoded import Encoded
from headscore.sieves.plan import SievePlan
from headscore.sieves.weights import visible_range

MOST = 128  # entries sampled of an offset, so that their number grows with T and not T x T
_AT_A_TIME = 1 << 16  # entries enumerated at once: about 0.5 MiB for each int64 column of them


class Entries(NamedTuple):
    """Entries of a batch, one int64 (entry,) column for each part of their place."""

    sequence: Array
    query: Array
    key: Array

    def at(self, chosen: Array) -> Entries:
        """Return the entries of some numbers, or of a mask."""
        return Entries(*(column[chosen] for column in self))


@dataclass(frozen=True, eq=False)
class PositionPlan:
    """A plan with position control; backends accept it in place of the plan.

    Attributes
    ----------
    plan
        The sieves of the roles.
    member_role, member_pair, member_entry
        int64 (member,): a member is an entry as part of a word pair of a role; these are the role,
        the word pair, numbered over the batch, and the number of the entry in `entries`.
    entries
        The distinct entries of all word pairs.
    comparable
        bool (entry,): in the sample of its offset, so a comparison entry for every role that has
        no word pair there.
    offset
        int64 (entry,): number of the entry's offset; offsets are numbered over the batch, the same
        offset in two sequences has two numbers.
    free, free_offset
        Comparison entries of no word pair of any role, and the numbers of their offsets.
    column_sequence, column_number
        int64 (column,): sequence of a column, and its number there, for one column of each entry
        and then one of each offset.
    """

    plan: SievePlan
    member_role: Array
    member_pair: Array
    member_entry: Array
    entries: Entries
    comparable: Array
    offset: Array
    free: Entries
    free_offset: Array
    column_sequence: Array
    column_number: Array
    _arrays: dict[Visibility, PlanArrays] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def of(cls, plan: SievePlan, encoded: Encoded, *, compared: bool = True) -> PositionPlan:
        """Find the comparison entries of the word pairs of a plan.

        Parameters
        ----------
        plan
            The sieves of some roles.
        encoded
            The batch that the plan was compiled for.
        compared
            Whether word pairs are compared; if not, there are no further columns.
        """
        # Bool masks have entries but no word pairs, so they are not compared.
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
        entries, entry = _distinct(Entries(sequence, query, key), plan)
        offsets, offset = _distinct_offsets(entries, plan)
        sample, sample_offset = _sample(offsets, _texts(encoded))
        # The sample of an offset contains entries of word pairs too. Those already have a column of
        # their own; the others are free and share the column of their offset.
        place, sampled = _place(entries, plan), _place(sample, plan)
        free = ~np.isin(sampled, place)
        # One column for each entry, then one for each offset. A column is numbered within its
        # sequence, so that a batch needs as many as its largest sequence, not the sum of all.
        owner = np.append(entries.sequence, offsets.sequence)
        return cls(
            plan=plan,
            member_role=role,
            member_pair=run_numbers(role, sequence, group),
            member_entry=entry,
            entries=entries,
            comparable=np.isin(place, sampled),
            offset=offset,
            free=sample.at(free),
            free_offset=sample_offset[free],
            column_sequence=owner,
            column_number=len(plan.names) + rank_within(owner),
        )

    @property
    def names(self) -> tuple[str, ...]:
        """The roles, then a name for every further column."""
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

        `token_takes_part` covers the roles only: for all columns it would be of size T x T.
        """
        if visibility not in self._arrays:
            self._arrays[visibility] = self._widened(self.plan.arrays(visibility), visibility)
        return self._arrays[visibility]

    def visible(self, entries: Entries, visibility: Visibility) -> Array:
        """Return whether each entry's query may attend to its key, bool (entry,)."""
        begin, end = visible_range(self.plan.lengths, self.tokens, visibility)
        at = entries.sequence, entries.query
        return np.asarray((entries.key >= begin[at]) & (entries.key < end[at]))

    @property
    def _further(self) -> int:
        """Number of further columns, the most that any sequence has."""
        roles = len(self.plan.names)
        return int(self.column_number.max(initial=roles - 1)) + 1 - roles

    def _widened(self, base: PlanArrays, visibility: Visibility) -> PlanArrays:
        """Insert the entries of the further columns, of weight 1, among those of the roles."""
        # A word-pair entry n has column n, a free entry the column of its offset, numbered behind
        # those of all entries.
        entries = Entries(*(np.append(*two) for two in zip(self.entries, self.free, strict=True)))
        column = np.append(np.arange(len(self.offset)), len(self.offset) + self.free_offset)
        rows = self.batch * self.tokens
        # CSR offsets back to one row number per entry, so that old and new entries can be merged.
        row = np.append(
            np.repeat(np.arange(rows), np.diff(base.pair_offsets)),
            entries.sequence * self.tokens + entries.query,
        )
        role = np.append(base.pair_role, self.column_number[column]).astype(np.int32)
        key = np.append(base.pair_key, entries.key).astype(np.int32)
        weight = np.append(base.pair_weight, self.visible(entries, visibility)).astype(np.float32)
        order = np.lexsort((role, key, row))  # as `weigh` sorts: by row, then key, then role
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


def _place(entries: Entries, plan: SievePlan) -> Array:
    """Return one flat number for each (sequence, query, key), int64 (entry,)."""
    return np.ravel_multi_index(entries, (plan.batch, plan.tokens, plan.tokens))


def _distinct(entries: Entries, plan: SievePlan) -> tuple[Entries, Array]:
    """Return the distinct entries, and the number of each entry among them."""
    places, number = np.unique(_place(entries, plan), return_inverse=True)
    return Entries(*np.unravel_index(places, (plan.batch, plan.tokens, plan.tokens))), number


class Offsets(NamedTuple):
    """Offsets that occur in a batch, int64 (offset,) each."""

    sequence: Array
    offset: Array


def _distinct_offsets(entries: Entries, plan: SievePlan) -> tuple[Offsets, Array]:
    """Return the distinct offsets of each sequence, and the number of each entry's offset."""
    # Offsets run from -(T - 1) to T - 1; shifted by T they fit one axis of length 2 T.
    wide = plan.batch, 2 * plan.tokens
    shifted = entries.key - entries.query + plan.tokens  # 1 .. 2 T - 1
    pairs = entries.sequence, shifted
    places, number = np.unique(np.ravel_multi_index(pairs, wide), return_inverse=True)
    sequence, shifted = np.unravel_index(places, wide)
    return Offsets(sequence, shifted - plan.tokens), number


def _texts(encoded: Encoded) -> Array:
    """Return the number of each token's text, -1 for special tokens and padding; (batch, T)."""
    return encoded.grid(np.where(encoded.special, -1, encoded.segments), fill=-1)


def _in_one_text(texts: Array, entries: Entries) -> Array:
    query = texts[entries.sequence, entries.query]
    key = texts[entries.sequence, entries.key]
    return np.asarray((query == key) & (query >= 0))


def _sample(offsets: Offsets, texts: Array) -> tuple[Entries, Array]:
    """Return up to `MOST` entries of one text at each offset, and the numbers of their offsets."""
    # An offset has at most T entries. Enumerating all of them at once would take T * offsets, up to
    # T x T for each sequence; blocks of `step` offsets bound the memory. The empty block at the end
    # gives the concatenations something to work on where there are no offsets.
    step = max(1, _AT_A_TIME // max(1, texts.shape[1]))
    every = np.arange(len(offsets.offset))
    numbers = [every[n : n + step] for n in range(0, len(every), step)]
    parts = [_sample_of(number, offsets, texts) for number in [*numbers, every[:0]]]
    entries, number = zip(*parts, strict=True)
    return Entries(*map(np.concatenate, zip(*entries, strict=True))), np.concatenate(number)


def _sample_of(numbers: Array, offsets: Offsets, texts: Array) -> tuple[Entries, Array]:
    """Sample the entries of some offsets, given by their sorted numbers; returns as `_sample`.

    Of m > MOST entries the k-th one kept is number k m // MOST. Entry n is one of these where
    n MOST is a multiple of m or less than MOST below one: -n MOST modulo m is below MOST. With MOST
    4 and m 10::

        number              0   1   2   3   4   5   6   7   8   9
        -4 * number % 10    0   6   2   8   4   0   6   2   8   4     kept where below 4
        kept                0       2           5       7
    """
    offset = offsets.offset[numbers]
    # Offset o has the T - |o| queries from max(0, -o) on; `rank_within` counts them from 0.
    number = np.repeat(numbers, np.maximum(0, texts.shape[1] - np.abs(offset)))
    query = rank_within(number) + np.maximum(0, -offsets.offset[number])
    entries = Entries(offsets.sequence[number], query, query + offsets.offset[number])
    chosen = _in_one_text(texts, entries)
    entries, number = entries.at(chosen), number[chosen]
    # The k-th entry is kept by its rank among the entries of one text, so that the sample does not
    # depend on padding. Of m <= MOST entries all are kept: a number modulo m is below MOST.
    kept = -rank_within(number) * MOST % np.bincount(number)[number] < MOST
    return entries.at(kept), number[kept]


def _widen(array: Array, further: int, fill: float) -> Array:
    """Append the further columns, filled with `fill`, to an array (batch, role, ...)."""
    padding = [(0, 0), (0, further)] + [(0, 0)] * (array.ndim - 2)
    return np.pad(array, padding, constant_values=fill)
