"""Scoring: a stream of sequences in, the scores of one chunk after the other out.

A chunk is a fixed number of sequences as they are read. Batches are made within a chunk, so the
scores depend on where chunks begin, in their last bits, and on nothing else: not on how much is in
memory, nor on who computes which chunk.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from numbers import Integral
from typing import Any, TypeAlias

import numpy as np

from headscore.corpus.sequence import Sequence
from headscore.encoding import encode as encoding
from headscore.encoding.encoded import Encoded
from headscore.errors import UsageError
from headscore.log import log
from headscore.model import load as models
from headscore.model.load import Model
from headscore.parsing import pipelines
from headscore.parsing.pipelines import Parser
from headscore.parsing.source import Source
from headscore.roles import specs as sieves
from headscore.roles.presence import Seen
from headscore.roles.specs import Role
from headscore.scores import batches as running
from headscore.scores import provenance
from headscore.scores.head_scores import HeadScores
from headscore.scores.parts import Part
from headscore.scores.provenance import Result
from headscore.stages import Stages
from headscore.statistics.summary import Summary

Collect: TypeAlias = Callable[[Iterable[Part], Counter[str], Seen], Result | None]
CHUNK = 4096


@dataclass(frozen=True)
class Options:
    """How sequences are encoded and scored; see `headscore.score`."""

    chunk: int = CHUNK
    too_long: str = "truncate"
    batch_tokens: int | None = None
    backend: str = "auto"
    on_nonfinite: str = "error"
    position: bool = True
    weights: str = "attention"
    special: str = "keep"

    def check(self) -> None:
        """Check all of them before the model is there; raises UsageError."""
        if not (isinstance(self.chunk, Integral) and self.chunk >= 1):
            raise UsageError(f"chunk must be an integer of at least 1, got {self.chunk!r}")
        encoding.check_options(too_long=self.too_long)
        running.check_options(
            batch_tokens=self.batch_tokens,
            on_nonfinite=self.on_nonfinite,
            backend=self.backend,
            weights=self.weights,
            special=self.special,
        )

    def facts(self) -> dict[str, str]:
        """Return what a signature says of options that are not as usual."""
        chosen = {"weighted_by": self.weights, "special": self.special}
        usual = {"weighted_by": Options.weights, "special": Options.special}
        return {name: each for name, each in chosen.items() if each != usual[name]}


@dataclass
class Scoring:
    """The scoring of one corpus by one model.

    Attributes
    ----------
    model, roles, options, parser
        What runs, for which roles, how, and what parses.
    facts
        What goes into the signature; the hash of a chunk is added to each part.
    stages
        Counts the time of each stage.
    advance
        Called with the number of sequences of each batch that is done.
    """

    model: Model
    roles: tuple[Role, ...]
    options: Options
    facts: dict[str, str]
    parser: Parser | None = None
    stages: Stages = field(default_factory=Stages)
    advance: Callable[[int], Any] = lambda _: None

    def parts(self, sequences: Iterable[Sequence]) -> Iterator[Part]:
        """Yield the scores of each chunk; no more than one chunk is held.

        Raises
        ------
        InputError, IncompleteError
            As `headscore.encoding.encode.encode` and `headscore.scores.batches.run`, of a chunk.
        """
        stream = iter(sequences)
        while True:
            with self.stages.stage("encode"):
                chunk = list(itertools.islice(stream, self.options.chunk))
                encoded = encoding.encode_part(
                    chunk,
                    self.model.tokenizer,
                    max_length=self.model.max_length,
                    too_long=self.options.too_long,
                    asked=partial(sieves.asks_for, self.roles),
                )
            if not chunk:
                return
            yield self._scored(encoded)

    def _scored(self, encoded: Encoded) -> Part:
        if not len(encoded):
            return Part(None, dict(encoded.counts))
        options = self.options
        drops = options.special == "drop"
        seen = Seen.of(self.roles, encoded.without_special() if drops else encoded)
        with self.stages.stage("score"):
            scored = running.run(
                self.model,
                encoded,
                self.roles,
                batch_tokens=options.batch_tokens,
                backend=options.backend,
                on_nonfinite=options.on_nonfinite,
                position=options.position,
                weights=options.weights,
                special=options.special,
                stages=self.stages,
                advance=self.advance,
                part=True,
            )
        with self.stages.stage("sign"):
            tokens = provenance.token_hashes(encoded)
            facts = {**self.facts, "corpus": provenance.corpus_hash(encoded)}
        scores = HeadScores(
            scored.values,
            tuple(role.name for role in self.roles),
            encoded.ids,
            encoded.documents if any(encoded.documents) else None,
            scored.attainable,
            tokens,
            facts,
            scored.counts,
            scored.overlap,
            scored.beyond,
            np.array(self.model.route.heads_per_layer),
            scored.hidden,
        )
        return Part(scores, dict(encoded.counts), seen)


def prepare(
    model: Any,
    tokenizer: Any,
    roles: tuple[Role, ...],
    parser: Any,
    options: Options,
    *,
    max_length: int | None,
    device: str,
    dtype: str | None,
    stages: Stages | None = None,
) -> Scoring:
    """Load a model, find the parser, and say what identifies them; arguments as `headscore.score`.

    Raises
    ------
    InputError, UsageError
        As `headscore.model.load.load` and `headscore.parsing.pipelines.find_parser`.
    """
    stages = Stages() if stages is None else stages
    with stages.stage("load model"):
        loaded = models.load(model, tokenizer, max_length=max_length, device=device, dtype=dtype)
    with stages.stage("sign"):
        found = None if parser is None else pipelines.find_parser(parser)
        facts = provenance.facts(loaded, "", roles, found, options.backend) | options.facts()
    return Scoring(loaded, roles, options, facts, found, stages)


def over_corpus(work: Scoring, source: Source, collect: Collect[Result], progress: bool) -> Result:
    """Score a whole corpus; `collect` joins the parts, or adds them up; raises as `finish`."""
    counts: Counter[str] = Counter()
    seen = Seen()
    with (
        source.opened(work.parser, counts, work.stages, waiting=seen.wait) as sequences,
        progress_bar(progress) as work.advance,
    ):
        scores = collect(work.parts(sequences), counts, seen)
    return finish(scores, work.roles, counts, seen)


def finish(
    scores: Result | None, roles: tuple[Role, ...], counts: Mapping[str, int], seen: Seen
) -> Result:
    """Return the scores of a whole corpus if they are fit to be used, and say what is absent.

    Parameters
    ----------
    scores
        What the parts have brought out, or what it adds up to; None: nothing.
    roles, counts, seen
        What was asked for, what was counted on the way, and what was seen.

    Raises
    ------
    InputError, IncompleteError
        As `encoding.encode.encode`, `roles.specs.missing` and `scores.batches.run`.
    """
    n_sequences = 0 if scores is None else scores.n_sequences
    encoding.check_usable(n_sequences, counts)
    assert scores is not None
    absent = seen.absent or {}
    for sentence in sieves.say_absent(roles, absent, parsed=seen.parsed):
        log.warning(sentence)
    for name in _all_hidden(scores):
        log.warning("%s is unattainable: it points only to tokens that are not visible", name)
    skipped = counts.get("nonfinite_skipped", 0)
    scored = any(role.name not in absent for role in roles)
    running.check_whole(roles, n_sequences, skipped, scored=scored)
    return scores if seen.unparsed else provenance.without_parser(scores)


def _all_hidden(scores: HeadScores | Summary) -> list[str]:
    """Return the roles that point somewhere, but of which no layer sees anything."""
    if scores.hidden is None:
        return []
    return [
        name
        for role, name in enumerate(scores.roles)
        if scores.hidden[role].any() and not _takes_part(scores, role)
    ]


def _takes_part(scores: HeadScores | Summary, role: int) -> bool:
    if isinstance(scores, Summary):
        return bool(scores.cells.n[role].any())
    return not np.isnan(scores.values[:, role]).all()


@contextmanager
def progress_bar(shown: bool) -> Iterator[Callable[[int], Any]]:
    """Show on stderr how many sequences are done; yields the function that adds some."""
    from tqdm import tqdm

    with tqdm(disable=not shown, unit=" seq", desc="scoring", leave=False) as bar:
        yield bar.update
