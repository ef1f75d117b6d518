"""How many heads have each role, by threshold."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping

import numpy as np
import pandas as pd

from headscore.arrays import Floats
from headscore.errors import UsageError
from headscore.scores.head_scores import HeadScores, check_scores
from headscore.statistics import t_test as statistics
from headscore.statistics.clusters import clusters_of
from headscore.statistics.criterion import Criterion
from headscore.statistics.moments import moments
from headscore.statistics.units import units_of

TAUS = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5)


def tau_curve(
    scores: HeadScores,
    *,
    taus: Iterable[float] = TAUS,
    alpha: float = 0.05,
    adjust: str = "holm",
    ddof: int = 1,
    clusters: str | Iterable[Hashable] | None = None,
    paper: bool = False,
) -> pd.DataFrame:
    """Count the heads that have each role at each of several thresholds.

    Each count is that of `headscore.test` at this tau; only what depends on tau is repeated.

    Parameters
    ----------
    scores
        The scores of each sequence.
    taus
        Thresholds on the mean score.
    alpha, adjust, ddof, clusters
        As in `headscore.test`.
    paper
        Whether to count ``label_paper``, without adjustment, in the place of ``label``.

    Returns
    -------
    pandas.DataFrame
        int, a row per role, a column per tau.

    Raises
    ------
    UsageError
        If an option has a value that is not allowed.
    InputError
        If documents are needed and unknown.
    """
    check_scores(scores)
    statistics.check_options(alpha=alpha, adjust=adjust, ddof=ddof)
    thresholds = _thresholds(taus, scores.roles)
    any_tau = Criterion.of_mean(np.ones(len(scores.roles)))
    cells = moments(scores.values, scores.attainable, tau=any_tau, ddof=ddof)
    units = units_of(scores, clusters_of(scores, clusters), cells, any_tau, ddof=ddof)
    counts = {}
    for number, tau in thresholds.items():
        status = statistics.statuses(cells, tau, units=units)
        pvalue = statistics.t_test(cells, status, tau, alpha=alpha, units=units).pvalue
        label = statistics.adjust(pvalue, "none" if paper else adjust) <= alpha
        counts[number] = label.sum(axis=(1, 2))
    curve = pd.DataFrame(counts, index=pd.Index(scores.roles, name="role"))
    return curve.rename_axis(columns="tau")


def _thresholds(taus: Iterable[float], roles: tuple[str, ...]) -> dict[float, Floats]:
    """Return the thresholds of the roles by tau."""
    if isinstance(taus, str | Mapping) or not isinstance(taus, Iterable):
        raise UsageError(f"taus must be a list of thresholds, got {taus!r}")
    taus = list(taus)
    if any(isinstance(tau, Mapping) for tau in taus):
        raise UsageError("taus must be numbers that hold for all roles, got a mapping")
    thresholds = [statistics.thresholds(tau, roles) for tau in taus]
    if not thresholds:
        raise UsageError("taus must have at least one threshold, got none")
    return {float(tau[0]): tau for tau in thresholds}
