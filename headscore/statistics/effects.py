"""The table of effects: what the model loses in each arm of each role."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from headscore.arrays import Bools, Floats, Texts
from headscore.causal.values import HEADS, KEEP, KNOCKOUT, MATCHED, EffectValues
from headscore.options import MAXT, EffectOptions
from headscore.statistics.adjust import adjust, of_pvalues
from headscore.statistics.arm_rows import BEYOND, ROWS, Rows, rows_of, set_means, stacked
from headscore.statistics.clusters import Clusters
from headscore.statistics.columns import Columns
from headscore.statistics.criterion import Criterion
from headscore.statistics.excess_sums import excess_sums
from headscore.statistics.explained import explained
from headscore.statistics.known_mean import known_mean
from headscore.statistics.max_t import adjust_units
from headscore.statistics.moments import Moments, moments
from headscore.statistics.skewness import hall_inverse
from headscore.statistics.status import STATUSES, statuses
from headscore.statistics.t_test import ROUNDING, t_test
from headscore.statistics.units import Units, units_of

LOSES, USED, NOT_SHOWN, NOT_TESTED = "loses", "used", "not shown", "not tested"
NO_PREDICTION, NOT_TRIED = "no_prediction", "not_tried"  # status, beside `STATUSES`
COLUMNS = Columns(
    {
        "role": "str",
        "arm": "str",
        "n_heads": "int64",
        "n": "int64",
        "n_clusters": "int64",
        "edges": "int64",
        "same_offset": "float64",
        "delta": "float64",
        "sd": "float64",
        "ci_low": "float64",
        "ci_high": "float64",
        "at_rows": "float64",
        "elsewhere": "float64",
        "divergence": "float64",
        "statistic": "float64",
        "df": "float64",
        "pvalue": "float64",
        "pvalue_skew": "float64",
        "pvalue_adj": "float64",
        "sets": "int64",
        "p_sets": "float64",
        "norm_ratio": "float64",
        "explained": "float64",
        "explained_low": "float64",
        "explained_high": "float64",
        "status": "str",
        "verdict": "str",
    },
    allowed={
        "arm": ROWS,
        "status": (*STATUSES, NO_PREDICTION, NOT_TRIED),
        "verdict": (LOSES, NOT_SHOWN, NOT_TESTED),
    },
)


def effect_table(values: EffectValues, clusters: Clusters, options: EffectOptions) -> pd.DataFrame:
    """Test for each arm of each role whether the model loses, on the mean over the sequences.

    H0 of a row: the mean of arm - clean is at most 0. One-sided t-test over the clusters, with the
    standard error of `headscore.statistics.cluster_robust` and a floor for rounding relative to the
    clean metric; the larger of its p-value and of that after Hall's transformation is adjusted over
    the roles of a row. The bounds are those of both tests, each of level 1 - alpha. Where all
    differences are 0, the p-value is 1 and both bounds are 0.

    Parameters
    ----------
    values
        What every sequence loses.
    clusters
        The independent units.
    options
        How p-values become verdicts.

    Returns
    -------
    pandas.DataFrame
        The columns of `COLUMNS`; for each role the rows `ROWS`, also those that were not tried.
    """
    rows = rows_of(values)
    shape = (len(values.roles), len(ROWS))
    # (sequence, role, row, 1): moments and units take a row for a layer.
    deltas = stacked(values, rows, "delta")[..., None]
    tested = _tested(deltas, _magnitude(values), clusters, options)
    there = np.array([[(role, row) in rows for row in ROWS] for role in values.roles], np.bool_)
    role, row = np.indices(shape)
    columns = {
        **tested,
        **_described(values.roles, rows),
        **_explained(stacked(values, rows, "divergence"), clusters, options),
        **_against_sets(values, tested["delta"]),
        "role": np.array(values.roles, dtype=object)[role],
        "arm": np.array(ROWS, dtype=object)[row],
        **{
            name: known_mean(stacked(values, rows, name))
            for name in ("at_rows", "elsewhere", "divergence")
        },
        "status": _named(tested["status"], there),
    }
    return COLUMNS.frame({name: columns[name].ravel() for name in COLUMNS.dtypes})


def used(table: pd.DataFrame, options: EffectOptions) -> pd.DataFrame:
    """Return for each role whether the model loses by its edges, and more than by others there.

    The larger of the p-values of knock-out and beyond placebo is adjusted over the roles, so that
    the chance of any role that is falsely "used" is at most alpha. For maxT it is by Holm, for the
    reason in `headscore.statistics.beyond_position`.

    Parameters
    ----------
    table
        Of `effect_table`.
    options
        As there.

    Returns
    -------
    pandas.DataFrame
        Columns role, pvalue_adj and verdict: `USED`, `NOT_SHOWN` or `NOT_TESTED`.
    """
    largest = table[["pvalue", "pvalue_skew"]].max(axis=1).to_numpy().reshape(-1, len(ROWS))
    both = np.maximum(*(largest[:, ROWS.index(row)] for row in (KNOCKOUT, BEYOND)))
    adjusted = adjust(both, of_pvalues(options.adjust))
    return pd.DataFrame(
        {
            "role": table["role"].iloc[:: len(ROWS)].tolist(),
            "pvalue_adj": adjusted,
            "verdict": _verdicts(adjusted, options.alpha, USED),
        }
    )


def _magnitude(values: EffectValues) -> float:
    """Return the size of the numbers whose differences are tested."""
    size = float(known_mean(np.abs(values.clean)))
    return size if size > 0 else 1.0  # the metric compares with the clean pass: 1 - cosine


def _tested(
    deltas: Floats, magnitude: float, clusters: Clusters, options: EffectOptions
) -> dict[str, npt.NDArray[Any]]:
    """Return moments, tests and bounds of the differences; arrays (role, row, 1)."""
    on_zero = Criterion.above_zero(deltas.shape[1])
    cells = moments(deltas, tau=on_zero, ddof=options.ddof)
    units = units_of(deltas, None, clusters, cells, on_zero, ddof=options.ddof, evalues=False)
    status = statuses(cells, units, on_zero.thresholds(cells.attainable))
    size = np.full(status.shape, magnitude)
    t = t_test(cells, units, status, on_zero, alpha=options.alpha, magnitude=size)
    adjusted = _adjusted(np.maximum(t.pvalue, t.pvalue_skew), deltas, clusters, options)
    low, high = _bounds(cells, units, status, magnitude, options.alpha)
    return {
        "n": cells.n,
        "n_clusters": units.n,
        "delta": cells.mean,
        "sd": cells.sd,
        "ci_low": low,
        "ci_high": high,
        "statistic": t.statistic,
        "df": t.df,
        "pvalue": t.pvalue,
        "pvalue_skew": t.pvalue_skew,
        "pvalue_adj": adjusted,
        "status": status,
        "verdict": _verdicts(adjusted, options.alpha, LOSES),
    }


def _adjusted(
    pvalues: Floats, deltas: Floats, clusters: Clusters, options: EffectOptions
) -> Floats:
    """Adjust the p-values of each row over the roles, (role, row, 1); return (role, row)."""
    on_zero = Criterion.above_zero(deltas.shape[1])
    sums = excess_sums(deltas, None, clusters, on_zero) if options.adjust == MAXT else None
    each = [
        adjust_units(pvalues[:, row], options.adjust, None if sums is None else sums[:, :, row])
        for row in range(pvalues.shape[1])
    ]
    return np.concatenate(each, axis=1)


def _bounds(
    cells: Moments, units: Units, status: Texts, magnitude: float, alpha: float
) -> tuple[Floats, Floats]:
    """Return the means below and above which both tests reject, each at level alpha."""
    se = np.hypot(units.se, ROUNDING * magnitude)
    quantile = np.asarray(stats.t.isf(alpha, units.df))
    asymmetry = units.asymmetry, units.size_asymmetry
    reach_low = np.fmax(quantile, hall_inverse(quantile, *asymmetry)) * se
    reach_high = np.fmin(-quantile, hall_inverse(-quantile, *asymmetry)) * se
    equal = np.where(cells.mean == 0, 0.0, np.nan)  # all differences: their spread is unknown
    is_equal = status == "zero_variance"
    low, high = (np.where(is_equal, equal, cells.mean - reach) for reach in (reach_low, reach_high))
    return low, high


def _verdicts(adjusted: Floats, alpha: float, shown: str) -> Texts:
    tested, significant = ~np.isnan(adjusted), adjusted <= alpha
    return np.select([~tested, significant], [NOT_TESTED, shown], NOT_SHOWN).astype(object)


def _named(status: Texts, there: Bools) -> Texts:
    """Return the status of each row: where no sequence takes part, nothing is predicted."""
    named = np.where(status[..., 0] == "no_sieve", NO_PREDICTION, status[..., 0])
    return np.where(there, named, NOT_TRIED).astype(object)


def _described(roles: tuple[str, ...], rows: Rows) -> dict[str, npt.NDArray[Any]]:
    """Return what was changed in each row, (role, row); 0 or NaN where it was not tried."""
    found = [[rows.get((role, row)) for row in ROWS] for role in roles]

    def each(of: Any, unknown: float, dtype: str) -> npt.NDArray[Any]:
        return np.array(
            [[unknown if one is None else of(one) for one in line] for line in found], dtype
        )

    return {
        "n_heads": each(lambda arm: len(arm.heads), 0, "int64"),
        "edges": each(lambda arm: arm.edges.sum(), 0, "int64"),
        "same_offset": each(lambda arm: arm.same_offset, np.nan, "float64"),
        "norm_ratio": each(lambda arm: arm.norm_ratio, np.nan, "float64"),
    }


def _explained(divergence: Floats, clusters: Clusters, options: EffectOptions) -> dict[str, Floats]:
    """Return the explained share of each role with its bounds, in its row `KEEP`; (role, row)."""
    keep, heads = (divergence[:, :, ROWS.index(row)] for row in (KEEP, HEADS))
    found = explained(keep, heads, clusters, options)
    names = {"explained": found.share, "explained_low": found.low, "explained_high": found.high}
    return {name: _in_row(KEEP, numbers) for name, numbers in names.items()}


def _in_row(row: str, numbers: Floats) -> Floats:
    """Return numbers (role,) in a row of each role, NaN in the others; (role, row)."""
    placed = np.full((len(numbers), len(ROWS)), np.nan)
    placed[:, ROWS.index(row)] = numbers
    return placed


def _against_sets(values: EffectValues, delta: Floats) -> dict[str, npt.NDArray[Any]]:
    """Return the number of matched sets, and the rank p-value of the heads among them.

    ``(1 + #{mean of a matched set >= mean of the heads}) / (sets + 1)``: with sets drawn as the
    heads were, at most alpha in a share alpha of all experiments.
    """
    means = set_means(values)
    own = delta[:, ROWS.index(HEADS), 0]
    sets, at_least = np.zeros(len(own), np.int64), np.full(len(own), np.nan)
    for number, role in enumerate(values.roles):
        of_sets = means["delta"][means["role"] == role].to_numpy()
        sets[number] = len(of_sets)
        if len(of_sets) and not np.isnan(own[number]):
            at_least[number] = (1 + (of_sets >= own[number]).sum()) / (len(of_sets) + 1)
    known = np.isin(ROWS, (HEADS, MATCHED))
    return {"sets": np.where(known, sets[:, None], 0), "p_sets": _in_row(HEADS, at_least)}
