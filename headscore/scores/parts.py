"""Parts: concatenate the scores of the parts of a corpus, in memory or on disk."""

from __future__ import annotations

import contextlib
import hashlib
import io
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from headscore.arrays import Ints
from headscore.errors import InputError
from headscore.log import log
from headscore.options import ScoreOptions
from headscore.roles.presence import Presence
from headscore.scores.head_scores import LAYOUT, SUMS, HeadScores
from headscore.scores.matched_rows import MATCHED, shifted
from headscore.scores.repeats import Repeats, not_kept

# 1 GiB: 10 roles x 144 heads in float32 are 5.8 kB a sequence, so about 186000 sequences.
BUDGET = 2**30  # bytes of a column that stay in memory
_BUDGETS = {"auto": BUDGET, "memory": sys.maxsize, "disk": 0}
# Arrays whose first axis is the sequence are concatenated, and so are the rows of the matched
# control; SUMS are added up; roles, heads and facts come from the first part.
_PER_SEQUENCE = tuple(name for name, each in LAYOUT.items() if each.axes[0] == "s")


@dataclass(frozen=True, eq=False)
class Part:
    """The scores of consecutive sequences of a corpus.

    Attributes
    ----------
    scores
        Its scores; None where no sequence of it could be used. Their fact ``corpus`` is the hash of
        this part, or those of its chunks with commas between them.
    counts
        Counts of reading and encoding, besides those of the scores.
    presence
        Which roles and parses it holds.
    """

    scores: HeadScores | None
    counts: Mapping[str, int] = field(default_factory=dict)
    presence: Presence = field(default_factory=Presence)


def gather(
    parts: Iterable[Part],
    counts: Counter[str] | None = None,
    presence: Presence | None = None,
    *,
    keep: str = ScoreOptions.keep_scores,
    budget: int | None = None,
    more: bool = False,
) -> HeadScores | None:
    """Concatenate the scores of the parts of a corpus, in order, holding one part at a time.

    Parameters
    ----------
    parts
        With the same roles, layers and heads.
    counts
        The counts of the parts, also of those without scores, are added to it, and the number of
        sequences that repeat an earlier one.
    presence
        The presence of roles in the parts is added to it.
    keep
        ``"auto"``: columns of more than `budget` bytes go to disk, and are mapped into memory from
        there; ``"disk"``: all do; ``"memory"``: none. The files have no name, so the system
        deletes them with their last use, however the process ends. They lie in the folder for
        temporary files (TMPDIR).
    budget
        Bytes of a column; overrides the budget of `keep`.
    more
        Other parts follow: repeated sequences are not counted, and the fact ``corpus``
        keeps the hash of each chunk.

    Returns
    -------
    HeadScores
        Of all parts, with all counts; None where no part has any.

    Raises
    ------
    InputError
        The disk is full.
    """
    # A budget holds for each array on its own: values may be on disk while tokens stay in memory.
    columns = _Columns(_BUDGETS[keep] if budget is None else budget)
    counts = Counter() if counts is None else counts
    presence = Presence() if presence is None else presence
    totals = Totals()
    repeats = Repeats()
    hashes: list[str] = []
    for scores in totals.join(parts, counts, presence):
        columns.append(scores)
        if more:
            hashes.append(scores.facts.get("corpus", ""))
        elif scores.tokens is not None:
            repeats.add(scores.tokens)
        del scores  # before the next ones are made
    if totals.kind is None:
        return None
    counts.update(repeats.counts())
    return HeadScores(
        roles=totals.roles,
        sequence_ids=tuple(columns.ids),
        documents=tuple(columns.documents) if any(columns.documents) else None,
        facts={**totals.facts, "corpus": ",".join(hashes) if more else totals.corpus()},
        counts=dict(sorted(counts.items())),
        overlap=totals.sums.get("overlap"),
        position_sums=totals.sums.get("position_sums"),
        heads=totals.heads,
        hidden=totals.sums.get("hidden"),
        **columns.joined(),
    )


