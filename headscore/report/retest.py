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
    adjusted = adjust(_pvalues(report, tau), report.facts["adjust"])
    return adjusted <= float(report.facts["alpha"])


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
    if report.facts.get("clusters", "none") == "none":
        se: Floats = report.array("sd") / np.sqrt(np.where(n >= 2, n, np.nan))
        return se
    mean = report.array("mean")
    whole = _whole_errors(report, mean)
    floor = ROUNDING * np.maximum(np.abs(mean), report.array("tau"))
    # The table has se with its floor, se^2 = se_0^2 + floor^2. The floor is added again at another
    # tau, so it is taken off here; rounding may leave a tiny negative difference.
    square: Floats = np.maximum(whole**2 - floor**2, 0.0)
    return np.asarray(np.sqrt(square))


def _whole_errors(report: RoleTable, mean: Floats) -> Floats:
    """Return the standard errors with their floor, from the bound or the statistic of a cell."""
    # Two ways back to se: ci_low = mean - quantile se, and statistic = (mean - tau) / se. The one
    # with the larger multiple of se loses fewer digits in the difference.
    quantile = stats.t.isf(float(report.facts["alpha"]), report.array("df"))
    statistic = report.array("statistic")
    of_bound = np.abs(quantile) >= np.abs(statistic)
    distance = mean - np.where(of_bound, report.array("ci_low"), report.array("tau"))
    number = np.where(of_bound, quantile, statistic)
    return np.asarray(distance / np.where(number == 0, np.nan, number))


def _pvalues(report: RoleTable, tau: float) -> Floats:
    mean, status = report.array("mean"), report.array("status")
    # The test of `headscore.statistics.t_test` at another tau: same standard error, same
    # equal-scores rule, and "unattainable" decided anew, as it depends on tau.
    floor = ROUNDING * np.maximum(np.abs(mean), tau)
    with np.errstate(invalid="ignore"):
        statistic = (mean - tau) / np.sqrt(standard_errors(report) ** 2 + floor**2)
    by_t = stats.t.sf(statistic, report.array("df"))
    decided = report.array("sd") == 0  # all scores are equal
    pvalue = np.where(decided, np.where(mean - tau > floor, 0.0, 1.0), by_t)
    testable = ~np.isin(status, _NEVER) & ~(report.array("attainable") <= tau)
    return np.asarray(np.where(testable, pvalue, np.nan))
