"""The public functions that score, test and compare; what runs models is imported when it runs."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from headscore.options import AnalyzeOptions, ScoreOptions, TestOptions
from headscore.report.comparison import Comparison
from headscore.report.report import Report
from headscore.roles.specs import parse_roles
from headscore.scores.align import Checkpoints
from headscore.scores.head_scores import HeadScores
from headscore.scores.parts import gather
from headscore.signatures import takes
from headscore.statistics.criterion import criterion_of
from headscore.statistics.online import online_criterion, summarise_parts

if TYPE_CHECKING:
    from headscore.stopwatch import Stopwatch

Corpus: TypeAlias = str | os.PathLike[str] | Iterable[Any]


@takes(AnalyzeOptions)
def analyze(model: Any, corpus: Corpus, options: AnalyzeOptions) -> Report:
    """Score and test every head of a model in every role: `score`, then `test`.

    Parameters
    ----------
    model, corpus
        As in `score`.

    Returns
    -------
    Report

    Raises
    ------
    UsageError, InputError, IncompleteError
        As `score` and `test`.

    Examples
    --------
    >>> import headscore as hs
    >>> report = hs.analyze("google-bert/bert-base-uncased", "corpus.conllu")
    >>> report.heads("nsubj")
    """
    check_analysis(options)
    if options.keep_scores == "none":
        return analyze_online(model, corpus, options)
    return Report.from_scores(score_with(model, corpus, options), options)


@takes(ScoreOptions)
def score(model: Any, corpus: Corpus, options: ScoreOptions) -> HeadScores:
    """Compute the sieve bias scores of every head on every sequence: the expensive half.

    Parameters
    ----------
    model
        Hub id, local folder, or a loaded transformers model.
    corpus
        Path (.conllu, .tsv, .jsonl, .txt, .spacy), a `DataSet`, or an iterable of texts, (text,
        text) tuples, lists of words, mappings or `Sequence`.

    Returns
    -------
    HeadScores

    Raises
    ------
    UsageError
        An option has a value that is not allowed.
    InputError
        The model or the corpus cannot be used as it is.
    IncompleteError
        Not every sequence could be scored.
    """
    return score_with(model, corpus, options)


@takes(TestOptions)
def test(scores: HeadScores, options: TestOptions) -> Report:
    """Test for every head and role whether the mean score exceeds tau: the cheap half.

    Parameters
    ----------
    scores
        What `score` returned, or `HeadScores.from_arrays` of your own numbers.

    Returns
    -------
    Report

    Raises
    ------
    UsageError
        An option has a value that is not allowed.
    InputError
        Documents or attainable are needed and unknown.
    """
    return Report.from_scores(scores, options)


test.__test__ = False  # type: ignore[attr-defined]  # no test of pytest's


@takes(TestOptions)
def compare(before: Checkpoints, after: Checkpoints, options: TestOptions) -> Comparison:
    """Test which heads gained or lost a role between two sides, on the same sequences.

    Parameters
    ----------
    before, after
        What `score` returned for each side, or a list of several checkpoints of it, which are
        averaged on each sequence. Score the second model with ``tokenizer`` of the first, so that
        both get the same tokens.

    Returns
    -------
    Comparison

    Raises
    ------
    UsageError
        An option has a value that is not allowed.
    InputError
        The sides are not of the same sequences, tokens, roles, layers and heads.

    Examples
    --------
    >>> import headscore as hs
    >>> change = hs.compare(hs.load("before.hs"), hs.load("after.hs"))
    >>> change.heads("gained")
    """
    return Comparison.from_scores(before, after, options)


def check_analysis(options: AnalyzeOptions) -> None:
    """Check the options of a test before there are scores; raises UsageError."""
    roles = [role.name for role in parse_roles(options.roles)]
    if options.keep_scores == "none":
        online_criterion(options, roles)
    # There are no scores yet: attainable scores of 1 stand in, so that the options are checked.
    criterion_of(options, roles, np.ones((1, len(roles), 1)))


def score_with(
    model: Any, corpus: Corpus, options: ScoreOptions, stopwatch: Stopwatch | None = None
) -> HeadScores:
    """Score as `score`, and count the time of each stage."""
    from headscore.scores.stream import score_corpus

    keep = partial(gather, keep=options.keep_scores)
    return score_corpus(model, corpus, options, keep, stopwatch)


def analyze_online(
    model: Any, corpus: Corpus, options: AnalyzeOptions, stopwatch: Stopwatch | None = None
) -> Report:
    """Analyze without keeping the scores of each sequence."""
    from headscore.scores.stream import score_corpus

    roles = [role.name for role in parse_roles(options.roles)]
    criterion = online_criterion(options, roles)
    add_up = partial(summarise_parts, criterion=criterion, ddof=options.ddof)
    summary = score_corpus(model, corpus, options, add_up, stopwatch)
    return Report.from_summary(summary, criterion, options)
