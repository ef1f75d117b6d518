"""Parts: the scores of a corpus that come part by part, joined in memory or on disk."""

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
from headscore.roles.presence import Presence
from headscore.scores.head_scores import LAYOUT, HeadScores

BUDGET = 2**30  # bytes of a column that stay in memory
_BUDGETS = {"auto": BUDGET, "memory": sys.maxsize, "disk": 0}
_PER_SEQUENCE = tuple(name for name, each in LAYOUT.items() if each.axes[0] == "s")
_ADD_UP = ("overlap", "hidden")


@dataclass(frozen=True, eq=False)
class Part:
    """The scores of a stretch of a corpus.

    Attributes
    ----------
    scores
        Its scores; None where no sequence of it could be used. Their fact ``corpus`` is the hash of
        this part, or those of its chunks with commas between them.
    counts
        What was counted on the way, beside the counts of the scores.
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
    keep: str = "auto",
    budget: int | None = None,
    more: bool = False,
) -> HeadScores | None:
    """Join the scores of the parts of a corpus, in order, holding one part at a time.

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
        there; ``"disk"``: all do; ``"memory"``: none. The files have no name: they are gone when
        nobody uses them, however the process ends. They lie in the folder for temporary files
        (TMPDIR).
    budget
        Bytes of a column, in place of those that `keep` stands for.
    more
        More of the corpus is to come: repeated sequences are not counted, and the fact ``corpus``
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
    columns = _Columns(_BUDGETS[keep] if budget is None else budget)
    counts = Counter() if counts is None else counts
    presence = Presence() if presence is None else presence
    totals = Totals()
    for scores in totals.join(parts, counts, presence):
        columns.append(scores)
        del scores  # before the next ones are made
    if totals.kind is None:
        return None
    arrays = {name: column.array(totals.n_sequences) for name, column in columns.arrays.items()}
    if "tokens" in arrays and not more:
        counts.update(count_duplicates(arrays["tokens"]))
    return HeadScores(
        roles=totals.roles,
        sequence_ids=tuple(columns.ids),
        documents=tuple(columns.documents) if any(columns.documents) else None,
        facts={**totals.facts, "corpus": totals.corpus(more=more)},
        counts=dict(sorted(counts.items())),
        overlap=totals.sums.get("overlap"),
        heads=totals.heads,
        hidden=totals.sums.get("hidden"),
        **arrays,
    )


def kept_bytes(scores: HeadScores, n_sequences: int, *, keep: str) -> tuple[int, int]:
    """Estimate from the scores of a few sequences the room that those of many take.

    Parameters
    ----------
    scores
        Of the few.
    n_sequences
        How many there will be.
    keep
        As in `gather`; or ``"none"``: they are added up.

    Returns
    -------
    tuple
        Bytes in memory, and bytes in the folder for temporary files.
    """
    if keep == "none":
        return 0, 0
    arrays = [getattr(scores, name) for name in _PER_SEQUENCE]
    sizes = [a.nbytes // len(a) * n_sequences for a in arrays if a is not None]
    in_memory = sum(size for size in sizes if size <= _BUDGETS[keep])
    return in_memory, sum(sizes) - in_memory


def count_duplicates(tokens: npt.NDArray[np.uint64]) -> dict[str, int]:
    """Count the sequences whose token hash came before, and log a warning."""
    repeated = len(tokens) - len(np.unique(tokens))
    if not repeated:
        return {}
    log.warning("%d of %d sequences repeat an earlier one", repeated, len(tokens))
    return {"duplicate_sequences": repeated}


class Column:
    """An array that grows along its first axis.

    Parameters
    ----------
    name
        What it is called in the log.
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

    def append(self, array: npt.NDArray[Any]) -> None:
        """Add rows."""
        self.rows += len(array)
        self._write(np.ascontiguousarray(array).data)

    def pad(self, rows: int) -> None:
        """Fill up to a number of rows with NaN."""
        if rows > self.rows:
            self.append(np.full((rows - self.rows, *self._shape), np.nan, self._dtype))

    def array(self, rows: int) -> npt.NDArray[Any]:
        """Return all rows, filled up to their number; mapped into memory if they are on disk."""
        self.pad(rows)
        shape = (self.rows, *self._shape)
        if isinstance(self._file, io.BytesIO):
            return np.frombuffer(self._file.getbuffer(), self._dtype).reshape(shape)
        with self._file:
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
            raise InputError(
                f"{self._name} cannot be kept in the folder for temporary files, "
                f"{tempfile.gettempdir()}: {error.strerror or error}; TMPDIR names another"
            ) from error

    def _move(self) -> None:
        """Move what was kept in memory to a file without a name."""
        kept = self._file
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed once it is mapped
        log.info("%s go to disk, in %s", self._name, tempfile.gettempdir())
        self._file.write(kept.getbuffer())  # type: ignore[attr-defined]


@dataclass
class Totals:
    """What the parts of a corpus add up to, beside the scores of each sequence.

    Attributes
    ----------
    kind
        Roles, layers, heads; None until there are scores.
    facts, heads
        Those of the first scores.
    n_sequences
        How many there are.
    hashes
        Of the corpus, part by part.
    sums
        What adds up, by its name.
    """

    kind: tuple[tuple[str, ...], int, int] | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    n_sequences: int = 0
    hashes: list[str] = field(default_factory=list)
    heads: Ints | None = None
    sums: dict[str, Ints] = field(default_factory=dict)

    @property
    def roles(self) -> tuple[str, ...]:
        """Name of each role."""
        return () if self.kind is None else self.kind[0]

    def add(self, scores: HeadScores) -> None:
        """Add those of the next part; raises InputError if they are of another kind."""
        kind = (scores.roles, *scores.values.shape[2:])
        if self.kind is None:
            self.kind, self.facts, self.heads = kind, scores.facts, scores.heads
        if kind != self.kind:
            raise InputError(
                "parts of a corpus must have the same roles, layers and heads, "
                f"got {self.kind} and {kind}"
            )
        self.n_sequences += len(scores.sequence_ids)
        self.hashes.append(scores.facts.get("corpus", ""))
        for name in _ADD_UP:
            array = getattr(scores, name)
            if array is not None:
                self.sums[name] = self.sums.get(name, 0) + array

    def join(
        self, parts: Iterable[Part], counts: Counter[str], presence: Presence
    ) -> Iterator[HeadScores]:
        """Add one part after the other, with counts and presence; yields those with scores.

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

    def corpus(self, *, more: bool = False) -> str:
        """Return the hash of the corpus by those of its chunks; that of a single one is its own.

        With `more` to come, the hashes themselves.
        """
        chunks = ",".join(self.hashes)
        if more or "," not in chunks:
            return chunks
        return hashlib.sha256(chunks.encode()).hexdigest()[:12]


@dataclass
class _Columns:
    """What there is for each sequence."""

    budget: int
    arrays: dict[str, Column] = field(default_factory=dict)
    ids: list[str] = field(default_factory=list)
    documents: list[str | None] = field(default_factory=list)

    def append(self, scores: HeadScores) -> None:
        for name in _PER_SEQUENCE:
            array = getattr(scores, name)
            if array is not None:  # a part without it is filled up with NaN
                column = self.arrays.setdefault(name, Column(name, array, self.budget))
                column.pad(len(self.ids))
                column.append(array)
        self.ids += scores.sequence_ids
        self.documents += scores.documents or [None] * len(scores.sequence_ids)
