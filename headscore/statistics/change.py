"""The table of a comparison: one row per (layer, head, role)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from headscore.arrays import Bools, Floats, Ints, Texts
from headscore.options import AdjustOptions
from headscore.scores.head_scores import HeadScores
from headscore.statistics.adjust import adjust
from headscore.statistics.columns import Columns
from headscore.statistics.moments import moments
from headscore.statistics.status import TESTABLE
from headscore.statistics.t_test import ROUNDING

COLUMNS = Columns(
    {
        "layer": "int64",
        "head": "int64",
        "role": "str",
        "n": "int64",
        "mean_before": "float64",
        "mean_after": "float64",
        "change": "float64",
        "sd": "float64",
        "share_up": "float64",
        "statistic": "float64",
        "df": "float64",
        "pvalue": "float64",
        "pvalue_adj": "float64",
        "ci_low": "float64",
        "ci_high": "float64",
        "d_z": "float64",
        "label_before": "bool",
        "label_after": "bool",
        "beyond_before": "boolean",
        "beyond_after": "boolean",
        "outcome": "str",
        "spread_before": "float64",
        "spread_after": "float64",
        "status": "str",
    }
)
OUTCOMES = ("gained", "lost", "kept", "absent", "unclear")


def change_table(
    sides: tuple[Sequence[HeadScores], Sequence[HeadScores]],
    means: tuple[HeadScores, HeadScores],
    tables: tuple[pd.DataFrame, pd.DataFrame],
    options: AdjustOptions,
) -> pd.DataFrame:
    """Test the change of every head in every role.

    The differences d = after - before of the sequences that take part on both sides are tested by
    a two-sided paired t-test. Their standard error has the floor of `t_test`, relative
    to the larger of both means. Where all differences are equal the p-value is 0 if they exceed
    the floor, else 1.

    Parameters
    ----------
    sides
        The aligned checkpoints before and after.
    means
        Their average before and after.
    tables
        The tests of these, see `headscore.statistics.table`.
    options
        How p-values become labels.

    Returns
    -------
    pandas.DataFrame
        The columns of `COLUMNS`; rows in the order of the roles, then layers, then heads.
    """
    shape = means[0].values.shape[1:]
    statuses = np.stack([table["status"].to_numpy() for table in tables])
    nonfinite = np.asarray((statuses == "nonfinite").any(axis=0)).reshape(shape)
    cells = _cells(sides, means, nonfinite, options.ddof)
    # No sequence takes part on both sides: give the reason where both sides have the same one (no
    # such head, nothing visible), else "no_sieve".
    same = np.where(statuses[0] == statuses[1], statuses[0], "no_sieve").reshape(shape)
    cells["status"] = np.where(cells["status"] == "no_sieve", same, cells["status"])
    tested = _paired_t_test(cells, options.alpha)
    adjusted = adjust(tested["pvalue"], options.adjust)
    before, after = (table["label"].to_numpy(bool).reshape(shape) for table in tables)
    beyond = [table["beyond_position"].astype("float64").to_numpy() for table in tables]
    role, layer, head = np.indices(shape)
    columns = {
        **cells,
        **tested,
        "layer": layer,
        "head": head,
        "role": np.array(means[0].roles, dtype=object)[role],
        "pvalue_adj": adjusted,
        "label_before": before,
        "label_after": after,
        "beyond_before": beyond[0],
        "beyond_after": beyond[1],
        "outcome": _outcomes(before, after, cells["change"], adjusted <= options.alpha),
    }
    return COLUMNS.frame({name: columns[name].ravel() for name in COLUMNS.dtypes})


def _cells(
    sides: tuple[Sequence[HeadScores], Sequence[HeadScores]],
    means: tuple[HeadScores, HeadScores],
    nonfinite: Bools,
    ddof: int,
) -> dict[str, npt.NDArray[Any]]:
    """Return the moments of the differences of each cell; arrays (role, layer, head)."""
    roles = []
    # Role by role, so that float64 copies are (sequence, layer, head); [:, None] puts back the role
    # axis that `moments` expects. With tau 0 its share_above is the share of scores that rose.
    for role in range(len(means[0].roles)):
        before, after = (side.values[:, role].astype(np.float64) for side in means)
        for values in (before, after):
            values[:, nonfinite[role]] = np.nan
        part = ~np.isnan(before) & ~np.isnan(after)
        d = moments((after - before)[:, None], tau=np.zeros(1), ddof=ddof)
        roles.append(
            {
                "n": d.n[0],
                "mean_before": _mean(before, part),
                "mean_after": _mean(after, part),
                "change": d.mean[0],
                "sd": d.sd[0],
                "share_up": d.share_above[0],
                "spread_before": _spread(sides[0], role, part),
                "spread_after": _spread(sides[1], role, part),
                "status": _statuses(d.n[0], d.minimum[0] == d.maximum[0], nonfinite[role]),
            }
        )
    return {name: np.stack([each[name] for each in roles]) for name in roles[0]}


def _mean(values__slh: Floats, part: Bools) -> Floats:
    n = part.sum(axis=0)
    return np.asarray(np.where(part, values__slh, 0.0).sum(axis=0) / np.where(n > 0, n, np.nan))


def _spread(checkpoints: Sequence[HeadScores], role: int, part: Bools) -> Floats:
    """Return the standard deviation of the checkpoints' means, NaN for a single checkpoint."""
    if len(checkpoints) == 1:
        return np.full(part.shape[1:], np.nan)
    means = [_mean(each.values[:, role].astype(np.float64), part) for each in checkpoints]
    return np.asarray(np.std(means, axis=0, ddof=1))


