"""The table of a comparison: one row per (layer, head, role)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from headscore.arrays import Bools, Floats, Texts
from headscore.options import MAXT, AdjustOptions
from headscore.scores.head_scores import HeadScores
from headscore.statistics.clusters import Clusters
from headscore.statistics.columns import Columns
from headscore.statistics.criterion import Criterion
from headscore.statistics.excess_sums import excess_sums
from headscore.statistics.known_mean import known_mean
from headscore.statistics.looks import at_each, spent
from headscore.statistics.max_t import adjust_units
from headscore.statistics.moments import Moments, moments
from headscore.statistics.skewness import HIGH, cautious, hall
from headscore.statistics.status import LEAST_UNITS, STATUSES, TESTABLE
from headscore.statistics.t_test import NEAR, ROUNDING, markov
from headscore.statistics.units import Units, units_of
from headscore.statistics.verdict import (
    HAS,
    HAS_NOT,
    OR_NONE,
    UNDECIDED,
    beyond_controls,
    control_of,
)

# Outcomes with a significant paired change: the side without the label has_not it, or is undecided.
CHANGED = ("gained", "appeared", "lost", "vanished")
OUTCOMES = (*CHANGED, "kept", "absent", "unclear")
_SIDES = ("verdict_before", "verdict_after", "beyond_before", "beyond_after")
COLUMNS = Columns(
    {
        "layer": "int64",
        "head": "int64",
        "role": "str",
        "n": "int64",
        "n_clusters": "int64",
        "n_before": "Int64",
        "n_after": "Int64",
        "n_clusters_before": "Int64",
        "n_clusters_after": "Int64",
        "mean_before": "float64",
        "mean_after": "float64",
        "change": "float64",
        "sd": "float64",
        "share_up": "float64",
        "statistic": "float64",
        "df": "float64",
        "pvalue": "float64",
        "pvalue_skew": "float64",
        "pvalue_cautious": "float64",
        "pvalue_adj": "float64",
        "ci_low": "float64",
        "ci_high": "float64",
        "d_z": "float64",
        "label_before": "bool",
        "label_after": "bool",
        "verdict_before": "str",
        "verdict_after": "str",
        "beyond_before": "str",
        "beyond_after": "str",
        "outcome": "str",
        "spread_before": "float64",
        "spread_after": "float64",
        "status": "str",
    },
    optional=(
        *("n_before", "n_after", "n_clusters_before", "n_clusters_after"),
        "pvalue_cautious",
    ),
    allowed={
        **dict.fromkeys(_SIDES, OR_NONE),
        "outcome": ("", *OUTCOMES),
        "status": STATUSES,
    },
)


def change_table(
    sides: tuple[Sequence[HeadScores], Sequence[HeadScores]],
    means: tuple[HeadScores, HeadScores],
    tables: tuple[pd.DataFrame, pd.DataFrame],
    clusters: Clusters,
    options: AdjustOptions,
) -> pd.DataFrame:
    """Test the change of every head in every role.

    The differences d = after - before of the sequences that take part on both sides are tested by
    a two-sided paired t-test over the same units as each side. Their standard error has the floor
    of `t_test`, relative to the larger of both means. Where all differences are equal, see
    `_of_equal`.

    Parameters
    ----------
    sides
        The aligned checkpoints before and after.
    means
        Their average before and after.
    tables
        The tests of these, see `headscore.statistics.table`.
    clusters
        The independent units.
    options
        How p-values become labels.

    Returns
    -------
    pandas.DataFrame
        The columns of `COLUMNS`; rows in the order of the roles, then layers, then heads.
    """
    facts = means[0].facts
    nonfinite = nonfinite_of(tables, means[0].values.shape[1:])
    tested = _tested(sides, means, nonfinite, clusters, at_each(options, facts))
    tested["pvalue_cautious"] = cautious_pvalues(tested)
    sums = _sums(means, nonfinite, clusters) if options.adjust == MAXT else None
    return table_of_tests(tested, tables, means[0].roles, options, facts, sums)


def nonfinite_of(tables: tuple[pd.DataFrame, pd.DataFrame], shape: tuple[int, ...]) -> Bools:
    """Return which cells have a score that is not finite on either side."""
    found = [(each["status"] == "nonfinite").to_numpy().reshape(shape) for each in tables]
    return np.asarray(found[0] | found[1], np.bool_)


def table_of_tests(
    tested: dict[str, npt.NDArray[Any]],
    tables: tuple[pd.DataFrame, pd.DataFrame],
    roles: Sequence[str],
    options: AdjustOptions,
    facts: Mapping[str, str],
    sums: Floats | None = None,
) -> pd.DataFrame:
    """Adjust the p-values of changes and find the outcomes.

    The largest of three p-values is adjusted: that of the t-test, that after Hall's transformation,
    and that of `cautious_pvalues`. Differences between a model and a near copy are next to nothing
    but in a few documents: a sample without these errs by the first two alone.

    Parameters
    ----------
    tested
        Moments and tests of the changes; arrays (role, layer, head).
    tables
        The tests of both sides.
    roles
        Name of each role.
    options
        How p-values become labels.
    facts
        Of the scores, with the number of their looks.
    sums
        The sums of the differences of each unit, for maxT.

    Returns
    -------
    pandas.DataFrame
        As `change_table`.
    """
    shape = tested["status"].shape

    def both(name: str) -> list[npt.NDArray[Any]]:
        return [table[name].to_numpy().reshape(shape) for table in tables]

    # Nothing is compared: give the reason where both sides have the same one (no such head, nothing
    # visible), else "no_sieve".
    before, after = both("status")
    same = np.where(before == after, before, "no_sieve")
    tested["status"] = np.where(tested["status"] == "no_sieve", same, tested["status"])
    pvalue, hall_p, cautious_p = (
        tested[name] for name in ("pvalue", "pvalue_skew", "pvalue_cautious")
    )
    pvalue = np.where(np.isnan(pvalue), np.nan, np.fmax(np.maximum(pvalue, hall_p), cautious_p))
    adjusted = spent(adjust_units(pvalue, options.adjust, sums, two_sided=True), facts)
    verdicts = both("verdict")
    labels = both("label")
    beyond = [
        beyond_controls(each, control_of(each)).to_numpy(object).reshape(shape) for each in tables
    ]
    role, layer, head = np.indices(shape)
    columns = {
        **tested,
        "layer": layer,
        "head": head,
        "role": np.array(roles, dtype=object)[role],
        "pvalue_adj": adjusted,
        "label_before": labels[0],
        "label_after": labels[1],
        "verdict_before": verdicts[0],
        "verdict_after": verdicts[1],
        "beyond_before": beyond[0],
        "beyond_after": beyond[1],
        "outcome": _outcomes(verdicts, tested["change"], adjusted <= options.alpha),
    }
    return COLUMNS.frame({name: columns[name].ravel() for name in COLUMNS.dtypes})


def _tested(
    sides: tuple[Sequence[HeadScores], Sequence[HeadScores]],
    means: tuple[HeadScores, HeadScores],
    nonfinite: Bools,
    clusters: Clusters,
    options: AdjustOptions,
) -> dict[str, npt.NDArray[Any]]:
    """Return the moments and tests of the differences of each cell; arrays (role, layer, head)."""
    roles = []
    # Role by role, so that float64 copies are (sequence, layer, head); [:, None] puts back the role
    # axis that `moments` expects. With tau 0 its share_above is the share of scores that rose.
    for role in range(len(means[0].roles)):
        before, after = _pair(means, role, nonfinite)
        part = ~np.isnan(before) & ~np.isnan(after)
        differences = (after - before)[:, None]
        on_zero = Criterion.above_zero(1)
        d = moments(differences, tau=on_zero, ddof=options.ddof)
        units = units_of(differences, None, clusters, d, on_zero, ddof=options.ddof, evalues=False)
        cells = {
            "n": d.n,
            "n_clusters": units.n,
            "n_before": d.n,
            "n_after": d.n,
            "n_clusters_before": units.n,
            "n_clusters_after": units.n,
            "mean_before": known_mean(before, part)[None],
            "mean_after": known_mean(after, part)[None],
            "change": d.mean,
            "sd": d.sd,
            "share_up": d.share_above,
            "spread_before": _spread(sides[0], role, part)[None],
            "spread_after": _spread(sides[1], role, part)[None],
            "status": _statuses(d, units, nonfinite[role]),
        }
        most = _most([side.attainable for side in means], role)
        roles.append(cells | _paired_t_test(cells, units, most, options.alpha))
    return {name: np.concatenate([each[name] for each in roles]) for name in roles[0]}


def _pair(means: tuple[HeadScores, HeadScores], role: int, nonfinite: Bools) -> list[Floats]:
    """Return the scores of a role before and after, (sequence, layer, head), NaN if not finite."""
    pair = [side.values[:, role].astype(np.float64) for side in means]
    for values in pair:
        values[:, nonfinite[role]] = np.nan
    return pair


def _sums(means: tuple[HeadScores, HeadScores], nonfinite: Bools, clusters: Clusters) -> Floats:
    """Return the sums of the differences of each unit, (unit, role, layer, head)."""
    sums, on_zero = [], Criterion.above_zero(1)
    for role in range(len(nonfinite)):
        before, after = _pair(means, role, nonfinite)
        sums.append(excess_sums((after - before)[:, None], None, clusters, on_zero))
    return np.concatenate(sums, axis=1)


def cautious_pvalues(tested: Mapping[str, npt.NDArray[Any]], share: float = HIGH) -> Floats:
    """Return the two-sided p-values of tests that are cautious of skewness, as `t_test` has them.

    A sample that lacks a few large differences has a mean that is off and a standard error that is
    too small; what it lacks is borrowed from other cells, see `headscore.statistics.skewness`, and
    changes of less than a quarter per cent of the mean are no changes.
    """
    testable = np.isin(tested["status"], TESTABLE)
    size = np.maximum(np.abs(tested["mean_before"]), np.abs(tested["mean_after"]))
    t = tested["change"] / np.where(size > 0, np.hypot(tested["se"], NEAR * size), np.nan)
    above, below = (cautious(sign * t, sign * tested["b"], testable, share) for sign in (-1, 1))
    # One of the two is not above 0, so the smaller probability is at most a half.
    one_sided = np.fmin(stats.t.cdf(above, tested["df"]), stats.t.cdf(below, tested["df"]))
    return np.asarray(np.where(testable, 2 * one_sided, np.nan))


def _most(attainable: Sequence[npt.NDArray[np.float32] | None], role: int) -> float:
    """Return the largest possible score of a role on either side, infinite if unknown."""
    known = [np.fmax.reduce(each[:, role], axis=None) for each in attainable if each is not None]
    most = float(np.fmax.reduce(known)) if len(known) == len(attainable) else np.nan
    return most if most > 0 else np.inf


def _spread(checkpoints: Sequence[HeadScores], role: int, part: Bools) -> Floats:
    """Return the standard deviation of the checkpoints' means, NaN for a single checkpoint."""
    if len(checkpoints) == 1:
        return np.full(part.shape[1:], np.nan)
    means = [known_mean(each.values[:, role].astype(np.float64), part) for each in checkpoints]
    return np.asarray(np.std(means, axis=0, ddof=1))


