"""Labels of a report at other thresholds, from its own means and standard errors."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy import stats

from headscore.arrays import Bools, Floats
from headscore.errors import UsageError
from headscore.options import TAUS
from headscore.report.role_table import RoleTable
from headscore.statistics.adjust import adjust
from headscore.statistics.criterion import thresholds
from headscore.statistics.status import ABSENT
from headscore.statistics.t_test import ROUNDING

_NEVER = (*ABSENT, "nonfinite", "no_sieve", "insufficient_n")  # whatever the threshold


def tau_counts(report: RoleTable, taus: Iterable[float] = TAUS) -> pd.DataFrame:
    """Count the heads that have each role at each of several thresholds.

    The counts equal those of `headscore.tau_curve`, but need no scores.

    Parameters
    ----------
    report
        Of criterion "mean".
    taus
        Thresholds on the mean score.

    Returns
    -------
    pandas.DataFrame
        int, a row per role, a column per tau.

    Raises
    ------
    UsageError
        If the criterion is another one, or a threshold is not a finite number above 0.
    """
    counts = {tau: labels_at(report, tau).sum(axis=(1, 2)) for tau in taus}
    curve = pd.DataFrame(counts, index=pd.Index(report.roles, name="role"))
    return curve.rename_axis(columns="tau")


def labels_at(report: RoleTable, tau: float) -> Bools:
    """Return which head has which role at another threshold, (role, layer, head).

    Raises
    ------
    UsageError
        As `tau_counts`.
    """
    thresholds(tau, report.roles)
    pvalues = _pvalues(report, tau, standard_errors(report), report.array("df"))
    return _labels(report, pvalues)


def standard_errors(report: RoleTable) -> Floats:
    """Return the standard error of each mean, without the floor for rounding.

    Raises
    ------
    UsageError
        If the criterion is not "mean": that has a threshold for each sequence.
    """
    if report.facts.get("criterion", "mean") != "mean":
        raise UsageError(
            "other thresholds need a report of criterion 'mean', "
            f"got {report.facts['criterion']!r}: test the scores again"
        )
    n = report.array("n")
    alone: Floats = report.array("sd") / np.sqrt(np.where(n >= 2, n, np.nan))
    # The design effect is missing where all scores are equal.
    return np.asarray(alone * np.sqrt(np.nan_to_num(report.array("deff"), nan=1.0)))


def without_clusters(report: RoleTable, tau: float) -> Bools:
    """Return the labels if all sequences were independent; arguments as in `labels_at`."""
    n = report.array("n")
    alone = report.array("sd") / np.sqrt(np.where(n >= 2, n, np.nan))
    return _labels(report, _pvalues(report, tau, alone, n - 1.0))


def _labels(report: RoleTable, pvalues: Floats) -> Bools:
    return adjust(pvalues, report.facts["adjust"]) <= float(report.facts["alpha"])


def _pvalues(report: RoleTable, tau: float, errors: Floats, df: Floats) -> Floats:
    mean, status = report.array("mean"), report.array("status")
    # The test of `headscore.statistics.t_test` at another tau: same standard error, same
    # equal-scores rule, and "unattainable" decided anew, as it depends on tau.
    floor = ROUNDING * np.maximum(np.abs(mean), tau)
    with np.errstate(invalid="ignore"):
        statistic = (mean - tau) / np.sqrt(errors**2 + floor**2)
    # Of units of different sizes the table has no weight; the square root bounds it from below.
    units, effective = report.array("n_clusters"), report.array("n_effective")
    units = np.where(np.isclose(units, effective), units, np.sqrt(effective))
    excess = np.where(mean - tau > floor, mean - tau, 0.0)
    equal = np.exp(-units * np.log1p(excess / tau))  # of Markov's inequality, see `t_test`
    pvalue = np.where(report.array("sd") == 0, equal, stats.t.sf(statistic, df))
    testable = ~np.isin(status, _NEVER) & ~(report.array("attainable") <= tau)
    return np.asarray(np.where(testable, pvalue, np.nan))