def _statuses(n: Ints, equal: Bools, nonfinite: Bools) -> Texts:
    names = ["nonfinite", "no_sieve", "insufficient_n", "zero_variance"]
    return np.select([nonfinite, n == 0, n < 2, equal], names, "ok").astype(object)


def _paired_t_test(cells: Mapping[str, npt.NDArray[Any]], alpha: float) -> dict[str, Floats]:
    change, sd, status = cells["change"], cells["sd"], cells["status"]
    n = np.where(cells["n"] >= 2, cells["n"], np.nan)
    # The rounding error of a difference is that of the larger mean, however small the difference.
    floor = ROUNDING * np.maximum(np.abs(cells["mean_before"]), np.abs(cells["mean_after"]))
    se = np.sqrt(sd**2 / n + floor**2)
    some = np.where(se > 0, se, np.nan)  # both means 0: nothing changed
    statistic = np.where(se == 0, 0.0, change / some)
    exact = np.where(np.abs(change) > floor, 0.0, 1.0)
    pvalue = np.where(status == "zero_variance", exact, 2 * stats.t.sf(np.abs(statistic), n - 1))
    # Two-sided: p = 2 P(T > |t|), interval of level 1 - alpha.
    reach = stats.t.isf(alpha / 2, n - 1) * se
    return {
        "statistic": statistic,
        "df": n - 1,
        "pvalue": np.where(np.isin(status, TESTABLE), pvalue, np.nan),
        "ci_low": change - reach,
        "ci_high": change + reach,
        "d_z": change / np.where(sd > 0, sd, np.nan),
    }


def _outcomes(
    before: Bools,
    after: Bools,
    change: Floats,
    significant: Bools,
) -> Texts:
    """Return the outcome of each cell, one of `OUTCOMES`."""
    # np.select takes the first that holds; what is left is a changed label without a significant
    # change of the mean in its direction: "unclear".
    conditions = [
        ~before & after & significant & (change > 0),
        before & ~after & significant & (change < 0),
        before & after,
        ~before & ~after,
    ]
    return np.select(conditions, [*OUTCOMES[:-1]], OUTCOMES[-1]).astype(object)
