"""Parse a stream of sequences: look parses up in a store, and run a parser for the rest."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeAlias

from headscore.corpus._segments import with_segments
from headscore.corpus.sequence import Segment, Sequence
from headscore.parsing.pipelines import Parser, load_parser, parse_segments
from headscore.parsing.store import Store, key_of
from headscore.processes import pool_of

_BATCH = 256  # sequences looked up, parsed and stored at a time
# Batches in work before the oldest is yielded. More keeps workers busy while the consumer computes,
# less bounds memory: 32 * 256 sequences.
_AHEAD = 32

_Results: TypeAlias = Callable[[], list[Segment]]


def parse(
    sequences: Iterable[Sequence],
    parser: Parser,
    *,
    store: Store | None = None,
    processes: int = 0,
    labels: tuple[str, ...] = (),
    waiting: Callable[[int], Any] = lambda _: None,
) -> Iterator[Sequence]:
    """Parse the segments that are not parsed yet, in a stream.

    Parameters
    ----------
    sequences
        The corpus. Segments with words keep them; texts are split by the parser.
    parser
        The parser; loaded for the first segment that is not in the store.
    store
        The parse cache, to look parses up and to add new ones; of the same labels.
    processes
        Number of worker processes, which parse ahead of the consumer; 0: parse in this process.
    labels
        Labels of words to read from the parser.
    waiting
        Called with the number of segments of each batch that came without a parse.

    Yields
    ------
    Sequence
        In the order given.

    Raises
    ------
    InputError
        A text longer than the parser takes, or a store that cannot be used.
    IncompleteError
        A worker process died.
    """
    # Batches are submitted in order and finished in order. Without workers nothing is submitted
    # ahead: the queue holds one batch, which is parsed by `_finish`.
    stream = iter(sequences)
    with _at_work(parser, processes, labels) as submit:
        begun: deque[_Batch] = deque()
        while chunk := list(itertools.islice(stream, _BATCH)):
            begun.append(_begin(chunk, parser, store, submit))
            waiting(len(begun[-1].keys))
            if len(begun) > _AHEAD * min(processes, 1):
                yield from _finish(begun.popleft(), store, labels)
        while begun:
            yield from _finish(begun.popleft(), store, labels)


@dataclass(frozen=True)
class _Batch:
    """A batch in work: its sequences, the parses found in the store, and those being made."""

    sequences: list[Sequence]
    keys: list[bytes]
    found: dict[bytes, Segment]
    lacking: list[bytes]
    results: _Results


def _begin(
    chunk: list[Sequence],
    parser: Parser,
    store: Store | None,
    submit: Callable[[list[Segment]], _Results],
) -> _Batch:
    # Equal texts have equal keys, so that each is parsed once per batch.
    waiting = [segment for each in chunk for segment in each.segments if not segment.parsed]
    keys = [key_of(segment, parser.identity or "") for segment in waiting]
    asked = dict(zip(keys, waiting, strict=True))
    found = {} if store is None else store.find(asked)
    lacking = {key: segment for key, segment in asked.items() if key not in found}
    results = submit(list(lacking.values())) if lacking else list
    return _Batch(chunk, keys, found, list(lacking), results)


def _finish(batch: _Batch, store: Store | None, labels: tuple[str, ...]) -> Iterator[Sequence]:
    made = dict(zip(batch.lacking, batch.results(), strict=True))
    if store is not None and made:
        store.add(made)
    known = {**batch.found, **made}
    # One key for each unparsed segment, in the order in which `_begin` went over them.
    keys = iter(batch.keys)
    for each in batch.sequences:
        segments = [
            s if s.parsed else _labelled(known[next(keys)], s, labels) for s in each.segments
        ]
        yield with_segments(each, tuple(segments))


def _labelled(parsed: Segment, given: Segment, labels: tuple[str, ...]) -> Segment:
    """Return a parse with its labels where some were asked for, and those of the given segment."""
    own = None if given.words is None else given.labels
    # A parse from the store has the labels of a segment of the same text.
    both = {**(parsed.labels or {}), **(own or {})} or None if labels else own
    return parsed if parsed.labels is both else replace(parsed, labels=both)


@contextmanager
def _at_work(
    parser: Parser, processes: int, labels: tuple[str, ...]
) -> Iterator[Callable[[list[Segment]], _Results]]:
    """Yield the function that submits segments, to this process or to workers."""
    if not processes:
        loaded: list[Any] = []

        def parse_here(segments: list[Segment]) -> list[Segment]:
            if not loaded:
                loaded.append(load_parser(parser.source))
            return parse_segments(segments, loaded[0], labels)

        yield lambda segments: partial(parse_here, segments)
        return
    with pool_of(processes, _start, parser.source, doing="parses") as pool:
        yield lambda segments: pool.submit(_parse_in_process, segments, labels).result


_pipeline: list[Any] = []  # the loaded pipeline of a worker process


def _start(source: Any) -> None:
    _pipeline.append(load_parser(source))


def _parse_in_process(segments: list[Segment], labels: tuple[str, ...]) -> list[Segment]:
    return parse_segments(segments, _pipeline[0], labels)
