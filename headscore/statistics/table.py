"""The table of a report: one row per (layer, head, role)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from headscore.options import AdjustOptions
from headscore.statistics.adjust import adjust, robust
from headscore.statistics.beyond_position import BeyondPosition, beyond_position
from headscore.statistics.columns import Columns
from headscore.statistics.criterion import Criterion
from headscore.statistics.flags import flags
from headscore.statistics.status import statuses
from headscore.statistics.summary import Summary
from headscore.statistics.t_test import t_test

COLUMNS = Columns(
    {
        "model": "str",
        "layer": "int64",
        "head": "int64",
        "role": "str",
        "n": "int64",
        "n_clusters": "int64",
        "coverage": "float64",
        "mean": "float64",
        "sd": "float64",
        "skew": "float64",
        "attainable": "float64",
        "attained": "float64",
        "share_above": "float64",
        "tau": "float64",
        "statistic": "float64",
        "df": "float64",
        "pvalue": "float64",
        "pvalue_adj": "float64",
        "ci_low": "float64",
        "pvalue_skew": "float64",
        "log_evalue": "float64",
        "label": "bool",
        "label_unadjusted": "bool",
        "robust": "bool",
        "beyond_ratio": "float64",
        "beyond_pvalue": "float64",
        "beyond_position": "boolean",
        "status": "str",
        "flags": "str",
    }
)
_HALF_PRECISION = ("bfloat16", "float16")


def make_table(summary: Summary, criterion: Criterion, options: AdjustOptions) -> pd.DataFrame:
    """Test every head of the scores in every role.

    Parameters
    ----------
    summary
        The moments of each cell.
    criterion
        The thresholds of the means.
    options
        How p-values become labels.

    Returns
    -------
    pandas.DataFrame
        The columns of `COLUMNS`; rows in the order of the roles, then layers, then heads.
    """
    cells, units, alpha = summary.cells, summary.units, options.alpha
    tau = criterion.thresholds(cells.attainable)
    status = statuses(cells, tau, units=units, heads__l=summary.heads, invisible__rl=summary.hidden)
    tested = t_test(cells, status, tau, alpha=alpha, units=units)
    pvalue_adj = adjust(tested.pvalue, options.adjust)
    label = pvalue_adj <= alpha
    agreed = robust(tested, units.log_evalue, alpha=alpha, method=options.adjust)
    beyond = _beyond_position(summary, options)
    tolerance = _tolerance(summary.facts)
    columns = {
        **_names(summary, status.shape),
        "n": cells.n,
        "n_clusters": units.n,
        "coverage": cells.n / summary.n_sequences,
        "mean": cells.mean,
        "sd": cells.sd,
        "skew": cells.skew,
        "attainable": cells.attainable,
        "attained": cells.attained,
        "share_above": cells.share_above,
        "tau": tau,
        "statistic": tested.statistic,
        "df": tested.df,
        "pvalue": tested.pvalue,
        "pvalue_adj": pvalue_adj,
        "ci_low": tested.ci_low,
        "pvalue_skew": tested.pvalue_skew,
        "log_evalue": units.log_evalue,
        "label": label,
        "label_unadjusted": tested.pvalue <= alpha,
        "robust": label & agreed,
        "beyond_ratio": beyond.ratio,
        "beyond_pvalue": beyond.pvalue,
        "beyond_position": beyond.holds,
        "status": status,
        "flags": flags(cells, tested, status, tau, tolerance=tolerance, units=units),
    }
    return COLUMNS.frame({name: column.ravel() for name, column in columns.items()})


def _beyond_position(summary: Summary, options: AdjustOptions) -> BeyondPosition:
    """Test each cell against position; NaN where the ratios are unknown."""
    if summary.ratios is None or summary.ratio_units is None:
        return BeyondPosition(*np.full((3, *summary.cells.n.shape), np.nan))
    return beyond_position(summary.ratios, summary.ratio_units, options)


def _names(summary: Summary, shape: tuple[int, ...]) -> dict[str, npt.NDArray[Any]]:
    """Return the columns that identify the head and role of a row."""
    # Raveled in C order these run as the rows do: roles, then layers, then heads.
    role, layer, head = np.indices(shape)
    return {
        "model": np.full(shape, summary.facts.get("model", ""), dtype=object),
        "layer": layer,
        "head": head,
        "role": np.array(summary.roles, dtype=object)[role],
    }


def _tolerance(facts: Mapping[str, str]) -> float:
    """Return the relative error of a score at the precision of the run."""
    # 2e-3 is about 2^-9, the rounding error of bfloat16 (eight significant bits).
    return 2e-3 if facts.get("dtype", "").endswith(_HALF_PRECISION) else 1e-5
