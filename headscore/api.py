"""The public functions that score, test and compare; what runs models is imported when it runs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

from headscore.checks import check_analysis, check_inputs, check_score
from headscore.options import (
    AnalyzeOptions,
    CompareOptions,
    PowerOptions,
    ReplicateOptions,
    TestSomeOptions,
    TrajectoryOptions,
    UntilOptions,
    ValidateOptions,
)
from headscore.runs import (
    Corpus,
    analyze_online,
    replicate_with,
    score_with,
    test_with,
    validate_with,
)
from headscore.signatures import takes

if TYPE_CHECKING:
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
    from headscore.report.power_curve import PowerCurve
    from headscore.scores.head_scores import HeadScores

    scores = HeadScores.load(pilot) if isinstance(pilot, str | os.PathLike) else pilot
    return PowerCurve.from_scores(scores, options)
