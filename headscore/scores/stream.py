"""Stream: score sequences chunk by chunk.

A chunk is a fixed number of sequences as they are read. Batches are made within a chunk, so the
scores depend on where chunks begin, in their last bits, and on nothing else: not on the memory
available, nor on which process computes which chunk. The controls of equal labels are sampled
within a chunk, so that they depend on where it begins and ends.
"""

from __future__ import annotations

import itertools
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar, Protocol, TypeAlias, TypeVar

import numpy as np

from headscore.arrays import Array, Bools, Ints
from headscore.corpus.length import length
from headscore.corpus.naming import name_of, named
from headscore.corpus.sequence import Sequence
from headscore.declarations import narrowed
from headscore.encoding.encode import check_usable, warn_of_spelled
from headscore.encoding.encoded import Encoded
from headscore.encoding.source_target import Target
from headscore.errors import InputError, UsageError
from headscore.log import log
from headscore.model.decoder_start import decoder_start
from headscore.model.load import Model, load_model
from headscore.model.parts import CROSS
from headscore.options import CHUNK, OFFSET, RunOptions, ScoreOptions
from headscore.parsing.pipelines import Parser, find_parser
from headscore.parsing.source import Source
from headscore.roles.presence import Presence, absence_warnings, unknown_ids
from headscore.roles.role import Role
from headscore.roles.specs import asks_for, parse_roles
from headscore.scores import provenance
from headscore.scores.batches import budget_of, check_backend, check_whole, run_batches
from headscore.scores.by_sequence import with_sums
from headscore.scores.encoded_corpus import as_encoded, check_model, check_options, signed
from headscore.scores.encoded_corpus import chunks as chunks_of
from headscore.scores.head_scores import HeadScores
from headscore.scores.host import HostWork, Pipeline, default_workers, executor
from headscore.scores.parts import Part
from headscore.scores.prepare import Prepared
from headscore.scores.runner import model_facts
from headscore.sieves.sampling import with_controls
from headscore.stopwatch import Stopwatch


