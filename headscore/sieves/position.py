"""Position control: further columns of a plan, which hold what its word pairs are compared with.

A head that always looks at the next word finds the noun of most adjectives. So the attention of a
head on a word pair is compared with its attention at the same offset, key - query, elsewhere in the
sequence. The comparison entries of an offset are those that are visible, lie between two tokens of
one text, and hold no arc of the parse in either direction, whatever its relation; where a sequence
has more than 128 at an offset, 128 evenly spaced ones. Of these a role leaves out the ones that
hold a word pair of its own in either direction, which only roles without the parse can have among
them: so what a role is compared with does not depend on the other roles. Special tokens are left
out because no word pair can contain one: the last word of a text looks at a separator where other
words look at their neighbour.

To a kernel the further columns are pair roles like any other, and each attention is computed for
one column only::

    column     0 .. R-1     R ..
    holds      the scores   one per distinct entry   one per offset of the sequence:
                            of a word pair:          the sum over its free entries, sampled
                            its attention            and of no word pair of any role

The comparison entries of a role are the free ones together with sampled entries that belong to
word pairs of other roles only. `headscore.sieves.excess` compares. An example at offset 1 of a
sequence of seven tokens, with a relation A of the parse, an arc x of a relation that is no role,
and a role B of listed pairs::

    query      0    1    2    3    4    5
    entry      A    .    B    .    x    .    A compares its pair with entries 1, 2, 3 and 5,
    column     R    R+2  R+1  R+2       R+2  B its own with 1, 3 and 5
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np

from headscore.arrays import Array, offsets_of, rank_within, run_numbers
from headscore.backends.contract import PlanArrays, Visibility
from headscore.encoding.encoded import Encoded
from headscore.sieves.plan import SievePlan
from headscore.sieves.sample import Entries, Offsets, sample_entries
from headscore.sieves.weights import visible_range


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
        The distinct entries of all word pairs, and the sampled ones whose reverse, the key's entry
        at the query, is of a word pair.
    own_role, own_entry
        int64: for each role the entries that hold one of its word pairs in either direction.
    sampled
        bool (entry,): in the sample of its offset, so a comparison entry for every role that it is
        not an own entry of.
    offset
        int64 (entry,): number of the entry's offset; offsets are numbered over the batch, the same
        offset in two sequences has two numbers.
    free, free_offset
        Sampled entries that are not among `entries`, and the numbers of their offsets.
    column_sequence, column_number
        int64 (column,): sequence of a column, and its number there, for one column of each entry
        and then one of each offset.
    """

    plan: SievePlan
    member_role: Array
    member_pair: Array
    member_entry: Array
    entries: Entries
    own_role: Array
    own_entry: Array
    sampled: Array
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
        members, reverses = Entries(sequence, query, key), Entries(sequence, key, query)
        offsets = Offsets.of(members, encoded)
        sample, sample_offset = sample_entries(offsets, encoded)
        # Entries with a column of their own: those of word pairs, and of the sample the ones whose
        # reverse is. All other sampled entries are free and share the column of their offset.
        sampled = sample.places(encoded)
        member_place, reverse_place = members.places(encoded), reverses.places(encoded)
        reversed_too = np.isin(reverse_place, sampled)
        place = np.union1d(member_place, reverse_place[reversed_too])
        entries = Entries.from_places(place, encoded)
        free = ~np.isin(sampled, place)
        own = np.append(member_place, reverse_place[reversed_too])
        # One column for each entry, then one for each offset. A column is numbered within its
        # sequence, so that a batch needs as many as its largest sequence, not the sum of all.
        owner = np.append(entries.sequence, offsets.sequence)
        return cls(
            plan=plan,
            member_role=role,
            member_pair=run_numbers(role, sequence, group),
            member_entry=np.searchsorted(place, member_place),
            entries=entries,
            own_role=np.append(role, role[reversed_too]),
            own_entry=np.searchsorted(place, own),
            sampled=np.isin(place, sampled),
            offset=offsets.number_of(entries, encoded),
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


def _widen(array: Array, further: int, fill: float) -> Array:
    """Append the further columns, filled with `fill`, to an array (batch, role, ...)."""
    padding = [(0, 0), (0, further)] + [(0, 0)] * (array.ndim - 2)
    return np.pad(array, padding, constant_values=fill)
