"""The number of heads with each role by threshold, of scores or of a report."""

from __future__ import annotations

import pandas as pd

from headscore.declarations import declared
from headscore.errors import UsageError
from headscore.options import CurveOptions
from headscore.report.retest import tau_counts
from headscore.report.role_table import RoleTable
from headscore.scores.head_scores import HeadScores, check_scores
from headscore.signatures import takes
from headscore.statistics.tau_curve import curve_of_scores


@takes(CurveOptions)
def tau_curve(scores: HeadScores | RoleTable, options: CurveOptions) -> pd.DataFrame:
    """Count the heads that have each role at each of several thresholds.

    Parameters
    ----------
    scores
        The scores of each sequence; or a report of criterion "mean", which has its options, so that
        only ``taus`` may be given.

    Returns
    -------
    pandas.DataFrame
        int, a row per role, a column per tau.

    Raises
    ------
    UsageError
        If an option has a value that is not allowed, or a report is of another criterion or
        adjusted by maxT, which needs the scores.
    InputError
        If documents are needed and unknown.
    """
    return tau_curve_with(scores, options)


def tau_curve_with(scores: HeadScores | RoleTable, options: CurveOptions) -> pd.DataFrame:
    """Count as `tau_curve`."""
    if isinstance(scores, HeadScores):
        return curve_of_scores(scores, options)
    if not isinstance(scores, RoleTable):
        check_scores(scores)  # raises
    for each, _ in declared(CurveOptions):
        value = getattr(options, each.name)
        # Ids of clusters may be an array, which compares element by element.
        if each.name != "taus" and (
            not isinstance(value, str | int | float) or value != each.default
        ):
            raise UsageError(
                f"{each.name} must be left out for a report, which has its tests, got {value!r:.60}"
            )
    return tau_counts(scores, options.taus)
