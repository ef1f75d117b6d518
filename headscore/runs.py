"""What public functions do once their options are a group; the command line calls these."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

from headscore.errors import UsageError
from headscore.log import log
from headscore.options import (
    AnalyzeOptions,
    ReplicateOptions,
    ScoreOptions,
    TestSomeOptions,
    UntilOptions,
    ValidateOptions,
)

if TYPE_CHECKING:
    from headscore.causal.labelled import Labelled
    from headscore.causal.values import EffectValues
    from headscore.encoding.encoded import Encoded
    from headscore.report.effect import Effect
    from headscore.report.replication import Replication
    from headscore.report.report import Report
    from headscore.report.seeds import Seeds
    from headscore.scores.head_scores import HeadScores
    from headscore.stopwatch import Stopwatch

Corpus: TypeAlias = "str | os.PathLike[str] | Iterable[Any] | Encoded"


def score_with(
    model: Any, corpus: Corpus, options: ScoreOptions, stopwatch: Stopwatch | None = None
) -> HeadScores:
    """Score as `score`, and count the time of each stage."""
    if isinstance(options, UntilOptions) and options.until is not None:
        from headscore.scores.rounds import score_rounds
        from headscore.statistics.stopping import Stopping

        return score_rounds(model, corpus, options, Stopping(options), stopwatch)
    from headscore.scores.parts import gather
    from headscore.scores.stream import score_corpus

    keep = partial(gather, keep=options.keep_scores)
    return score_corpus(model, corpus, options, keep, stopwatch)


def analyze_online(
    model: Any, corpus: Corpus, options: AnalyzeOptions, stopwatch: Stopwatch | None = None
) -> Report:
    """Analyze without keeping the scores of each sequence."""
    from headscore.report.report import Report
    from headscore.roles.specs import parse_roles
    from headscore.scores.stream import score_corpus
    from headscore.statistics.online import online_criterion, summarise_parts

    roles = [role.name for role in parse_roles(options.roles)]
    criterion = online_criterion(options, roles)
    add_up = partial(summarise_parts, criterion=criterion, ddof=options.ddof)
    summary = score_corpus(model, corpus, options, add_up, stopwatch)
    return Report.from_summary(summary, criterion, options)


def test_with(scores: HeadScores, options: TestSomeOptions) -> Report:
    """Test as `test`."""
    from headscore.report.report import Report
    from headscore.scores.head_scores import check_scores
    from headscore.statistics.clusters import clusters_of

    check_scores(scores)
    part = scores.select(where=options.where, roles=options.roles)
    if isinstance(options.clusters, str | None):
        return Report.from_scores(part, options)
    ids = list(options.clusters)  # of each sequence of the whole
    clusters_of(scores, ids)  # raises where they are not as many
    kept = set(part.sequence_ids)
    of_part = [each for each, s in zip(ids, scores.sequence_ids, strict=True) if s in kept]
    return Report.from_scores(part, replace(options, clusters=of_part))


def replicate_with(studies: Any, options: ReplicateOptions) -> Replication | Seeds:
    """Replicate as `replicate`."""
    if not options.aligned:
        return _compare_seeds(studies, options)
    from headscore.report.replication import Replication

    return Replication.from_studies(studies, options)


def _compare_seeds(studies: Any, options: ReplicateOptions) -> Seeds:
    for name in ("at_least", "by", "label"):
        value = getattr(options, name)
        if not isinstance(value, str | int | None) or value != getattr(ReplicateOptions, name):
            raise UsageError(f"{name} must be left out where aligned is False, got {value!r:.60}")
    from headscore.report.seeds import Seeds
    from headscore.report.studies import read_scores

    return Seeds.from_scores(read_scores(studies), options)


def validate_with(
    model: Any,
    corpus: Corpus,
    labelled: Labelled,
    options: ValidateOptions,
    announce: Callable[[str], Any] = log.info,
) -> Effect:
    """Validate as `validate`; `announce` is called with how long it will take."""
    from headscore.causal.experiment import run_experiment
    from headscore.report.effect import Effect
    from headscore.statistics.clusters import clusters_of

    clusters = options.clusters
    if clusters is not None and not isinstance(clusters, str):
        options = replace(options, clusters=tuple(clusters))  # read twice

    def check(values: EffectValues) -> None:
        clusters_of(values, options.clusters)

    values = run_experiment(model, corpus, labelled, options, announce, check)
    return Effect.from_values(values, options)
