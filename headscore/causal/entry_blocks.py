"""The entries of a role in a batch, and those that may stand in for them, by blocks of rows.

The rows of a batch are numbered ``sequence * T + query``; a block holds bools (row, key) of so many
rows that no T x T array of a long sequence exists.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch

from headscore.arrays import Array, Bools, Ints
from headscore.backends.contract import Visibility
from headscore.encoding.encoded import Encoded
from headscore.model.masks import visible
from headscore.roles.role import Role
from headscore.sieves.batch_plan import BatchPlan

_BLOCK_ENTRIES = 2**20


class Entries(NamedTuple):
    """Entries of a batch; int64 (entry,) each.

    Attributes
    ----------
    row
        Number of the row, ``sequence * T + query``.
    key
        Place of the key in the sequence.
    """

    row: Ints
    key: Ints

    @classmethod
    def sorted(cls, row: Array, key: Array) -> Entries:
        """Return entries in the order of their rows."""
        order = np.argsort(row, kind="stable")
        return cls(row[order].astype(np.int64), key[order].astype(np.int64))

    @classmethod
    def marked(cls, block: Bools, rows: Ints) -> Entries:
        """Return those that a block of rows marks, bool (row, key)."""
        place, key = block.nonzero()
        return cls(rows[place], key)

    @classmethod
    def joined(cls, parts: Iterable[Entries]) -> Entries:
        """Return the entries of all parts."""
        none = cls(np.zeros(0, np.int64), np.zeros(0, np.int64))
        return cls(*(np.concatenate(columns) for columns in zip(none, *parts, strict=True)))

    def at(self, chosen: Array) -> Entries:
        """Return some of them, by index or bool (entry,)."""
        return Entries(self.row[chosen], self.key[chosen])

    def mark(self, into: Bools, rows: Ints, *, as_: bool) -> None:
        """Set those in a block of increasing rows, bool (row, key); they must be sorted by row."""
        if not len(self.row) or not len(rows):
            return
        start, stop = np.searchsorted(self.row, [rows[0], rows[-1] + 1])
        row, key = self.row[start:stop], self.key[start:stop]
        place = np.searchsorted(rows, row)
        inside = rows[place] == row  # `rows` may leave some out
        into[place[inside], key[inside]] = as_

    def offsets(self, tokens: int) -> Ints:
        """Return the number of the sequence and offset of each, ``2 T sequence + offset + T``."""
        sequence, query = np.divmod(self.row, tokens)
        return 2 * tokens * sequence + self.key - query + tokens


@dataclass(frozen=True, eq=False)
class EntryBlocks:
    """A role in a batch under a visibility.

    Attributes
    ----------
    plan
        The sieve of the role, with the texts and arcs of the batch.
    visibility
        Which keys a query may attend to.
    own, barred
        Entries of a sieve of listed entries; those that hold an arc of the parse or, the other way
        round, an entry of the role.
    """

    plan: BatchPlan
    visibility: Visibility
    own: Entries
    barred: Entries

    @classmethod
    def of(cls, role: Role, encoded: Encoded, visibility: Visibility) -> EntryBlocks:
        """Compile a role for a batch."""
        plan = BatchPlan.of((role,), encoded)
        sieves, texts = plan.sieves, plan.texts
        assert texts is not None
        start = sieves.entry_sequence.astype(np.int64) * sieves.tokens
        flat = np.flatnonzero(encoded.real)  # row of each real token
        arcs = np.repeat(flat, np.diff(texts.arc_offsets)), texts.arc_keys
        reversed_ = start + sieves.entry_key, sieves.entry_query
        barred = (np.concatenate(both) for both in zip(arcs, reversed_, strict=True))
        return cls(
            plan=plan,
            visibility=visibility,
            own=Entries.sorted(start + sieves.entry_query, sieves.entry_key),
            barred=Entries.sorted(*barred),
        )

    @property
    def tokens(self) -> int:
        """Padded length T."""
        return self.plan.tokens

    @property
    def real(self) -> Bools:
        """Bool (row,): a token, not padding."""
        return np.asarray(np.arange(self.tokens) < self.plan.lengths[:, None]).ravel()

    def with_any(self, rows: Ints) -> Bools:
        """Mark the rows that are listed, bool (row,)."""
        marked = np.zeros(self.plan.batch * self.tokens, np.bool_)
        marked[rows] = True
        return marked

    def blocks(self, rows: Ints) -> Iterator[Ints]:
        """Cut rows into blocks."""
        size = max(1, _BLOCK_ENTRIES // self.tokens)
        for start in range(0, len(rows), size):
            yield rows[start : start + size]

    @cached_property
    def edges(self) -> Entries:
        """All visible entries of the role, sorted by row."""
        return Entries.joined(
            Entries.marked(self.entries(rows), rows)
            for rows in self.blocks(np.flatnonzero(self.real))
        )

    def entries(self, rows: Ints) -> Bools:
        """Return the visible entries of the role in some rows, bool (row, key)."""
        return self._entries(rows) & self._visible(rows)

    def others(self, rows: Ints) -> Bools:
        """Return the visible entries that may stand in for the role's, bool (row, key).

        Those of listed entries lie between two tokens of one text, and hold no arc of the parse.
        """
        found = self._visible(rows) & ~self._entries(rows)
        if self.plan.sieves.listed[0]:
            found &= self._of_one_text(rows)
            self.barred.mark(found, rows, as_=False)
        return found

    def _entries(self, rows: Ints) -> Bools:
        sieves, sequence = self.plan.sieves, rows // self.tokens
        if not len(sieves.label_role):
            found = np.zeros((len(rows), self.tokens), np.bool_)
            self.own.mark(found, rows, as_=True)
            return found
        query = sieves.query_label[0].ravel()[rows, None]
        low, high = sieves.band[0]
        offset = np.arange(self.tokens) - (rows % self.tokens)[:, None]
        found = (sieves.key_label[0][sequence] == query) & (query >= 0)
        return np.asarray(found & (low <= offset) & (offset <= high))

    def _visible(self, rows: Ints) -> Bools:
        """Return the keys that each row may attend to."""
        query, key = torch.from_numpy(rows % self.tokens), torch.arange(self.tokens)
        pattern = visible(self.visibility, query, key).numpy()
        lengths = self.plan.lengths[rows // self.tokens]
        return np.asarray(pattern & (np.arange(self.tokens) < lengths[:, None]))

    def _of_one_text(self, rows: Ints) -> Bools:
        """Return the keys that lie in the text of the row's token; special tokens lie in none."""
        assert self.plan.texts is not None
        text = np.full(self.plan.batch * self.tokens, -1)
        text[self.real] = self.plan.texts.text
        of_row = text[rows, None]
        return np.asarray(
            (text.reshape(-1, self.tokens)[rows // self.tokens] == of_row) & (of_row >= 0)
        )
