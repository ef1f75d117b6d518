"""Sensitivity: how many labels there are at other thresholds, lengths and units."""

from __future__ import annotations

import pandas as pd

from headscore.options import DOCUMENT, TAUS
from headscore.report.retest import by_holm, tau_counts, without_clusters
from headscore.report.role_table import RoleTable
from headscore.statistics import thirds


def sensitivity(report: RoleTable) -> pd.DataFrame:
    """Count the labels of each role where one choice is made differently.

    A threshold that was chosen after looking at such counts makes its labels exploratory.

    Parameters
    ----------
    report
        The report.

    Returns
    -------
    pandas.DataFrame
        Int64, a column per role, missing where nothing was tested. Rows by (choice, value): choice
        "tau", other thresholds, where the criterion is "mean"; "length", the short, middle and long
        third of the sequences on their own, with the tokens of their longest, where lengths are
        known; "unit", the units of the run and, where these are clusters and there is one
        threshold, single sequences. All rows are by Holm where the report has maxT, which needs the
        scores.
    """
    report = by_holm(report)
    counts = {("unit", report.facts.get("unit", "sequences")): report.labels().sum().tolist()}
    if report.facts.get("criterion", "mean") == "mean":
        at_tau = tau_counts(report)
        counts |= {("tau", f"{tau:g}"): at_tau[tau].tolist() for tau in TAUS}
        clustered = report.facts.get("clusters", "none") != "none"
        if clustered and "=" not in report.facts["tau"]:
            alone = without_clusters(report, float(report.facts["tau"]))
            ignored = "documents" if report.facts["clusters"] == DOCUMENT else "clusters"
            counts["unit", f"sequences, {ignored} ignored"] = alone.sum(axis=(1, 2)).tolist()
    if report.thirds is not None and report.third_most is not None:
        named = zip(thirds.NAMES, report.third_most, report.thirds, strict=True)
        counts |= {
            ("length", f"{name}, up to {most} tokens"): row.tolist() for name, most, row in named
        }
    order = sorted(counts, key=lambda key: ("tau", "length", "unit").index(key[0]))
    index = pd.MultiIndex.from_tuples(order, names=["choice", "value"])
    columns = pd.Index(report.roles, name="role")
    found = pd.DataFrame(
        [counts[key] for key in order], index=index, columns=columns, dtype="Int64"
    )
    return found.mask(found == thirds.UNTESTED)
