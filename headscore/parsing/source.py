"""Source: a corpus, and how its sequences are read and parsed."""

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
from headscore.parsing import parse as parsing
from headscore.parsing.cache import open_cache
from headscore.parsing.pipelines import Parser, find_parser
from headscore.stages import Stages


@dataclass(frozen=True)
class Source:
    """A corpus and how it is read; see `headscore.score` for each."""

    corpus: str | os.PathLike[str] | Iterable[Any]
    pairs: str | None = None
    columns: tuple[str, ...] | None = None
    skip_invalid: bool = False
    parse_processes: int = 0
    cache: str | os.PathLike[str] | None = "auto"

    def sequences(
        self, counts: Counter[str], start: int = 0, stop: int | None = None
    ) -> Iterator[Sequence]:
        """Read the sequences from `start` up to `stop`, as they stand in the corpus.

        What is skipped before `start` is not counted: it belongs to another stretch.
        """
        own: Counter[str] = Counter()
        stream = read(
            self.corpus,
            pairs=self.pairs,
            columns=self.columns,
            skip_invalid=self.skip_invalid,
            counts=own,
            log=log.warning,
        )

        def stretch() -> Iterator[Sequence]:
            for _ in itertools.islice(stream, start):
                pass
            before = Counter(own)
            yield from itertools.islice(stream, None if stop is None else stop - start)
            counts.update(own - before)

        return stretch()

    @contextmanager
    def opened(
        self,
        parser: Parser | None,
        counts: Counter[str],
        stages: Stages,
        start: int = 0,
        stop: int | None = None,
        waiting: Callable[[int], Any] = lambda _: None,
    ) -> Iterator[Iterator[Sequence]]:
        """Yield the sequences of a stretch, parsed where there is a parser.

        `waiting` is called as in `headscore.parsing.parse.parse`.
        """
        stream = stages.each("read", self.sequences(counts, start, stop))
        if parser is None:
            yield stream
            return
        with open_cache(self.cache, parser.identity) as store:
            parsed = parsing.parse(
                stream, parser, store=store, processes=self.parse_processes, waiting=waiting
            )
            yield stages.each("parse", parsed)


def parse_corpus(source: Source, parser: Any) -> str:
    """Parse a corpus into the file of parses that `source` names; returns what was done, in words.

    Raises
    ------
    InputError
        The corpus, the parser or the file cannot be used.
    IncompleteError
        A process that parses died.
    """
    found = find_parser(parser)
    counts: Counter[str] = Counter()
    with source.opened(found, counts, Stages()) as sequences:
        segments = words = 0
        for sequence in sequences:
            segments += len(sequence.segments)
            words += sum(len(segment.words or ()) for segment in sequence.segments)
    return f"{segments} texts, {words} words by {found.description} in {source.cache}"
