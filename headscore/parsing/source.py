"""Read and parse the sequences of a corpus."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from headscore.corpus import read
from headscore.corpus.sequence import Sequence
from headscore.log import log
from headscore.options import CorpusOptions
from headscore.parsing.cache import check_writable, open_cache
from headscore.parsing.parse import parse
from headscore.parsing.pipelines import Parser, find_parser
from headscore.stopwatch import Stopwatch


@dataclass(frozen=True)
class Source:
    """A corpus and the options with which it is read and parsed."""

    corpus: str | os.PathLike[str] | Iterable[Any]
    options: CorpusOptions = CorpusOptions()

    def sequences(
        self, counts: Counter[str], start: int = 0, stop: int | None = None
    ) -> Iterator[Sequence]:
        """Read the sequences from `start` up to `stop`, unparsed.

        Counts of sequences before `start` are left out: they belong to another part of the corpus.
        """
        own: Counter[str] = Counter()
        stream = read(self.corpus, self.options, own, log.warning)

        def stretch() -> Iterator[Sequence]:
            for _ in itertools.islice(stream, start):
                pass
            # Counter subtraction keeps positive counts only: what was counted in [start, stop).
            before = Counter(own)
            yield from itertools.islice(stream, None if stop is None else stop - start)
            counts.update(own - before)

        return stretch()

    @contextmanager
    def opened(
        self,
        parser: Parser | None,
        counts: Counter[str],
        stopwatch: Stopwatch,
        start: int = 0,
        stop: int | None = None,
        waiting: Callable[[int], Any] = lambda _: None,
    ) -> Iterator[Iterator[Sequence]]:
        """Yield the sequences from `start` up to `stop`, parsed if there is a parser.

        `waiting` is called as in `headscore.parsing.parse.parse`.
        """
        stream = stopwatch.each("read", self.sequences(counts, start, stop))
        with parsed(stream, parser, self.options, stopwatch, waiting) as sequences:
            yield sequences


@contextmanager
def parsed(
    sequences: Iterator[Sequence],
    parser: Parser | None,
    options: CorpusOptions,
    stopwatch: Stopwatch,
    waiting: Callable[[int], Any] = lambda _: None,
) -> Iterator[Iterator[Sequence]]:
    """Yield sequences, parsed if there is a parser; `waiting` as in `headscore.parsing.parse`."""
    if parser is None:
        yield sequences
        return
    labels = options.labels
    with open_cache(options.cache, parser.identity, labels) as store:
        found = parse(
            sequences,
            parser,
            store=store,
            processes=options.parse_processes,
            labels=labels,
            waiting=waiting,
        )
        yield stopwatch.each("parse", found)


def parse_corpus(source: Source) -> str:
    """Parse a corpus into the parse cache of its options; return a summary of one line.

    Raises
    ------
    InputError
        The corpus, the parser or the cache cannot be used.
    IncompleteError
        A worker process died.
    """
    parser = find_parser(source.options.parser)
    cache = source.options.cache
    if cache is not None and parser is not None and parser.identity is not None:
        check_writable(cache, parser.identity)
    counts: Counter[str] = Counter()
    with source.opened(parser, counts, Stopwatch()) as sequences:
        segments = words = 0
        for sequence in sequences:
            segments += len(sequence.segments)
            words += sum(len(segment.words or ()) for segment in sequence.segments)
    return f"{segments} texts, {words} words by {parser.description} in {source.options.cache}"
