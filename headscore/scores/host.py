"""Host: encode chunks of a corpus and plan their batches, ahead of the model or in turn with it.

Pieces of a chunk are encoded and its batches are planned as tasks. Worker processes compute tasks
ahead of the one whose result is needed next; without them a task is computed when its result is
asked for. Chunks, batches and bits are the same, whoever computes::

    sequences   | piece  piece  piece | piece  piece ...        pieces of a chunk: tasks `encode`
    chunks      | Encoded             | Encoded ...             joined in order
    batches     | plan plan plan plan | plan plan ...           tasks `plan`, run in order
"""

from __future__ import annotations

import gc
import itertools
import os
import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch

from headscore.arrays import Array
from headscore.corpus.sequence import Sequence
from headscore.corpus.sequence_table import SequenceTable
from headscore.encoding.encode import encode_piece, join
from headscore.encoding.encoded import Encoded
from headscore.log import log
from headscore.options import RunOptions
from headscore.processes import pool_of
from headscore.roles.role import Role
from headscore.roles.specs import asks_for
from headscore.stopwatch import Stopwatch

PIECE = 256  # sequences of a task; their tokenizer call is long enough to be worth sending
_CORES_A_WORKER = 8  # of a CPU that also runs the model; a GPU leaves the cores to the host
_MOST_WORKERS = 8  # chosen for a GPU; more are used where asked for



@dataclass(frozen=True)
class HostWork:
    """All work on the host that needs no model: plain values that can be sent to any process.

    Attributes
    ----------
    tokenizer, max_length, roles, options
        How sequences are encoded and which roles are planned.
    target
        What a plan is made for.
    """

    tokenizer: Any
    max_length: int
    roles: tuple[Role, ...]
    options: RunOptions
    target: Target

    def encode(self, table: SequenceTable) -> Encoded:
        """Encode a piece of a chunk."""
        return encode_piece(
            table,
            self.tokenizer,
            max_length=self.max_length,
            too_long=self.options.too_long,
            asked=partial(asks_for, self.roles),
        )

    def plan(self, batch: Encoded, visibilities: tuple[Visibility, ...]) -> Prepared:
        """Plan a batch for the visibilities that are known so far."""
        return prepare(self.target, self.roles, self.options, batch, visibilities)


class Task(NamedTuple):
    """A task: a function that returns its result, and one that says whether it is computed."""

    result: Callable[[], Any]
    done: Callable[[], bool]


class Executor(NamedTuple):
    """What computes tasks.

    Attributes
    ----------
    submit
        (name of a method of `HostWork`, arguments) -> `Task`.
    ahead
        Tasks of a kind that are worth submitting before their results are needed; 0: none.
    """

    submit: Callable[..., Task]
    ahead: int


def default_workers(device: str) -> int:
    """Return the number of host workers for a device, by the cores that this process may use."""
    cores = torch.get_num_threads()
    return cores // _CORES_A_WORKER if device == "cpu" else min(cores - 1, _MOST_WORKERS)


@contextmanager
def executor(work: HostWork, workers: int) -> Iterator[Executor]:
    """Yield an executor with some worker processes; 0: tasks run here, when they are needed.

    Raises
    ------
    IncompleteError
        A worker died.
    """

    def here(name: str, *arguments: Any) -> Task:
        return Task(partial(getattr(work, name), *arguments), lambda: True)

    sent = _pickled(work) if workers else None
    if sent is None:
        yield Executor(here, 0)
        return
    with pool_of(workers, _begin, sent, doing="encodes and plans") as pool:
        ready = pool.submit(_load)

        def submit(name: str, *arguments: Any) -> Task:
            # A worker needs seconds to import what it needs; until then this process goes on.
            if not ready.done():
                return here(name, *arguments)
            future = pool.submit(_run, name, *arguments)
            return Task(future.result, future.done)

        yield Executor(submit, 2 * workers + 2)


def _pickled(work: HostWork) -> bytes | None:
    """Return the work as bytes for a worker; None where it cannot be sent."""
    try:
        sent = pickle.dumps(work)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        log.info("no host workers, since tokenizer or roles cannot be sent to them: %s", error)
        return None
    # Workers do not run the caller's script, see `headscore.processes`.
    if b"__main__" in sent:
        log.info("no host workers, since a role is defined in the script that runs")
        return None
    return sent


_sent: list[bytes] = []
_work: list[HostWork] = []  # of a worker process


def _begin(sent: bytes) -> None:
    _sent.append(sent)
    # Workers share the cores: no threads of their own, for the tokenizer neither.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def _load() -> None:
    """Load the work of a worker process, once."""
    if not _work:
        _work.append(pickle.loads(_sent[0]))  # noqa: S301 - from the parent process
        gc.freeze()  # what is loaded stays: the collector need not visit it again


