"""Replication: in how many of several studies each head has each role."""

from __future__ import annotations

import numpy as np
import pandas as pd

from headscore.arrays import Bools, Floats, Ints, Texts
from headscore.options import AdjustOptions
from headscore.statistics.adjust import adjust
from headscore.statistics.chains import adjust_chains
from headscore.statistics.columns import Columns
from headscore.statistics.partial_conjunction import partial_conjunctions
from headscore.statistics.status import STATUSES
from headscore.statistics.study import Study
from headscore.statistics.verdict import HAS, OR_NONE, verdicts

FEW_STUDIES = "few_studies"
COLUMNS = Columns(
    {
        "layer": "int64",
        "head": "int64",
        "role": "str",
        "studies": "int64",
        "labels": "int64",
        "pvalue": "float64",
        "pvalue_adj": "float64",
        "replicated": "int64",
        "absent": "int64",
        "verdict": "str",
        "bound": "float64",
        "mean_low": "float64",
        "mean_high": "float64",
        "status": "str",
    },
    allowed={"verdict": OR_NONE, "status": (*STATUSES, FEW_STUDIES)},
)


def replication_table(
    names: pd.DataFrame, studies: list[Study], at_least: int, options: AdjustOptions
) -> pd.DataFrame:
    """Test for each cell in how many studies the head has the role.

    Parameters
    ----------
    names
        Columns layer, head and role: a row per cell.
    studies
        K studies of these cells.
    at_least
        The number of studies u that verdict, p-values and bound are of, in 1..K.
    options
        How p-values are adjusted over the cells.

    Returns
    -------
    pandas.DataFrame
        The columns of `COLUMNS`, as `headscore.report.replication_table.ReplicationTable` has them.
    """
    above = partial_conjunctions(np.stack([study.above for study in studies]))
    below = partial_conjunctions(np.stack([study.below for study in studies]))
    tested = np.stack([~np.isnan(study.above) for study in studies])
    mean = np.stack([study.tested_mean for study in studies])
    n_tested = tested.sum(axis=0)
    enough = n_tested >= at_least
    # What too few studies test can never be shown: it is no part of the family.
    pvalue = np.where(enough, above[at_least - 1], np.nan)
    pvalue_adj = adjust(pvalue, options.adjust)
    # Fewer than u have the role: at least K - u + 1 do not.
    fewer = below[len(studies) - at_least]
    return COLUMNS.frame(
        {
            **{name: names[name] for name in ("layer", "head", "role")},
            "studies": n_tested,
            "labels": sum((study.verdict == HAS).astype(np.int64) for study in studies),
            "pvalue": pvalue,
            "pvalue_adj": pvalue_adj,
            "replicated": _most_shown(above, options),
            "absent": _most_shown(below, options),
            "verdict": verdicts(pvalue_adj <= options.alpha, fewer, options),
            "bound": np.where(enough, _bound(studies, tested, at_least, options.alpha), np.nan),
            "mean_low": np.fmin.reduce(mean, axis=0),
            "mean_high": np.fmax.reduce(mean, axis=0),
            "status": _status(studies, n_tested, enough),
        }
    )


def _most_shown(pvalues__uc: Floats, options: AdjustOptions) -> Ints:
    """Return the largest u that is shown of each cell, int64 (cell,); 0 where none is.

    Over all u and all cells at once with Holm, see `headscore.statistics.chains`.
    """
    shown = adjust_chains(pvalues__uc, options.adjust) <= options.alpha
    return np.asarray(shown.sum(axis=0, dtype=np.int64))


def _bound(studies: list[Study], tested__kc: Bools, at_least: int, alpha: float) -> Floats:
    """Return the number that the means of at least u studies exceed, (cell,).

    The test inverted: ``(K - u + 1) p_(u)`` of H0 "the mean is at most b" is at most alpha for all
    b below the u-th largest of the studies' bounds at the level ``alpha / (K - u + 1)``.
    """
    low = np.stack([study.low(alpha / (len(studies) - at_least + 1)) for study in studies])
    low = np.where(tested__kc & ~np.isnan(low), low, -np.inf)
    bound = np.sort(low, axis=0)[len(studies) - at_least]
    return np.where(np.isinf(bound), np.nan, bound)


def _status(studies: list[Study], n_tested: Ints, enough: Bools) -> Texts:
    """Return "ok" or `FEW_STUDIES`; where no study tests the cell, its status in the first."""
    status = np.where(enough, "ok", FEW_STUDIES).astype(object)
    return np.where(n_tested > 0, status, studies[0].status)
