"""Labels of a report at other thresholds, from its own means and standard errors."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from scipy import stats

from headscore.arrays import Bools, Floats, Ints
from headscore.errors import UsageError
from headscore.options import MAXT, TAUS
from headscore.report.role_table import RoleTable
from headscore.statistics.adjust import adjust
from headscore.statistics.criterion import thresholds
from headscore.statistics.looks import looks_of
from headscore.statistics.status import ABSENT, LEAST_UNITS
from headscore.statistics.t_test import ROUNDING, markov

_NEVER = (*ABSENT, "nonfinite", "no_sieve")  # whatever the threshold and the units


@dataclass(frozen=True, kw_only=True)
class _Units:
    """The independent units of each cell, see `headscore.statistics.units.Units`."""

    n: Ints
    weight: Floats
    df: Floats
    se: Floats


def by_holm(report: RoleTable) -> RoleTable:
    """Return a report whose labels are by Holm where they are by maxT, which needs the scores."""
    if report.facts["adjust"] != MAXT:
        return report
    label = adjust(report.table["pvalue"].to_numpy(), "holm") <= level_of(report)
    facts = {**report.facts, "adjust": "holm"}
    return replace(report, table=report.table.assign(label=label), facts=facts)


def tau_counts(report: RoleTable, taus: Iterable[float] = TAUS) -> pd.DataFrame:
    """Count the heads that have each role at each of several thresholds.

    The counts equal those of `headscore.tau_curve`, but need no scores. Only heads whose scores all
    are equal may be missing, where clusters differ in size: see `labels_at`.

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
        If the criterion is another one, a threshold is not a finite number above 0, or the report
        is adjusted by maxT, which needs the scores: see `by_holm`, or `headscore.tau_curve`.
    """
    counts = {tau: labels_at(report, tau).sum(axis=(1, 2)) for tau in taus}
    curve = pd.DataFrame(counts, index=pd.Index(report.roles, name="role"))
    return curve.rename_axis(columns="tau")


def labels_at(report: RoleTable, tau: float) -> Bools:
    """Return which head has which role at another threshold, (role, layer, head).

    The table has no weight of units of different sizes, n over the n_g of the largest. It is at
    least the root of ``n_effective = n^2 / sum n_g^2``, which is taken instead.

    Raises
    ------
    UsageError
        As `tau_counts`.
    """
    thresholds(tau, report.roles)
    n, effective = report.array("n_clusters"), report.array("n_effective")
    equally_large = np.isclose(n, effective)
    units = _Units(
        n=n,
        weight=np.where(equally_large, n, np.sqrt(effective)),
        df=report.array("df"),
        se=standard_errors(report),
    )
    return _labels(report, tau, units)


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
    # The design effect is missing where all scores are equal.
    design = np.nan_to_num(report.array("deff"), nan=1.0)
    return np.asarray(_errors_alone(report) * np.sqrt(design))


def level_of(report: RoleTable) -> float:
    """Return alpha, over the number of looks that were planned."""
    return float(report.facts["alpha"]) / looks_of(report.facts)


def without_clusters(report: RoleTable, tau: float) -> Bools:
    """Return the labels if all sequences were independent; arguments as in `labels_at`."""
    n = report.array("n")
    units = _Units(n=n, weight=n.astype(np.float64), df=n - 1.0, se=_errors_alone(report))
    return _labels(report, tau, units)


def _errors_alone(report: RoleTable) -> Floats:
    """Return the standard error of each mean over independent sequences."""
    n = report.array("n")
    return np.asarray(report.array("sd") / np.sqrt(np.where(n >= 2, n, np.nan)))


def _labels(report: RoleTable, tau: float, units: _Units) -> Bools:
    pvalues = _pvalues(report, tau, units)
    return adjust(pvalues, report.facts["adjust"]) <= level_of(report)


def _pvalues(report: RoleTable, tau: float, units: _Units) -> Floats:
    """Return the p-values of `headscore.statistics.t_test` at another tau.

    The standard error and the rule for equal scores are the same; the reasons not to test a cell
    that depend on tau and on the units are found anew.
    """
    mean = report.array("mean")
    floor = ROUNDING * np.maximum(np.abs(mean), tau)
    with np.errstate(invalid="ignore"):
        statistic = (mean - tau) / np.sqrt(units.se**2 + floor**2)
    equal = markov(np.where(mean - tau > floor, mean - tau, 0.0), tau, units.weight)
    pvalue = np.where(report.array("sd") == 0, equal, stats.t.sf(statistic, units.df))
    attainable = ~(report.array("attainable") <= tau)
    never = np.isin(report.array("status"), _NEVER)
    testable = attainable & ~never & (units.n >= LEAST_UNITS)
    return np.asarray(np.where(testable, pvalue, np.nan))