def _run(name: str, *arguments: Any) -> Any:
    _load()
    return getattr(_work[0], name)(*arguments)


@dataclass
class _Chunk:
    """A chunk in work: its pieces, then the batches that are not submitted yet, and the tasks."""

    pieces: list[Task] = field(default_factory=list)
    n_read: int = 0
    whole: bool = False
    encoded: Encoded | None = None
    batches: deque[Array] = field(default_factory=deque)
    planned: deque[tuple[Array, Encoded, Task]] = field(default_factory=deque)

    def waiting(self) -> int:
        """Return the number of pieces that are not encoded yet."""
        return sum(not piece.done() for piece in self.pieces)

    def ready(self) -> bool:
        """Return whether all pieces are encoded."""
        return self.whole and not self.waiting()

    def join(self, budget: int) -> Encoded:
        """Join the pieces and cut them into batches."""
        if self.encoded is None:
            self.encoded = join([piece.result() for piece in self.pieces])
            self.pieces.clear()
            self.batches.extend(batches_of(self.encoded.lengths, budget))
        return self.encoded


class Pipeline:
    """Chunks of a stream of sequences, encoded, with their batches planned.

    Parameters
    ----------
    sequences
        The corpus.
    executor
        Computes the tasks.
    chunk
        Sequences of a chunk.
    budget
        Most tokens of a batch.
    stopwatch
        Counts the time of stages.
    """

    def __init__(
        self,
        sequences: Iterable[Sequence],
        executor: Executor,
        *,
        chunk: int,
        budget: int,
        stopwatch: Stopwatch,
    ) -> None:
        self._sequences = iter(sequences)
        self._executor = executor
        self._chunk, self._budget = chunk, budget
        self._stopwatch = stopwatch
        self._open: deque[_Chunk] = deque()
        self._ended = False
        self.visibilities: dict[Visibility, None] = {}

    def chunks(self) -> Iterator[tuple[Encoded, Iterator[Planned]]]:
        """Yield each chunk with its batches, which must be used up before the next chunk."""
        while self._open or self._begin_chunk():
            front = self._open[0]
            with self._stopwatch.stage("encode"):
                while not front.whole:
                    self._read_piece(front)
                encoded = front.join(self._budget)
            yield encoded, self._batches(front)
            self._open.popleft()

    def _batches(self, front: _Chunk) -> Iterator[Planned]:
        while True:
            self._submit_plans()
            self._submit_pieces()
            if not front.planned:
                return
            rows, batch, task = front.planned.popleft()
            with self._stopwatch.stage("plan"):
                prepared = task.result()
            yield Planned(rows, batch, prepared)

    def _submit_plans(self) -> None:
        """Submit plans of the batches to come: the model waits for these first."""
        room = max(1, self._executor.ahead) - sum(len(chunk.planned) for chunk in self._open)
        for chunk in self._open:
            with self._stopwatch.stage("encode"):
                if chunk.ready():
                    chunk.join(self._budget)
            while chunk.batches and room > 0:
                with self._stopwatch.stage("plan"):
                    self._submit_plan(chunk)
                room -= 1
            if chunk.encoded is None or chunk.batches:
                return

    def _submit_plan(self, chunk: _Chunk) -> None:
        assert chunk.encoded is not None
        rows = chunk.batches.popleft()
        batch = chunk.encoded.take(rows)
        task = self._executor.submit("plan", batch, tuple(self.visibilities))
        chunk.planned.append((rows, batch, task))

    def _submit_pieces(self) -> None:
        """Submit pieces of the chunks to come; one chunk is held besides the one that is run."""
        ahead = self._executor.ahead
        while sum(chunk.waiting() for chunk in self._open) < ahead:
            last = self._open[-1]
            if last.whole and (len(self._open) > 1 or not self._begin_chunk()):
                return
            if not last.whole:
                with self._stopwatch.stage("encode"):
                    self._read_piece(last)

    def _begin_chunk(self) -> bool:
        """Read the first piece of the next chunk; return whether there is one."""
        chunk = _Chunk()
        with self._stopwatch.stage("encode"):
            if not self._ended:
                self._read_piece(chunk)
        if chunk.pieces:
            self._open.append(chunk)
        return bool(chunk.pieces)

    def _read_piece(self, chunk: _Chunk) -> None:
        count = min(PIECE, self._chunk - chunk.n_read)
        sequences = list(itertools.islice(self._sequences, count))
        chunk.n_read += len(sequences)
        self._ended = len(sequences) < count
        chunk.whole = self._ended or chunk.n_read == self._chunk
        if sequences:
            chunk.pieces.append(self._executor.submit("encode", SequenceTable.of(sequences)))
