"""The public functions that score, test and compare; what runs models is imported when it runs."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from headscore.declarations import declared, narrowed
from headscore.errors import UsageError
from headscore.log import log
from headscore.options import (
    AnalyzeOptions,
    CompareOptions,
    CorpusOptions,
    PowerOptions,
    ReadOptions,
    ReplicateOptions,
    ScoreOptions,
    TestOptions,
    TestSomeOptions,
    TrajectoryOptions,
    UntilOptions,
    ValidateOptions,
)
from headscore.signatures import takes

if TYPE_CHECKING:
    from headscore.causal.labelled import Labelled
    from headscore.causal.values import EffectValues
    from headscore.encoding.encoded import Encoded
    from headscore.report.comparison import Comparison
    from headscore.report.effect import Effect
    from headscore.report.power_curve import PowerCurve
    from headscore.report.replication import Replication
    from headscore.report.report import Report
    from headscore.report.seeds import Seeds
    from headscore.report.trajectory import Trajectory
    from headscore.report.trajectory_table import Scores
    from headscore.scores.align import Checkpoints
    from headscore.scores.head_scores import HeadScores
    from headscore.stopwatch import Stopwatch

Corpus: TypeAlias = "str | os.PathLike[str] | Iterable[Any] | Encoded"
Labels: TypeAlias = "Report | HeadScores | str | os.PathLike[str] | Mapping[Any, Any]"


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
    from headscore.report.report import Report

    check_analysis(options)
    check_inputs(model, corpus, options, options.roles)
    if options.keep_scores == "none":
        return analyze_online(model, corpus, options)
    return Report.from_scores(score_with(model, corpus, options), options)


@takes(UntilOptions)
def score(model: Any, corpus: Corpus, options: UntilOptions) -> HeadScores:
    """Compute the sieve bias scores of every head on every sequence: the expensive half.

    With ``until`` the run stops as soon as the tests of `test` with the same options are decided,
    at one of several looks at a corpus in random order. The scores then hold the sequences read,
    and every test of them is made at alpha over the number of looks.

    Parameters
    ----------
    model
        Hub id, local folder, or a loaded transformers model.
    corpus
        Path (.conllu, .tsv, .jsonl, .txt, .spacy, .hse), a `DataSet`, an iterable of texts, (text,
        text) tuples, lists of words, mappings or `Sequence`, or an `Encoded` of `headscore.encode`.

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
    check_score(options)
    check_inputs(model, corpus, options, options.roles)
    return score_with(model, corpus, options)


