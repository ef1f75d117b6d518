"""Host: encode chunks of a corpus and plan their batches, ahead of the model or in turn with it.

Pieces of a chunk are encoded and its batches are planned as tasks. Worker processes compute tasks
ahead of the one whose result is needed next; without them a task is computed when its result is
needed. Chunks, batches and bits do not depend on which process computes::

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
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any, NamedTuple

import torch

from headscore.arrays import Array
from headscore.corpus.sequence import Sequence
from headscore.corpus.sequence_table import SequenceTable
from headscore.encoding.encode import PIECE, encode_piece
from headscore.encoding.encoded import Encoded
from headscore.encoding.join import join
from headscore.encoding.source_target import Target, encode_source_target
from headscore.log import log
from headscore.options import RunOptions
from headscore.processes import mailed, pool_of, stop
from headscore.roles.role import Role
from headscore.scores.batches import batches_of, lengths_of
from headscore.scores.prepare import Facts, Prepared, prepare
from headscore.scores.sharing import Sent, receive, send
from headscore.stopwatch import Stopwatch

_CORES_A_WORKER = 8  # of a CPU that also runs the model; a GPU leaves the cores to the host
_MOST_WORKERS = 8  # chosen for a GPU; `host_workers` may be more
# The script as pickle names a module: the opcode of a short text, and its length. A vocabulary in
# JSON may hold the text too.
_SCRIPT = b"\x8c\x08__main__"


@dataclass(frozen=True)
class HostWork:
    """The work on the host, which needs no model: plain values that can be sent to any process.

    Attributes
    ----------
    tokenizer, max_length
        How sequences are encoded.
    roles, options
        What is planned.
    target
        How second texts are read, for a part that reads a source and a target.
    """

    tokenizer: Any
    max_length: int
    roles: tuple[Role, ...]
    options: RunOptions
    target: Target | None = None

    def encode(self, table: SequenceTable) -> Encoded:
        """Encode a piece of a chunk."""
        limits: dict[str, Any] = {
            "max_length": self.max_length,
            "too_long": self.options.too_long,
            "special_in_text": self.options.special_in_text,
            "places": any(role.check is not None for role in self.roles),
        }
        for role in self.roles:
            if role.check is not None:
                role.check(table)
        if self.target is None:
            return encode_piece(table, self.tokenizer, **limits)
        return encode_source_target(table, self.tokenizer, self.target, **limits)

    def plan(self, facts: Facts, batch: Encoded) -> Prepared:
        """Plan a batch and make the inputs of the model."""
        return prepare(facts, self.roles, self.options, batch)


class Task(NamedTuple):
    """A task: functions that return its result, and whether it is computed."""

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
    with (
        mailed(sent, workers) as queue,
        pool_of(workers, _begin, queue, doing="encodes and plans") as pool,
    ):
        ready = pool.submit(_load)

        def submit(name: str, *arguments: Any) -> Task:
            # A worker needs seconds to import what it needs; until then this process goes on.
            if not _has_started(ready):
                return here(name, *arguments)
            future = pool.submit(_run, name, *arguments)
            return Task(lambda: receive(future.result()), future.done)

        try:
            yield Executor(submit, 2 * workers + 2)
        finally:
            if not _has_started(ready):  # nothing was submitted
                stop(pool)


def _has_started(worker: Future[None]) -> bool:
    return worker.done()


def _pickled(work: HostWork) -> bytes | None:
    """Return the work as bytes for a worker; None where it cannot be sent."""
    try:
        sent = pickle.dumps(work)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        log.info("no host workers, since tokenizer or roles cannot be sent to them: %s", error)
        return None
    # Workers do not run the caller's script, see `headscore.processes`.
    if _SCRIPT in sent:
        log.info("no host workers, since a role is defined in the script that runs")
        return None
    return sent


_mail: list[Any] = []  # of a worker process: the queue that its work comes by
_work: list[HostWork] = []


def _begin(queue: Any) -> None:
    _mail.append(queue)
    # Workers share the cores: neither torch nor the tokenizer starts threads in one.
    torch.set_num_threads(1)
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def _load() -> None:
    """Load the work of a worker process, once."""
    if not _work:
        _work.append(pickle.loads(_mail[0].get()))
        gc.freeze()  # what is loaded stays: the collector need not visit it again


def _run(name: str, *arguments: Any) -> Sent:
    _load()
    return send(getattr(_work[0], name)(*arguments))


@dataclass
class _Chunk:
    """A chunk in work: its pieces, then the batches that are not submitted yet, and the tasks."""

    pieces: list[Task] = field(default_factory=list)
    n_read: int = 0
    whole: bool = False
    encoded: Encoded | None = None
    batches: deque[Array] = field(default_factory=deque)
    planned: deque[tuple[Array, Task]] = field(default_factory=deque)

    def waiting(self) -> int:
        """Return the number of pieces that are not encoded yet."""
        return sum(not piece.done() for piece in self.pieces)

    def ready(self) -> bool:
        """Return whether all pieces are encoded."""
        return self.whole and not self.waiting()

    def join(
        self, asked: Callable[[str], bool], sample: Callable[[Encoded], Encoded], budget: int
    ) -> Encoded:
        """Join the pieces, sample controls, and cut the chunk into batches."""
        if self.encoded is not None:
            return self.encoded
        encoded = sample(join([piece.result() for piece in self.pieces]).counting(asked))
        self.pieces.clear()
        self.cut(encoded, budget)
        return encoded

    def cut(self, encoded: Encoded, budget: int) -> None:
        """Cut an encoded chunk into batches."""
        self.encoded = encoded
        self.batches.extend(batches_of(lengths_of(encoded), budget))


def _result(task: Task) -> Any:
    try:
        return task.result()
    except MemoryError:
        return None  # `run_all` plans the batch when it runs it, or halves of it


@dataclass
class Pipeline:
    """Chunks of a stream of sequences, encoded, with their batches planned.

    Attributes
    ----------
    sequences, encoded
        The corpus, or chunks of it that are encoded already.
    executor
        Computes the tasks.
    facts
        Returns what is known of the model by now.
    asked
        Relation name -> whether some role needs it.
    sample
        Samples the controls of a chunk, or returns it as it is.
    chunk
        Sequences of a chunk.
    budget
        Most tokens of a batch.
    stopwatch
        Counts the time of stages.
    """

    sequences: Iterator[Sequence]
    encoded: Iterator[Encoded]
    executor: Executor
    facts: Callable[[], Facts]
    asked: Callable[[str], bool]
    sample: Callable[[Encoded], Encoded]
    chunk: int
    budget: int
    stopwatch: Stopwatch
    _open: deque[_Chunk] = field(default_factory=deque)
    _ended: bool = False

    def chunks(self) -> Iterator[tuple[Encoded, Iterator[tuple[Array, Prepared | None]]]]:
        """Yield each chunk with the rows of its batches and their plans, to be used up in order.

        The plan is None where nothing is planned ahead, or where memory did not suffice for it.
        """
        while self._open or self._begin_chunk():
            front = self._open[0]
            with self.stopwatch.stage("encode"):
                while not front.whole:
                    self._read_piece(front)
                encoded = front.join(self.asked, self.sample, self.budget)
            yield encoded, self._batches(front)
            self._open.popleft()

    def _batches(self, front: _Chunk) -> Iterator[tuple[Array, Prepared | None]]:
        if not self.executor.ahead:
            yield from ((rows, None) for rows in front.batches)
            return
        while True:
            self._submit_plans()
            self._submit_pieces()
            if not front.planned:
                return
            rows, task = front.planned.popleft()
            with self.stopwatch.stage("plan"):
                prepared = _result(task)
            yield rows, prepared

    def _submit_plans(self) -> None:
        """Submit plans of the batches to come: the model waits for these first."""
        room = self.executor.ahead - sum(len(chunk.planned) for chunk in self._open)
        for chunk in self._open:
            with self.stopwatch.stage("encode"):
                if chunk.ready():
                    chunk.join(self.asked, self.sample, self.budget)
            while chunk.batches and room > 0:
                with self.stopwatch.stage("plan"):
                    self._submit_plan(chunk)
                room -= 1
            if chunk.encoded is None or chunk.batches:
                return

    def _submit_plan(self, chunk: _Chunk) -> None:
        assert chunk.encoded is not None
        rows = chunk.batches.popleft()
        task = self.executor.submit("plan", self.facts(), chunk.encoded.take(rows))
        chunk.planned.append((rows, task))

    def _submit_pieces(self) -> None:
        """Submit pieces of the chunks to come; one chunk is held besides the one that is run."""
        ahead = self.executor.ahead
        while sum(chunk.waiting() for chunk in self._open) < ahead:
            last = self._open[-1]
            if last.whole and (len(self._open) > 1 or not self._begin_chunk()):
                return
            if not last.whole:
                with self.stopwatch.stage("encode"):
                    self._read_piece(last)

    def _begin_chunk(self) -> bool:
        """Open the next chunk, with its first piece or encoded; return whether there is one."""
        chunk = _Chunk()
        with self.stopwatch.stage("encode"):
            if not self._ended:
                self._read_piece(chunk)
            if not chunk.pieces and (encoded := next(self.encoded, None)) is not None:
                chunk = _Chunk(whole=True)
                chunk.cut(self.sample(encoded), self.budget)
        if chunk.pieces or chunk.encoded is not None:
            self._open.append(chunk)
            return True
        return False

    def _read_piece(self, chunk: _Chunk) -> None:
        count = min(PIECE, self.chunk - chunk.n_read)
        sequences = list(itertools.islice(self.sequences, count))
        chunk.n_read += len(sequences)
        self._ended = len(sequences) < count
        chunk.whole = self._ended or chunk.n_read == self.chunk
        if sequences:
            chunk.pieces.append(self.executor.submit("encode", SequenceTable.of(sequences)))