def _statuses(d: Moments, units: Units, nonfinite: Bools) -> Texts:
    conditions = {
        "nonfinite": nonfinite[None],
        "no_sieve": d.n == 0,
        "insufficient_n": units.n < LEAST_UNITS,
        "zero_variance": d.minimum == d.maximum,
    }
    return np.select([*conditions.values()], [*conditions], "ok").astype(object)


def _paired_t_test(
    cells: Mapping[str, npt.NDArray[Any]], units: Units, most: float, alpha: float
) -> dict[str, Floats]:
    change, sd, status = cells["change"], cells["sd"], cells["status"]
    # The rounding error of a difference is that of the larger mean, however small the difference.
    floor = ROUNDING * np.maximum(np.abs(cells["mean_before"]), np.abs(cells["mean_after"]))
    se = np.sqrt(units.se**2 + floor**2)
    some = np.where(se > 0, se, np.nan)  # both means 0: nothing changed
    statistic = np.where(se == 0, 0.0, change / some)
    transformed = hall(statistic, units.asymmetry, units.size_asymmetry)
    equal = _of_equal(np.where(np.abs(change) > floor, change, 0.0), units, most)
    # Two-sided: p = 2 P(T > |t|), interval of level 1 - alpha.
    pvalue, pvalue_skew = (
        np.where(
            np.isin(status, TESTABLE),
            np.where(status == "zero_variance", equal, 2 * stats.t.sf(np.abs(t), units.df)),
            np.nan,
        )
        for t in (statistic, transformed)
    )
    reach = stats.t.isf(alpha / 2, units.df) * se
    low, high = _bounds_of_equal(change, units, most, alpha)
    return {
        "se": units.se,
        "b": units.asymmetry / 3 - units.size_asymmetry,
        "statistic": statistic,
        "df": units.df,
        "pvalue": pvalue,
        "pvalue_skew": pvalue_skew,
        "ci_low": np.where(status == "zero_variance", low, change - reach),
        "ci_high": np.where(status == "zero_variance", high, change + reach),
        "d_z": change / np.where(sd > 0, sd, np.nan),
    }