def kept_bytes(scores: HeadScores, n_sequences: int, *, keep: str) -> tuple[int, int]:
    """Estimate the size of the scores of many sequences from those of a few.

    Parameters
    ----------
    scores
        Of the few.
    n_sequences
        Number of sequences of the whole corpus.
    keep
        As in `gather`; or ``"none"``: they are added up.

    Returns
    -------
    tuple
        Bytes in memory, and bytes in the folder for temporary files.
    """
    if keep == "none":
        return 0, 0
    arrays = [getattr(scores, name) for name in (*_PER_SEQUENCE, *MATCHED)]
    sizes = [a.nbytes * n_sequences // scores.n_sequences for a in arrays if a is not None]
    in_memory = sum(size for size in sizes if size <= _BUDGETS[keep])
    return in_memory, sum(sizes) - in_memory


class Column:
    """An array that grows along its first axis.

    Parameters
    ----------
    name
        Its name in the log.
    like
        An array with its dtype and its other axes.
    budget
        Bytes it may take in memory before it goes to disk.
    """

    def __init__(self, name: str, like: npt.NDArray[Any], budget: int) -> None:
        self.rows = 0
        self._name, self._dtype, self._shape = name, like.dtype, like.shape[1:]
        self._budget = budget
        self._file: IO[bytes] = io.BytesIO()

    @property
    def has_nan(self) -> bool:
        """Whether its dtype has NaN, with which missing rows are filled up."""
        return np.issubdtype(self._dtype, np.floating)

    def append(self, array: npt.NDArray[Any]) -> None:
        """Add rows."""
        self.rows += len(array)
        # The bytes are appended as they are: the file is the array in C order, ready to be mapped.
        self._write(np.ascontiguousarray(array).data)

    def pad(self, rows: int) -> None:
        """Append rows of NaN up to a number of rows."""
        if rows > self.rows:
            self.append(np.full((rows - self.rows, *self._shape), np.nan, self._dtype))

    def array(self, rows: int) -> npt.NDArray[Any]:
        """Return all rows, padded to `rows`; memory-mapped if they are on disk."""
        self.pad(rows)
        shape = (self.rows, *self._shape)
        if not self.rows:  # neither a buffer nor a file of no bytes can be mapped
            return np.empty(shape, self._dtype)
        if isinstance(self._file, io.BytesIO):
            # Both views share the bytes: no copy is made of an array that may fill the memory.
            return np.frombuffer(self._file.getbuffer(), self._dtype).reshape(shape)
        with self._file:
            # The mapping outlives the file object; the unnamed file is freed with the last
            # reference.
            return np.memmap(self._file, self._dtype, "r", shape=shape)

    def _write(self, content: memoryview) -> None:
        try:
            in_memory = isinstance(self._file, io.BytesIO)
            if in_memory and self._file.tell() + content.nbytes > self._budget:
                self._move()
            self._file.write(content)
            self._file.flush()
        except OSError as error:
            with contextlib.suppress(OSError):
                self._file.close()
            raise not_kept(self._name, error) from error

    def _move(self) -> None:
        """Move the rows from memory to an unnamed temporary file."""
        kept = self._file
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed once it is mapped
        log.info("%s go to disk, in %s", self._name, tempfile.gettempdir())
        self._file.write(kept.getbuffer())  # type: ignore[attr-defined]


@dataclass
class Totals:
    """The facts and sums of the parts of a corpus, without the scores of each sequence.

    Attributes
    ----------
    kind
        Roles, layers, heads; None until there are scores.
    facts, heads
        Those of the first scores.
    n_sequences
        Number of sequences so far.
    sums
        The arrays that are summed, by name.
    """

    kind: tuple[tuple[str, ...], int, int] | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    n_sequences: int = 0
    heads: Ints | None = None
    sums: dict[str, Ints] = field(default_factory=dict)
    # The hash of the first part, and that of the hashes of all parts with commas between them.
    _first: str | None = None
    _digest: Any = field(default_factory=hashlib.sha256)
    _single: bool = True

    @property
    def roles(self) -> tuple[str, ...]:
        """Name of each role."""
        return () if self.kind is None else self.kind[0]

    def add(self, scores: HeadScores) -> None:
        """Add the scores of the next part; raise InputError if roles, layers or heads differ."""
        # (role names, layers, heads): the axes on which parts cannot be concatenated.
        kind = (scores.roles, *scores.values.shape[2:])
        if self.kind is None:
            self.kind, self.facts, self.heads = kind, scores.facts, scores.heads
        if kind != self.kind:
            raise InputError(
                "parts of a corpus must have the same roles, layers and heads, "
                f"got {self.kind} and {kind}"
            )
        self.n_sequences += len(scores.sequence_ids)
        self._add_hash(scores.facts.get("corpus", ""))
        for name in SUMS:
            array = getattr(scores, name)
            if array is not None:
                self.sums[name] = self.sums.get(name, 0) + array

    def join(
        self, parts: Iterable[Part], counts: Counter[str], presence: Presence
    ) -> Iterator[HeadScores]:
        """Add one part after the other, with counts and presence; yield the scores, if it has any.

        No part is held while the next one is made.
        """
        for part in parts:
            counts.update(part.counts)
            presence.add(part.presence)
            scores = part.scores
            del part
            if scores is not None:
                self.add(scores)
                counts.update(scores.counts)
                yield scores
            del scores

    def corpus(self) -> str:
        """Return the hash of the chunk hashes; for a single chunk its own hash."""
        if self._single:
            return self._first or ""
        return str(self._digest.hexdigest()[:12])

    def _add_hash(self, chunks: str) -> None:
        # A part may be a merge itself, its hash a list with commas. The hash is taken over the
        # chunks in order, so it does not depend on how chunks were grouped into parts.
        self._single = self._first is None and "," not in chunks
        self._digest.update((chunks if self._first is None else f",{chunks}").encode())
        self._first = chunks if self._first is None else self._first


@dataclass
class _Columns:
    """The ids, documents and arrays of all sequences so far."""

    budget: int
    arrays: dict[str, Column] = field(default_factory=dict)
    rows: dict[str, Column] = field(default_factory=dict)  # of the matched control
    ids: list[str] = field(default_factory=list)
    documents: list[str | None] = field(default_factory=list)

    def append(self, scores: HeadScores) -> None:
        for name in _PER_SEQUENCE:
            array = getattr(scores, name)
            if array is not None:
                column = self.arrays.setdefault(name, Column(name, array, self.budget))
                if column.has_nan:  # a part without it is filled up
                    column.pad(len(self.ids))
                if column.rows == len(self.ids):
                    column.append(array)
        for name in MATCHED:
            array = getattr(scores, name)
            if array is not None:
                column = self.rows.setdefault(name, Column(name, array, self.budget))
                column.append(shifted(name, array, len(self.ids)))
        self.ids += scores.sequence_ids
        self.documents += scores.documents or [None] * len(scores.sequence_ids)

    def joined(self) -> dict[str, npt.NDArray[Any]]:
        """Return all arrays by name."""
        n = len(self.ids)
        # Integers that a part lacks, as one of an older version may, are unknown of the whole.
        arrays = {
            name: column.array(n)
            for name, column in self.arrays.items()
            if column.has_nan or column.rows == n
        }
        return arrays | {name: column.array(column.rows) for name, column in self.rows.items()}
