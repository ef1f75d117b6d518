"""Moments and units of corpora that are drawn from the units of another one.

A drawn corpus is how often it holds each unit. Every sum over it is then a product of these counts
with sums over each unit, so that it is never built: counts (draw, unit) @ sums (unit, cell).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headscore.arrays import Bools, Floats, Ints
from headscore.statistics import cluster_robust
from headscore.statistics.criterion import Criterion
from headscore.statistics.evalues import BETS, log_evalue
from headscore.statistics.moments import Moments
from headscore.statistics.unit_sums import UnitSums
from headscore.statistics.units import Units, asymmetries, shares

# Relative variance below which scores may all be equal, which is then looked up; far above the
# rounding error of sums (1e-16 times their number), far below the variance of float32 scores.
_EQUAL = 1e-9


@dataclass(frozen=True, eq=False)
class Redrawn:
    """Numbers of each drawn corpus by name, (draw, role, layer, head), and its sequences, (draw,).

    Names are those of `Units` and of `Moments`, here without `mean`, and with ``units`` for the
    ``n`` of `Units`; `center` is the mean score less its allowance.
    """

    found: dict[str, Floats]
    n_sequences: Floats

    def cells(self, draw: int, criterion: Criterion) -> Moments:
        """Return the moments of a drawn corpus; NaN where its test does not need them."""
        of = {name: numbers[draw] for name, numbers in self.found.items()}
        unknown = np.full(of["n"].shape, np.nan)
        return Moments(
            n=of["n"].astype(np.int64),
            mean=of["center"] + criterion.mean_allowance(of["attainable"]),
            sd=of["sd"],
            skew=unknown,
            minimum=of["equal"],
            maximum=of["equal"],
            share_above=unknown,
            attainable=of["attainable"],
            attainable_variance=unknown,
            covariance=unknown,
            most=of["most"],
            attained=unknown,
            nonfinite=of["nonfinite"] > 0,
            log_evalue=of["log_evalue"],
        )

    def units(self, draw: int) -> Units:
        """Return the units of a drawn corpus; NaN where its test does not need them."""
        of = {name: numbers[draw] for name, numbers in self.found.items()}
        unknown = np.full(of["n"].shape, np.nan)
        return Units(
            n=of["units"].astype(np.int64),
            effective=of["effective"],
            weight=of["weight"],
            df=of["df"],
            se=of["se"],
            se_mean=unknown,
            se_attained=unknown,
            deff=of["deff"],
            asymmetry=of["asymmetry"],
            size_asymmetry=of["size_asymmetry"],
            log_evalue=of["log_evalue"],
            clustered=True,
        )


def redraw(sums: UnitSums, count__du: Floats, criterion: Criterion, ddof: int) -> dict[str, Floats]:
    """Return the numbers of `Redrawn` for some cells, (draw, cell) or (draw, 1).

    Parameters
    ----------
    sums
        The sums of the cells.
    count__du
        How often each unit is drawn, (draw, unit).
    criterion
        The criterion of their role.
    ddof
        As in `headscore.statistics.moments.moments`.
    """
    size = sums.size
    n = (count__du @ size)[:, None]
    several = np.where(n > 0, n, np.nan)
    mean = count__du @ sums.score / several  # less the center
    deviations = _Deviations.of(sums, mean)
    square, product, cube = deviations.square(count__du), *deviations.others(count__du)
    # CR2: each unit counts by w_g too, which depends on all that were drawn.
    weight = count__du * cluster_robust.weights(size, n) if ddof else count__du
    units = (count__du @ (size > 0))[:, None]
    variance = np.where(units >= 2, np.maximum(deviations.square(weight), 0) / n**2, np.nan)
    freedom = np.where(n > ddof, n - ddof, np.nan)
    m2 = np.maximum(count__du @ sums.square - n * mean**2, 0)
    largest = np.where(count__du > 0, size, 0.0).max(axis=1, keepdims=True)
    equal, most = _equal(sums, count__du, m2, criterion)
    found = {
        "n": n,
        "units": units,
        "center": np.where(np.isnan(equal), sums.center + mean, equal),
        "sd": np.sqrt(m2 / freedom),
        "equal": equal,
        "most": most,
        "attainable": count__du @ sums.attainable / several,
        "df": cluster_robust.degrees_of_freedom(size[:, None], count__du.T)[:, None],
        "se": np.sqrt(variance),
        "deff": variance * n * freedom / np.where(m2 > 0, m2, np.nan),
        **shares(n, largest, (count__du @ size**2)[:, None]),
        **asymmetries(n, square, cube=cube, product=product),
        "log_evalue": _log_evalues(sums, count__du, largest[:, 0], criterion),
    }
    nonfinite = count__du @ sums.faulty > 0 if sums.faulty.any() else np.zeros((1, 1), np.bool_)
    kept = ("n", "units")
    return {
        **{name: x if name in kept else np.where(nonfinite, np.nan, x) for name, x in found.items()},
        "nonfinite": nonfinite.astype(np.float64),
    }


@dataclass(frozen=True, eq=False)
class _Deviations:
    """Sums u_g of the deviations of units from the mean of a draw, u_g = S_g - n_g m.

    S_g are the sums of deviations from the center, n_g the sizes, and m is the mean of the draw
    less the center. So powers of u_g are polynomials in m, with sums over the units as
    coefficients.
    """

    size: Floats  # (unit, 1)
    score: Floats  # (unit, cell)
    mean: Floats  # (draw, cell)

    @classmethod
    def of(cls, sums: UnitSums, mean: Floats) -> _Deviations:
        return cls(sums.size[:, None], sums.score, mean)

    def square(self, weight__du: Floats) -> Floats:
        """Return the sum of w u^2 = w S^2 - 2 m w n S + m^2 w n^2, (draw, cell)."""
        n, s, m = self.size, self.score, self.mean
        return weight__du @ s**2 - 2 * m * (weight__du @ (n * s)) + m**2 * (weight__du @ n**2)

    def others(self, count__du: Floats) -> tuple[Floats, Floats]:
        """Return the sums of n u, and of u^3 = S^3 - 3 m n S^2 + 3 m^2 n^2 S - m^3 n^3."""
        n, s, m = self.size, self.score, self.mean
        cube = (
            count__du @ s**3
            - 3 * m * (count__du @ (n * s**2))
            + 3 * m**2 * (count__du @ (n**2 * s))
            - m**3 * (count__du @ n**3)
        )
        return count__du @ (n * s) - m * (count__du @ n**2), cube


def _equal(
    sums: UnitSums, count__du: Floats, m2: Floats, criterion: Criterion
) -> tuple[Floats, Floats]:
    """Return for each draw the score less its allowance, if all are equal, and the largest possible.

    Both (draw, cell) and NaN elsewhere; the second is less its allowance too.
    """
    equal, most = np.full((2, *m2.shape), np.nan)
    alike = m2 <= _EQUAL * (count__du @ sums.square)
    for cell in np.flatnonzero(alike.any(axis=0)):
        draws = np.flatnonzero(alike[:, cell])
        drawn = count__du[draws] > 0

        def among(numbers: Floats, reduce: np.ufunc, drawn: Bools = drawn) -> Floats:
            return np.asarray(reduce.reduce(np.where(drawn, numbers, np.nan), axis=1))

        lowest = among(sums.lowest[:, cell], np.fmin)
        same = lowest == among(sums.highest[:, cell], np.fmax)
        equal[draws[same], cell] = lowest[same]
        possible = among(sums.most[:, cell], np.fmax)[same]
        slope = 0.0 if criterion.fraction is None else criterion.fraction[0]
        most[draws[same], cell] = possible - slope * (possible - 1)
    return equal, most


def _log_evalues(
    sums: UnitSums, count__du: Floats, largest__d: Floats, criterion: Criterion
) -> Floats:
    """Return the log of the e-value of each draw, (draw, cell), NaN where none takes part.

    A bet on a unit is divided by the size of the largest unit of the corpus and by the scale of the
    criterion: draws in which these agree share the logarithms.
    """
    reach = np.where(count__du > 0, sums.reach, 1.0).max(axis=1)
    stake__d = (largest__d[:, None] * criterion.scale_at(reach[:, None]))[:, 0]
    excess = sums.score + sums.size[:, None] * (sums.center - criterion.tau)
    found = np.full((len(count__du), len(sums.cells)), np.nan)
    for stake in np.unique(stake__d[largest__d > 0]):
        draws = np.flatnonzero(stake__d == stake)
        drawn = np.flatnonzero(count__du[draws].any(axis=0))
        found[draws] = _of_stake(excess[drawn] / stake, count__du[np.ix_(draws, drawn)])
    return found


def _of_stake(relative__uc: Floats, count__du: Floats) -> Floats:
    """Return the log e-values of draws from units with an excess in units of the stake."""
    # A factor of 0 or less, of a score far below 0, leaves the draws that hold it no e-value; the
    # largest bet is the first to have one.
    ruined = relative__uc * BETS[-1] <= -1
    sound = np.where(ruined, 0.0, relative__uc) if ruined.any() else relative__uc
    wealth = np.stack([count__du @ np.log1p(bet * sound) for bet in BETS])
    found = log_evalue(wealth)
    return np.where(count__du @ ruined > 0, np.nan, found) if ruined.any() else found