@takes(TestSomeOptions)
def test(scores: HeadScores, options: TestSomeOptions) -> Report:
    """Test for every head and role whether the mean score exceeds tau: the cheap half.

    With ``roles`` or ``where`` only a part is tested, as if nothing else had been scored, see
    `HeadScores.select`: p-values are adjusted for what is asked about.

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
    return test_with(scores, options)


test.__test__ = False  # type: ignore[attr-defined]  # no test of pytest's


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


@takes(CompareOptions)
def compare(before: Checkpoints, after: Checkpoints, options: CompareOptions) -> Comparison:
    """Test which heads gained or lost a role between two sides, on the same sequences or not.

    With ``paired=False`` the sides are two corpora, or two conditions of one such as questions and
    statements: Welch's test over documents, those with sequences on both sides included, of what
    heads attain. A warning is logged where sequences differ in length.

    Parameters
    ----------
    before, after
        What `score` returned for each side, or a list of several checkpoints of it, which are
        averaged on each sequence. Score the second model with ``tokenizer`` of the first, so that
        both get the same tokens. Sides that are not paired need the same roles, layers and heads.

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
    >>> run = hs.load("run.hs")
    >>> questions = run.select(where=lambda id: id.startswith("question"))
    >>> statements = run.select(where=lambda id: id.startswith("statement"))
    >>> hs.compare(statements, questions, paired=False, names=("statements", "questions"))
    """
    return compare_with(before, after, options)


def compare_with(before: Checkpoints, after: Checkpoints, options: CompareOptions) -> Comparison:
    """Compare as `compare`."""
    from headscore.report.comparison import Comparison

    return Comparison.from_scores(before, after, options)


@takes(ReplicateOptions)
def replicate(studies: Any, options: ReplicateOptions) -> Replication | Seeds:
    """Test in how many studies (corpora, genres, languages, copies of a model) a head has a role.

    Partial conjunction: Benjamini and Heller, "Screening for partial conjunction hypotheses",
    Biometrics 64 (2008). The studies may depend in any way, as those of one model do.

    Parameters
    ----------
    studies
        A list, or a mapping from names, of `HeadScores`, of reports, or of files of either, with
        the same roles, layers and heads. Scores are tested with the options, reports are used as
        they are and must have been tested alike. With ``by`` the scores of one corpus.

    Returns
    -------
    Replication or Seeds
        `Seeds` where ``aligned`` is False: what seeds of one training recipe, whose heads do not
        correspond, have in common.

    Raises
    ------
    UsageError
        An option has a value that is not allowed, or there are fewer than two studies.
    InputError
        The studies are not of the same roles, layers and heads, or were not tested alike; or a
        corpus cannot be split.

    Examples
    --------
    >>> import headscore as hs
    >>> found = hs.replicate({"English": "en.hs", "Portuguese": "pt.hs"})
    >>> found.heads("nsubj")
    >>> hs.replicate(hs.load("run.hs"), by="genre", at_least=4).counted()
    """
    return replicate_with(studies, options)


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


@takes(TrajectoryOptions)
def trajectory(scores: Mapping[float, Scores], options: TrajectoryOptions) -> Trajectory:
    """Test from which checkpoint of a training run on each head has each role.

    The statement "from step t on" is about step t and all later ones, so that it stays valid
    although one looks at each step; it is adjusted over heads, roles and steps at once.

    Parameters
    ----------
    scores
        Step of training, a number, to the scores of its checkpoint, or to the file of these; at
        least two. Files are read one after the other. Corpora may differ, roles, layers and heads
        must be the same.

    Returns
    -------
    Trajectory

    Raises
    ------
    UsageError
        An option has a value that is not allowed, or there are fewer than two steps.
    InputError
        The steps do not have the same roles, layers and heads.

    Examples
    --------
    >>> import headscore as hs
    >>> found = hs.trajectory({1000: "step-1000.hs", 2000: "step-2000.hs", 4000: "step-4000.hs"})
    >>> found.heads("induction")
    """
    from headscore.report.trajectory import Trajectory

    return Trajectory.from_scores(scores, options)


@takes(ValidateOptions)
def validate(model: Any, corpus: Corpus, report: Labels, options: ValidateOptions) -> Effect:
    """Remove what the heads of a role look at, and measure what the model loses.

    For each role the model runs over the corpus with the role's entries removed from the attention
    of the heads that have it (knockout), with as many other entries removed (placebo), with all but
    the role's entries removed (keep), without the heads (heads), and without random sets of as
    many heads in each layer, matched in output norm (matched).

    Parameters
    ----------
    model, corpus
        As in `score`. A model by name is loaded with its language-model head, if it has one.
    report
        Which heads have which role: a `Report` of `analyze` or `test`, `HeadScores` (tested with
        default options), the file of either, or a mapping from role specs to heads: (layer, head)
        pairs, or a data frame with the columns layer and head.

    Returns
    -------
    Effect

    Raises
    ------
    UsageError
        An option has a value that is not allowed, or a role is not in the report.
    InputError
        The model, the corpus or the report cannot be used as it is, or do not belong together.
    IncompleteError
        Memory did not suffice for a batch.

    Examples
    --------
    >>> import headscore as hs
    >>> report = hs.analyze("gpt2", "corpus.conllu", roles="offset:-1,sink")
    >>> effect = hs.validate("gpt2", "corpus.conllu", report)
    >>> print(effect.summary())
    """
    from headscore.report.labelled import labelled_heads

    labelled = labelled_heads(report, options)
    check_inputs(model, corpus, options)
    return validate_with(model, corpus, labelled, options)


@takes(PowerOptions)
def power_curve(pilot: HeadScores | str | os.PathLike[str], options: PowerOptions) -> PowerCurve:
    """Tell what corpora of other sizes would show, by drawing them from the units of a pilot.

    Each corpus is tested as `test` would test it with these units, see `PowerCurve`. What a pilot
    does not hold cannot be drawn from it: the few documents that are much larger than all others,
    which make fewer labels `robust` than it promises, and heads that fire in rare texts only.

    Parameters
    ----------
    pilot
        Scores of a part of the corpus, or of a small one like it; or the file of such scores.

    Returns
    -------
    PowerCurve

    Raises
    ------
    UsageError
        An option has a value that is not allowed.
    InputError
        Documents or attainable are needed and unknown, or a file holds no scores.

    Examples
    --------
    >>> import headscore as hs
    >>> curve = hs.power_curve("pilot.hs", documents=[100, 200, 400])
    >>> print(curve.summary())
    """
    return power_curve_with(pilot, options)


def power_curve_with(
    pilot: HeadScores | str | os.PathLike[str], options: PowerOptions
) -> PowerCurve:
    """Draw corpora and test them as `power_curve`."""
    from headscore.report.power_curve import PowerCurve
    from headscore.scores.head_scores import HeadScores

    scores = HeadScores.load(pilot) if isinstance(pilot, str | os.PathLike) else pilot
    return PowerCurve.from_scores(scores, options)


def check_score(options: UntilOptions) -> None:
    """Check the options of a test in `score`, which needs them only with `until`."""
    if options.until is not None:
        check_analysis(options)
        return
    for each, _ in declared(TestOptions):
        value = getattr(options, each.name)
        # Ids of clusters may be an array, which compares element by element.
        if not isinstance(value, str | int | float) or value != each.default:
            raise UsageError(f"{each.name} must be left out without until, got {value!r:.60}")


def check_analysis(options: UntilOptions) -> None:
    """Check the options of a test before there are scores; raises UsageError."""
    import numpy as np

    from headscore.roles.specs import parse_roles
    from headscore.statistics.criterion import criterion_of

    roles = [role.name for role in parse_roles(options.roles)]
    if options.until is not None:
        from headscore.statistics.stopping import check_until

        check_until(options)
    if options.keep_scores == "none":
        from headscore.statistics.online import online_criterion

        online_criterion(options, roles)
    # There are no scores yet: attainable scores of 1 stand in, so that the options are checked.
    criterion_of(options, roles, np.ones((1, len(roles), 1)))


def check_inputs(model: Any, corpus: Corpus, options: CorpusOptions, roles: Any = ()) -> list[str]:
    """Check names of models, files, pipelines and roles before torch is loaded.

    Returns
    -------
    list of str
        A sentence for each role that the corpus does not have, as far as a quick look can tell.

    Raises
    ------
    UsageError, InputError
        As `score`, but within half a second.
    """
    from headscore.corpus import read
    from headscore.model.names import check_name
    from headscore.parsing.pipelines import check_parser
    from headscore.roles.first_look import missing_at_first_look
    from headscore.roles.specs import parse_roles

    if isinstance(model, str | os.PathLike):
        check_name(os.fspath(model))
    tokenizer = getattr(options, "tokenizer", None)
    if isinstance(tokenizer, str | os.PathLike):
        check_name(os.fspath(tokenizer), "tokenizer")
    if isinstance(corpus, str | os.PathLike) and not _is_encoded(Path(corpus)):
        # A sample would be drawn now, which reads the whole corpus.
        sequences = read(corpus, replace(narrowed(ReadOptions, options), limit=None, sample=None))
        # What is no regular file can be read once only, and a DocBin needs spaCy.
        if Path(corpus).is_file() and Path(corpus).suffix != ".spacy":
            next(sequences)
    check_parser(options.parser)
    if not roles or isinstance(roles, Iterator):  # which could be read once only
        return []
    return missing_at_first_look(parse_roles(roles), corpus, options)


def _is_encoded(path: Path) -> bool:
    return path.suffix == ".hse" and path.is_file()


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