def _bounds_of_equal(
    change: Floats, units: Units, most: float, alpha: float
) -> tuple[Floats, Floats]:
    """Return the bounds of the change where all differences are equal, NaN if A is unknown."""
    # Of `_of_equal`, for any mean m: (A + m)^w <= alpha / 2 (A + c)^w, and likewise upwards.
    bound = most if np.isfinite(most) else np.nan
    share = (alpha / 2) ** (1 / np.maximum(units.weight, 1))
    return (change + bound) * share - bound, bound - (bound - change) * share


def _of_equal(change: Floats, units: Units, most: float) -> Floats:
    """Return the p-value of cells whose differences all are equal, two-sided.

    Scores lie between 0 and A, so differences are at least -A; by Markov's inequality on d + A a
    unit is at least c with probability at most ``A / (A + c)`` where the mean is 0.
    """
    one_sided = markov(np.abs(change), most, units.weight)
    return np.asarray(np.minimum(1.0, 2 * np.where(change == 0, 1.0, one_sided)))


def _outcomes(verdicts: Sequence[Texts], change: Floats, significant: Bools) -> Texts:
    """Return the outcome of each cell, one of `OUTCOMES`."""
    (before, after), up, down = verdicts, significant & (change > 0), significant & (change < 0)
    has_before, has_after = before == HAS, after == HAS
    # np.select takes the first that holds; what is left is a changed label without a significant
    # change of the mean in its direction: "unclear".
    conditions = {
        "gained": has_after & (before == HAS_NOT) & up,
        "appeared": has_after & (before == UNDECIDED) & up,
        "lost": has_before & (after == HAS_NOT) & down,
        "vanished": has_before & (after == UNDECIDED) & down,
        "kept": has_before & has_after,
        "absent": ~has_before & ~has_after,
    }
    return np.select([*conditions.values()], [*conditions], "unclear").astype(object)