class Joined(Protocol):
    """Interface of `HeadScores` and `Summary`: a dataclass with at least these members."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    @property
    def roles(self) -> tuple[str, ...]: ...  # noqa: D102

    @property
    def facts(self) -> Mapping[str, str]: ...  # noqa: D102

    @property
    def hidden(self) -> Ints | None: ...  # noqa: D102

    @property
    def n_sequences(self) -> int: ...  # noqa: D102

    def takes_part(self) -> Bools:
        """Return bool (role,): some sequence takes part in the role."""


Result = TypeVar("Result", bound=Joined)
Join: TypeAlias = Callable[[Iterable[Part], Counter[str], Presence], Result | None]


@dataclass
class Scorer:
    """A model, roles and options, ready to score the sequences of a corpus.

    Attributes
    ----------
    model, roles, options, parser
        The model, the roles, the options of the run, and the parser.
    facts
        The entries of the signature; the hash of a chunk is added to each part.
    stopwatch
        Counts the time of each stage.
    advance
        Called with the number of sequences of each batch that is done.
    """

    model: Model
    roles: tuple[Role, ...]
    options: ScoreOptions
    facts: dict[str, str]
    parser: Parser | None = None
    stopwatch: Stopwatch = field(default_factory=Stopwatch)
    advance: Callable[[int], Any] = lambda _: None

    def parts(self, sequences: Iterable[Sequence]) -> Iterator[Part]:
        """Yield the scores of each chunk; one chunk is held besides, with host workers two.

        Raises
        ------
        InputError, IncompleteError
            As `encoding.encode.encode` and `scores.batches.run_batches`, of a chunk.
        """
        stream, more = _peeked(iter(sequences), self._chunk if self._default_workers else 0)
        return self._parts(stream, iter(()), more=more)

    def parts_of(self, encoded: Encoded, positions: Ints | None = None) -> Iterator[Part]:
        """Yield the scores of each chunk of an encoded corpus, as `parts` of the corpus itself.

        `positions` are those of the sequences to score, in order; None: all.
        """
        chunks = chunks_of(encoded, self._chunk, self.roles, positions)
        number = len(encoded) if positions is None else len(positions)
        return self._parts(iter(()), chunks, more=number > self._chunk)

    @property
    def _chunk(self) -> int:
        return self.options.chunk or CHUNK

    @property
    def _target(self) -> Target | None:
        """How targets are read, for a part that reads a source and a target."""
        if not self.model.part.paired:
            return None
        return Target(decoder_start(self.model.network), self.model.route.cross)

    @property
    def _default_workers(self) -> int:
        """Number of host workers for a corpus of several chunks, 0 where the user chose."""
        chosen = self.options.host_workers is not None
        return 0 if chosen else default_workers(self.model.device.type)

    def _parts(
        self, sequences: Iterator[Sequence], encoded: Iterator[Encoded], *, more: bool
    ) -> Iterator[Part]:
        # Workers need seconds to start: a corpus of one chunk is done before.
        workers = self.options.host_workers or (self._default_workers if more else 0)
        work = HostWork(
            self.model.tokenizer,
            self.model.max_length,
            self.roles,
            narrowed(RunOptions, self.options),
            self._target,
        )
        with executor(work, workers) as host:
            pipeline = Pipeline(
                sequences=sequences,
                encoded=encoded,
                executor=host,
                facts=partial(model_facts, self.model, self.options),
                sample=partial(
                    with_controls, roles=self.roles, columns=self.options.control_columns
                ),
                asked=partial(asks_for, self.roles),
                chunk=self._chunk,
                budget=budget_of(self.model, self.options),
                stopwatch=self.stopwatch,
            )
            for chunk, batches in pipeline.chunks():
                yield self._score(chunk, batches)

    def _score(self, encoded: Encoded, batches: Iterator[tuple[Array, Prepared | None]]) -> Part:
        if not len(encoded):
            return Part(None, dict(encoded.counts))
        drops = self.options.special == "drop"
        scored = encoded if self.model.route.cross else replace(encoded, source=None)
        presence = Presence.of(self.roles, scored.without_special() if drops else scored)
        with self.stopwatch.stage("score"):
            found = run_batches(
                self.model,
                encoded,
                self.roles,
                self.options,
                batches,
                stopwatch=self.stopwatch,
                advance=self.advance,
                part=True,
            )
        with self.stopwatch.stage("sign"):
            tokens = provenance.token_hashes(encoded)
            facts = {**self.facts, "corpus": provenance.corpus_hash(encoded)}
        scores = HeadScores(
            values=found.values,
            roles=tuple(role.name for role in self.roles),
            sequence_ids=encoded.ids,
            documents=encoded.documents if any(encoded.documents) else None,
            attainable=found.attainable,
            tokens=tokens,
            facts=facts,
            counts=found.counts,
            lengths=encoded.lengths,
            excess=found.excess,
            position_sums=found.position_sums,
            heads=np.array(self.model.route.heads_per_layer),
            **with_sums(found.entries, found.invisible, len(self.roles)),
            **({} if found.matched is None else found.matched.arrays()),
        )
        return Part(scores, dict(encoded.counts), presence)


def make_scorer(model: Any, options: ScoreOptions, stopwatch: Stopwatch | None = None) -> Scorer:
    """Load a model, find the parser, and collect the facts that identify them.

    Raises
    ------
    UsageError, InputError
        As `headscore.model.load.load_model` and `headscore.parsing.pipelines.find_parser`.
    """
    stopwatch = Stopwatch() if stopwatch is None else stopwatch
    roles = parse_roles(options.roles)
    for name, only in (("special", "keep"), ("control", OFFSET)):
        if options.part == CROSS and (got := getattr(options, name)) != only:
            raise UsageError(f"{name} must be {only!r} with part 'cross', got {got!r}")
    check_backend(options)
    with stopwatch.stage("load model"):
        loaded = load_model(model, options, paired=True)
    with stopwatch.stage("sign"):
        parser = None if options.parser is None else find_parser(options.parser)
        facts = provenance.facts_of(loaded, "", roles, parser, options.backend) | options.facts()
        facts |= loaded.facts() | options.subset_facts()
    return Scorer(loaded, roles, options, facts, parser, stopwatch)


def score_corpus(
    model: Any,
    corpus: Any,
    options: ScoreOptions,
    join: Join[Result],
    stopwatch: Stopwatch | None = None,
) -> Result:
    """Score a whole corpus.

    Parameters
    ----------
    model, corpus, options
        As in `headscore.score`.
    join
        Joins the parts, or adds them up.
    stopwatch
        Counts the time of each stage.

    Raises
    ------
    UsageError, InputError, IncompleteError
        As `headscore.score`.
    """
    encoded = as_encoded(corpus)
    if encoded is not None:
        check_options(options)
    scorer = make_scorer(model, options, stopwatch)
    scorer.facts = named(scorer.facts, name_of(corpus))
    counts: Counter[str] = Counter()
    presence = Presence()
    shown = sys.stderr.isatty() if options.progress is None else options.progress
    total = length(corpus if encoded is None else encoded.ids, options) if shown else None
    with progress_bar(shown, total=total) as scorer.advance:
        if encoded is not None:
            scores = _join_encoded(scorer, encoded, join, counts, presence)
        else:
            source = Source(corpus, options)
            with source.opened(
                scorer.parser, counts, scorer.stopwatch, waiting=presence.note_unparsed
            ) as sequences:
                scores = join(scorer.parts(sequences), counts, presence)
    return checked_whole(scores, scorer.roles, counts, presence)


def _join_encoded(
    scorer: Scorer,
    encoded: Encoded,
    join: Join[Result],
    counts: Counter[str],
    presence: Presence,
) -> Result | None:
    """Score an encoded corpus, after checking that the model can read it."""
    begin_encoded(scorer, encoded, counts, presence)
    return join(scorer.parts_of(encoded), counts, presence)


def begin_encoded(
    scorer: Scorer, encoded: Encoded, counts: Counter[str], presence: Presence
) -> None:
    """Check that the model can read an encoded corpus, and take over its facts and counts."""
    if scorer.model.part.paired:
        raise InputError(
            f"part {scorer.options.part!r} must have a corpus of text pairs, (source, target), got "
            "an encoded one"
        )
    check_model(encoded, scorer.facts["tokenizer"], scorer.model.max_length)
    scorer.facts = signed(scorer.facts, encoded)
    counts.update(encoded.known_sources().read)
    presence.unparsed = not scorer.facts["parser"].startswith("none")


def _peeked(stream: Iterator[Sequence], count: int) -> tuple[Iterator[Sequence], bool]:
    """Return a stream, and whether it has more than `count` sequences; False for a count of 0."""
    first = list(itertools.islice(stream, count + 1)) if count else []
    return itertools.chain(first, stream), len(first) > count > 0


def checked_whole(
    scores: Result | None, roles: tuple[Role, ...], counts: Mapping[str, int], presence: Presence
) -> Result:
    """Check and return the scores of a whole corpus; log which roles are absent.

    Parameters
    ----------
    scores
        The joined parts; None: no sequence could be used.
    roles, counts, presence
        The roles of the run, its counts, and the presence of roles in the corpus.

    Raises
    ------
    InputError, IncompleteError
        As `encoding.encode.encode`, `roles.presence.missing` and `scores.batches.run_batches`.
    """
    n_sequences = 0 if scores is None else scores.n_sequences
    check_usable(n_sequences, counts)
    assert scores is not None
    warn_of_spelled(n_sequences, counts, scores.facts.get("special_in_text", "split"))
    absent = presence.absent or {}
    for sentence in absence_warnings(roles, presence):
        log.warning(sentence)
    for sentence in unknown_ids(roles, getattr(scores, "sequence_ids", None)):
        log.warning(sentence)
    for name in _all_invisible(scores):
        log.warning("%s is unattainable: it points only to tokens that are not visible", name)
    skipped = counts.get("nonfinite_skipped", 0)
    scored = any(role.name not in absent for role in roles)
    check_whole(roles, n_sequences, skipped, scored=scored)
    return scores if presence.unparsed else _without_parser(scores)


def _without_parser(scores: Result) -> Result:
    """Replace the fact "parser" where one was given but every text came with a parse."""
    if scores.facts["parser"] == "none":
        return scores
    return replace(scores, facts={**scores.facts, "parser": "none (all came parsed)"})


def _all_invisible(scores: Joined) -> list[str]:
    """Return the roles whose sieves have entries, but no visible one."""
    if scores.hidden is None:
        return []
    # (role,): some sequence has only invisible entries, and none has a visible one.
    lost = scores.hidden.any(axis=1) & ~scores.takes_part()
    return [name for name, each in zip(scores.roles, lost, strict=True) if each]


@contextmanager
def progress_bar(
    shown: bool, doing: str = "scoring", total: int | None = None
) -> Iterator[Callable[[int], Any]]:
    """Show a progress bar on stderr; yield the function that advances it by some sequences."""
    from tqdm import tqdm

    with tqdm(disable=not shown, unit=" seq", desc=doing, total=total, leave=False) as bar:
        yield bar.update
