"""Test and compare scores: the cheap half, which needs no model and loads none."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

import numpy as np

from headscore.report.comparison import Comparison
from headscore.report.report import Report
from headscore.roles import specs as sieves
from headscore.roles.specs import Role
from headscore.scores.align import Checkpoints
from headscore.scores.head_scores import HeadScores
from headscore.statistics import t_test as statistics
from headscore.statistics.clusters import check_clusters


def test(
    scores: HeadScores,
    *,
    tau: float | Mapping[str, float] = 3.0,
    alpha: float = 0.05,
    adjust: str = "holm",
    ddof: int = 1,
    clusters: str | Iterable[Hashable] | None = None,
    criterion: str = "mean",
) -> Report:
    """Test for every head and role whether the mean score exceeds tau: the cheap half.

    Parameters
    ----------
    scores
        What `score` returned, or `HeadScores.from_arrays` of your own numbers.
    tau
        Threshold on the mean; one number, or one for each role, where ``"*"`` stands for the
        others: ``{"*": 3, "local": 2}``.
    alpha
        Level of the test.
    adjust
        Correction for the number of tests: "holm", "bh", "by" or "none".
    ddof
        1 for the unbiased variance; 0 as the authors' notebooks, for comparison only.
    clusters
        "document" where sequences of one document may depend on each other; or the cluster of each
        sequence, a number or text; None where all sequences are independent.
    criterion
        "mean": the mean score must exceed tau; "attained": the share of what is attainable beyond
        uniform attention, ``(mean - 1) / (attainable - 1)``, must exceed tau, between 0 and 1.

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
    return Report.from_scores(
        scores,
        tau=tau,
        alpha=alpha,
        adjust=adjust,
        ddof=ddof,
        clusters=clusters,
        criterion=criterion,
    )


def compare(
    before: Checkpoints,
    after: Checkpoints,
    *,
    tau: float | Mapping[str, float] = 3.0,
    alpha: float = 0.05,
    adjust: str = "holm",
    ddof: int = 1,
) -> Comparison:
    """Tell which heads gained or lost a role between two sides, on the same sequences.

    Parameters
    ----------
    before, after
        What `score` returned for each side, or a list of several checkpoints of it, which are
        averaged on each sequence. Score the second model with ``tokenizer`` of the first, so that
        both see the same tokens.
    tau, alpha, adjust, ddof
        As in `test`.

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
    return Comparison.from_scores(before, after, tau=tau, alpha=alpha, adjust=adjust, ddof=ddof)


def check_test(
    roles: str | Iterable[str | Role],
    *,
    tau: float | Mapping[str, float] = 3.0,
    alpha: float = 0.05,
    adjust: str = "holm",
    ddof: int = 1,
    clusters: object = None,
    criterion: str = "mean",
) -> None:
    """Check the options of a test before the scores are there; raises UsageError."""
    names = [role.name for role in sieves.parse_roles(roles)]
    statistics.criterion_of(criterion, tau, names, np.ones((1, len(names), 1)))
    statistics.check_options(alpha=alpha, adjust=adjust, ddof=ddof)
    check_clusters(clusters)
