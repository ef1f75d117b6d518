"""Number of heads with each role, by threshold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd

from headscore.arrays import Floats
from headscore.errors import UsageError
from headscore.options import MAXT, CurveOptions
from headscore.scores.head_scores import HeadScores
from headscore.statistics.clusters import clusters_of
from headscore.statistics.criterion import Criterion, thresholds
from headscore.statistics.excess_sums import excess_sums
from headscore.statistics.looks import at_each
from headscore.statistics.max_t import adjust_units
from headscore.statistics.moments import moments
from headscore.statistics.status import statuses
from headscore.statistics.t_test import t_test
from headscore.statistics.units import units_of


def curve_of_scores(scores: HeadScores, options: CurveOptions) -> pd.DataFrame:
    """Count the heads that have each role at each threshold, see `headscore.tau_curve`.

    Each count is that of `headscore.test` at this tau; only what depends on tau is repeated.
    """
    level = at_each(options, scores.facts).alpha
    # Means and standard errors do not depend on tau, so any criterion will do for the moments.
    any_tau = Criterion.of_mean(np.ones(len(scores.roles)))
    cells = moments(scores.values, scores.attainable, tau=any_tau, ddof=options.ddof)
    clusters = clusters_of(scores, options.clusters)
    units = units_of(
        scores.values, scores.attainable, clusters, cells, any_tau, ddof=options.ddof, evalues=False
    )
    method = options.adjust if options.label == "label" else "none"
    counts = {}
    for number, tau in _thresholds(options.taus, scores.roles).items():
        criterion = Criterion.of_mean(tau)
        status = statuses(cells, units, criterion.thresholds(cells.attainable))
        pvalue = t_test(cells, units, status, criterion, alpha=level).pvalue
        sums = None
        if method == MAXT:
            sums = excess_sums(scores.values, scores.attainable, clusters, criterion)
        label = adjust_units(pvalue, method, sums) <= level
        counts[number] = label.sum(axis=(1, 2))
    curve = pd.DataFrame(counts, index=pd.Index(scores.roles, name="role"))
    return curve.rename_axis(columns="tau")


def _thresholds(taus: Iterable[float], roles: tuple[str, ...]) -> dict[float, Floats]:
    """Return the thresholds of the roles by tau."""
    taus = list(taus)
    if any(isinstance(tau, Mapping) for tau in taus):
        raise UsageError("taus must be numbers that hold for all roles, got a mapping")
    by_role = [thresholds(tau, roles) for tau in taus]
    if not by_role:
        raise UsageError("taus must have at least one threshold, got none")
    return {float(tau[0]): tau for tau in by_role}
