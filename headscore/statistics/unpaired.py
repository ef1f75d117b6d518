"""The difference of the means of two samples of documents: Welch's test, by units.

For side k of n_k scores, unit g has n_kg of them and the sum S_kg of their deviations from the mean
of the side. With ``w_kg = 1 / (1 - n_kg / n_k)``, as in `headscore.statistics.cluster_robust`,

    q_g = sqrt(w_2g) S_2g / n_2  -  sqrt(w_1g) S_1g / n_1        variance = sum_g q_g^2

Where no unit is on both sides that is the sum of both variances, Welch's. Where one is, such as a
document with sentences of both conditions, what its two sums have in common is counted:
the CR2 estimate for the regression on two dummies (Pustejovsky and Tipton 2018, as cited there).

Degrees of freedom by Satterthwaite: if the scores of side k were independent with the variance
``s_k = n_k V_k`` that V_k, the share of side k in the variance, shows, then q has the covariance

    M = diag(D) - sum_k s_k b_k b_k'
    D_g = sum_k s_k w_kg n_kg / n_k^2        b_kg = sqrt(w_kg) n_kg / n_k^1.5

and ``df = (trace M)^2 / trace(M M)``; without common units ``(V_1 + V_2)^2 / (V_1^2 / df_1 + V_2^2
/ df_2)`` (Welch, "The generalization of 'Student's' problem when several different population
variances are involved", Biometrika 34, 1947).

A side that is compared by what it attained has the ratio ``R = mean(x - 1) / mean(A - 1)``, whose
linearisation has the deviations ``(x - 1 - R (A - 1)) / mean(A - 1)`` (Cochran 1977, section 6.4).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import stats

from headscore.arrays import Bools, Floats, Ints, Texts
from headscore.options import AdjustOptions
from headscore.scores.head_scores import HeadScores
from headscore.statistics.change import cautious_pvalues
from headscore.statistics.cluster_robust import weights
from headscore.statistics.indicator import indicator
from headscore.statistics.known_mean import known_mean
from headscore.statistics.skewness import OF_TWO_SAMPLES, hall
from headscore.statistics.status import LEAST_UNITS
from headscore.statistics.t_test import ROUNDING


@dataclass(frozen=True, eq=False, kw_only=True)
class Side:
    """The units of one side of a comparison in one role and layer; arrays (unit, head) or (head,).

    Attributes
    ----------
    mean
        What is compared: the mean score, or what it is of the attainable.
    variance
        Of the scores, of what is compared.
    magnitude
        Size of the numbers that were rounded.
    size, sums
        Sequences of each unit, and the sum of their deviations, as shares of `mean`.
    share
        Share of each unit in the denominator of the mean.
    """

    mean: Floats
    variance: Floats
    magnitude: Floats
    size: Floats
    sums: Floats
    share: Floats

    @property
    def n(self) -> Floats:
        """Sequences, (head,)."""
        return np.asarray(self.size.sum(axis=0))

    @classmethod
    def of(
        cls, x__sh: Floats, attainable__s: Floats | None, codes: Ints, n_units: int, ddof: int
    ) -> Side:
        """Return the units of scores, NaN where a sequence takes no part.

        Parameters
        ----------
        x__sh, attainable__s
            Scores, and the largest possible ones; None: raw means are compared.
        codes
            The unit of each sequence.
        n_units
            Units of both sides.
        ddof
            0: the variance is divided by n.
        """
        part = ~np.isnan(x__sh)
        mean = known_mean(x__sh)
        deviation, weight, reach = x__sh - mean, part.astype(np.float64), np.ones_like(mean)
        magnitude = np.abs(mean)
        if attainable__s is not None:
            possible = np.broadcast_to(attainable__s[:, None] - 1, part.shape)
            mean_possible = known_mean(possible, part)
            reach = np.where(mean_possible > 0, mean_possible, np.nan)
            mean = (mean - 1) / reach
            deviation = (x__sh - 1 - mean * possible) / reach
            weight = np.where(part, possible, 0.0)
        deviation = np.where(part, deviation, 0.0)
        member = indicator(codes, n_units)
        size, sums, in_units = (
            np.asarray(member @ each) for each in (part.astype(np.float64), deviation, weight)
        )
        n, total = part.sum(axis=0), weight.sum(axis=0)
        freedom = np.where(n > ddof, n - ddof, np.nan)
        return cls(
            mean=mean,
            variance=(deviation**2).sum(axis=0) / freedom,
            magnitude=magnitude / reach,
            size=size,
            sums=sums / np.where(n > 0, n, np.nan),
            share=in_units / np.where(total > 0, total, np.nan),
        )


def difference(sides: tuple[Side, Side], ddof: int) -> dict[str, Floats]:
    """Return what the tests need of the difference of the means, after - before; arrays (head,).

    Returns
    -------
    dict
        change, its standard error se, df; and asymmetry, size_asymmetry as in
        `headscore.statistics.units.Units`.
    """
    signed = (-1, sides[0]), (1, sides[1])
    adjusted = [np.sqrt(weights(each.size, each.n)) if ddof else 1.0 for each in sides]
    parts = [sign * each.sums for sign, each in signed]
    q = parts[0] * adjusted[0] + parts[1] * adjusted[1]
    plain = parts[0] + parts[1]  # without the weights
    m2 = np.where((plain**2).sum(axis=0) > 0, (plain**2).sum(axis=0), np.nan)
    # Of each side: its share in the variance, and how far the residuals depend on its error.
    shared = [
        ((plain * part).sum(axis=0) / m2) * (plain * each.share).sum(axis=0)
        for part, each in zip(parts, sides, strict=True)
    ]
    return {
        "change": sides[1].mean - sides[0].mean,
        "se": np.sqrt((q**2).sum(axis=0)),
        "df": _degrees_of_freedom(sides, adjusted),
        "asymmetry": (plain**3).sum(axis=0) / m2**1.5,
        "size_asymmetry": np.nan_to_num((shared[0] + shared[1]) / np.sqrt(m2)),
    }


def _degrees_of_freedom(sides: tuple[Side, Side], adjusted: list[Any]) -> Floats:
    diagonal, total = np.zeros(sides[0].size.shape), np.zeros(sides[0].mean.shape)
    rank_one = []
    for each, root in zip(sides, adjusted, strict=True):
        n = np.where(each.n > 0, each.n, np.nan)
        own = ((root * each.sums) ** 2).sum(axis=0)  # V_k
        diagonal += own * root**2 * each.size / n  # s_k w_kg n_kg / n_k^2
        rank_one.append(np.sqrt(own) * root * each.size / n)  # sqrt(s_k) b_k
        total += own
    squares = (diagonal**2).sum(axis=0)
    for b in rank_one:
        squares = squares - 2 * (diagonal * b**2).sum(axis=0)
        squares = squares + sum((b * other).sum(axis=0) ** 2 for other in rank_one)
    return np.asarray(total**2 / np.where((total > 0) & (squares > 0), squares, np.nan))


def unpaired_tests(
    sides: tuple[HeadScores, HeadScores],
    codes: tuple[Ints, Ints],
    nonfinite: Bools,
    *,
    attained: bool,
    options: AdjustOptions,
) -> dict[str, npt.NDArray[Any]]:
    """Test the difference of the means of two sides in each cell; arrays (role, layer, head).

    Parameters
    ----------
    sides
        The scores before and after.
    codes
        The unit of each sequence of a side; a unit may be on both.
    nonfinite
        bool (role, layer, head): cells that are not tested.
    attained
        Whether what is compared is ``(mean - 1) / (attainable - 1)``; else the means.
    options
        One minus the level of the intervals is alpha; ddof 0 divides variances by n.

    Returns
    -------
    dict
        What `headscore.statistics.change.table_of_tests` takes; share_up is missing.
    """
    n_units = 1 + max(int(each.max()) for each in codes)
    found: dict[str, npt.NDArray[Any]] = {}
    # One role and layer at a time: the float64 copies of the scores are then (sequence, head) only.
    for role, layer in np.ndindex(nonfinite.shape[:2]):
        pair = []
        for each, units in zip(sides, codes, strict=True):
            x, possible = _scores(each, role, layer, attained)
            x[:, nonfinite[role, layer]] = np.nan
            pair.append(Side.of(x, possible, units, n_units, options.ddof))
        before, after = pair
        cells = _described(before, after) | difference((before, after), options.ddof)
        cells["status"] = _statuses(before, after, nonfinite[role, layer])
        cells |= _welch(cells, np.maximum(before.magnitude, after.magnitude), options.alpha)
        for name, numbers in cells.items():
            whole = found.setdefault(name, np.empty(nonfinite.shape, numbers.dtype))
            whole[role, layer] = numbers
    return found | {"pvalue_cautious": cautious_pvalues(found, OF_TWO_SAMPLES)}


def spread(checkpoints: Sequence[HeadScores], average: HeadScores, attained: bool) -> Floats:
    """Return the standard deviation of what is compared over checkpoints, (role, layer, head).

    NaN for a single one. Sequences count that take part in the average.
    """
    shape = average.values.shape[1:]
    if len(checkpoints) == 1:
        return np.full(shape, np.nan)
    found = np.empty((len(checkpoints), *shape))
    codes = np.zeros(len(average), np.int64)
    for number, each in enumerate(checkpoints):
        for role, layer in np.ndindex(shape[:2]):
            x, possible = _scores(each, role, layer, attained)
            x[np.isnan(average.values[:, role, layer])] = np.nan
            found[number, role, layer] = Side.of(x, possible, codes, 1, 1).mean
    return np.asarray(np.std(found, axis=0, ddof=1))


def _scores(
    scores: HeadScores, role: int, layer: int, attained: bool
) -> tuple[Floats, Floats | None]:
    """Return the scores of a role in a layer, and the attainable ones if these are asked for."""
    x = scores.values[:, role, layer].astype(np.float64)
    if not attained or scores.attainable is None:
        return x, None
    return x, scores.attainable[:, role, layer].astype(np.float64)


def _described(before: Side, after: Side) -> dict[str, npt.NDArray[Any]]:
    n_before, n_after = (each.n.astype(np.int64) for each in (before, after))
    there = [each.size > 0 for each in (before, after)]  # (unit, head)
    unknown = np.full(n_before.shape, np.nan)
    return {
        "n": n_before + n_after,
        "n_before": n_before,
        "n_after": n_after,
        "n_clusters": (there[0] | there[1]).sum(axis=0),
        "n_clusters_before": there[0].sum(axis=0),
        "n_clusters_after": there[1].sum(axis=0),
        "mean_before": before.mean,
        "mean_after": after.mean,
        "sd": np.sqrt((before.variance + after.variance) / 2),
        "share_up": unknown,
    }


def _statuses(before: Side, after: Side, nonfinite: Bools) -> Texts:
    units = np.minimum(*((each.size > 0).sum(axis=0) for each in (before, after)))
    conditions = {
        "nonfinite": nonfinite,
        "no_sieve": (before.n == 0) | (after.n == 0),
        "insufficient_n": units < LEAST_UNITS,
        "unattainable": np.isnan(before.mean) | np.isnan(after.mean),
        "zero_variance": (before.variance == 0) & (after.variance == 0),
    }
    return np.select([*conditions.values()], [*conditions], "ok").astype(object)


def _welch(
    cells: Mapping[str, npt.NDArray[Any]], magnitude: Floats, alpha: float
) -> dict[str, Floats]:
    """Return the two-sided tests; where no score varies on either side, nothing is shown."""
    status, change, df = cells["status"], cells["change"], cells["df"]
    se = np.hypot(cells["se"], ROUNDING * magnitude)
    statistic = change / np.where(se > 0, se, np.nan)
    transformed = hall(statistic, cells["asymmetry"], cells["size_asymmetry"])
    pvalue, pvalue_skew = (
        np.select(
            [status == "ok", status == "zero_variance"],
            [2 * stats.t.sf(np.abs(t), df), 1.0],
            np.nan,
        )
        for t in (statistic, transformed)
    )
    reach = np.where(status == "ok", stats.t.isf(alpha / 2, df) * se, np.nan)
    asymmetry = np.nan_to_num(cells["asymmetry"])
    sd = cells["sd"]
    return {
        "statistic": statistic,
        "pvalue": pvalue,
        "pvalue_skew": pvalue_skew,
        "ci_low": change - reach,
        "ci_high": change + reach,
        "d_z": change / np.where(sd > 0, sd, np.nan),
        "b": asymmetry / 3 - cells["size_asymmetry"],
    }
