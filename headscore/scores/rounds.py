"""Rounds: score a corpus in a given order, round by round, until a rule stops the run.

A round is scored as a corpus of its own: chunks begin anew with it, so that its scores depend on
its sequences alone, to the bit, and not on whether another round follows.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from headscore.arrays import Ints
from headscore.corpus.naming import name_of, named
from headscore.encoding.encoded import Encoded
from headscore.options import ScoreOptions
from headscore.parsing.source import Source, parsed
from headscore.roles.presence import Presence
from headscore.scores.encoded_corpus import as_encoded, check_options, usable
from headscore.scores.head_scores import HeadScores
from headscore.scores.parts import Part, gather
from headscore.scores.spool import Spool
from headscore.scores.stream import (
    Scorer,
    begin_encoded,
    checked_whole,
    make_scorer,
    progress_bar,
)
from headscore.stopwatch import Stopwatch


@dataclass(frozen=True)
class Named:
    """The sequences of a corpus by name, and their documents, None where unknown."""

    sequence_ids: tuple[str, ...]
    documents: tuple[str | None, ...] | None


class Rule(Protocol):
    """Interface of a rule that orders a corpus and stops its run."""

    def plan(self, corpus: Named | Spool) -> list[Ints]:
        """Return the positions in the corpus of the sequences of each round, in order."""

    def stops(self, scores: HeadScores, n_read: int) -> bool:
        """Return whether the scores of the sequences read so far are enough."""

    def facts(self) -> dict[str, str]:
        """Return the facts that the rule adds to those of the scores."""


def score_rounds(
    model: Any,
    corpus: Any,
    options: ScoreOptions,
    rule: Rule,
    stopwatch: Stopwatch | None = None,
) -> HeadScores:
    """Score a corpus until a rule stops the run.

    The corpus is read as a whole, its texts alone, before the model is loaded; what is parsed and
    scored are the rounds.

    Parameters
    ----------
    model, corpus, options
        As in `headscore.score`.
    rule
        Orders the corpus, and is asked after each round.
    stopwatch
        Counts the time of each stage.

    Returns
    -------
    HeadScores
        Of the sequences read, in the order of reading.

    Raises
    ------
    UsageError, InputError, IncompleteError
        As `headscore.score`.
    """
    stopwatch = Stopwatch() if stopwatch is None else stopwatch
    encoded = as_encoded(corpus)
    if encoded is not None:
        check_options(options)
        return _score_encoded(model, encoded, options, rule, stopwatch)
    return _score_texts(model, corpus, options, rule, stopwatch)


def _score_texts(
    model: Any, corpus: Any, options: ScoreOptions, rule: Rule, stopwatch: Stopwatch
) -> HeadScores:
    counts: Counter[str] = Counter()
    with stopwatch.stage("read"):
        spool = Spool(Source(corpus, options).sequences(counts))
    rounds = rule.plan(spool)
    scorer = make_scorer(model, options, stopwatch)
    scorer.facts = named(scorer.facts, name_of(corpus))

    def parts(positions: Ints, presence: Presence) -> Iterator[Part]:
        stream, waiting = spool.take(positions), presence.note_unparsed
        with parsed(stream, scorer.parser, options, stopwatch, waiting) as sequences:
            yield from scorer.parts(sequences)

    return _until(scorer, rounds, parts, rule, counts, Presence())


def _score_encoded(
    model: Any, encoded: Encoded, options: ScoreOptions, rule: Rule, stopwatch: Stopwatch
) -> HeadScores:
    counts: Counter[str] = Counter()
    presence = Presence()
    at = usable(encoded)
    rounds = rule.plan(Named(encoded.ids, encoded.documents if any(encoded.documents) else None))
    scorer = make_scorer(model, options, stopwatch)
    begin_encoded(scorer, encoded, counts, presence)

    def parts(positions: Ints, _: Presence) -> Iterator[Part]:
        return scorer.parts_of(encoded, at[positions])

    return _until(scorer, rounds, parts, rule, counts, presence)


def _until(
    scorer: Scorer,
    rounds: Iterable[Ints],
    parts: Callable[[Ints, Presence], Iterator[Part]],
    rule: Rule,
    counts: Counter[str],
    presence: Presence,
) -> HeadScores:
    """Score one round after the other until the rule stops the run; return the scores."""
    keep, progress = scorer.options.keep_scores, scorer.options.progress
    shown = sys.stderr.isatty() if progress is None else progress
    done: list[Part] = []
    n_read = 0
    with progress_bar(shown) as scorer.advance:
        for positions in rounds:
            own, there = Counter[str](), Presence()
            found = gather(parts(positions, there), own, there, keep=keep, more=True)
            # Their counts are those of the part.
            done.append(Part(found and replace(found, counts={}), dict(own), there))
            n_read += len(positions)
            # Repeated sequences are counted, and warned of, once: at the end.
            with scorer.stopwatch.stage("looks"):
                so_far = gather(done, keep=keep, more=True)
                stops = so_far is not None and rule.stops(so_far, n_read)
            if stops:
                break
            del so_far  # before the next round
    whole = checked_whole(gather(done, counts, presence, keep=keep), scorer.roles, counts, presence)
    return replace(whole, facts={**whole.facts, **rule.facts()})
