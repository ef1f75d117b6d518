"""Moments and units of corpora that are drawn from the units of another one.

A drawn corpus is how often it holds each unit. Every sum over it is then a product of these counts
with sums over each unit, counts (draw, unit) @ sums (unit, cell): no corpus is ever built.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from headscore.arrays import Bools, Floats
from headscore.statistics import cluster_robust
from headscore.statistics.criterion import Criterion
from headscore.statistics.evalues import BETS, log_evalue
from headscore.statistics.moments import Moments
from headscore.statistics.unit_sums import UnitSums
from headscore.statistics.units import Units, asymmetries

# Where the variance is below this share of the mean square, scores may all be equal, and are looked
# up: far above the rounding error of the sums (1e-16 a term), far below what float32 can hold.
_EQUAL = 1e-9


@dataclass(frozen=True, eq=False)
class Redrawn:
    """Corpora drawn from a pilot.

    Attributes
    ----------
    found
        The numbers of each drawn corpus by name, see `redraw`; (draw, role, layer, head).
    """

    found: dict[str, Floats]

    @classmethod
    def empty(cls, n_draws: int, shape: tuple[int, ...]) -> Redrawn:
        """Return room for the numbers of cells of a shape (role, layer, head)."""
        return cls({name: np.empty((n_draws, *shape)) for name in _NAMES})

    def put(self, sums: UnitSums, count__du: Floats, criterion: Criterion, ddof: int) -> None:
        """Compute and keep the numbers of some cells; arguments as of `redraw`."""
        for name, numbers in redraw(sums, count__du, criterion, ddof).items():
            self.found[name].reshape(len(count__du), -1)[:, sums.cells] = numbers

    def criterion(self, draw: int, pilot: Criterion) -> Criterion:
        """Return the criterion of a drawn corpus, whose largest attainable may be another one."""
        return replace(pilot, scale=pilot.scale_at(self.found["reach"][draw, :, 0, 0]))

    def cells(self, draw: int, criterion: Criterion) -> Moments:
        """Return the moments of a drawn corpus; NaN where its test does not need them."""
        of = {name: numbers[draw] for name, numbers in self.found.items()}
        unknown = np.full(of["n"].shape, np.nan)
        return Moments(
            n=of["n"].astype(np.int64),
            mean=of["center"] + criterion.mean_allowance(of["attainable"]),
            sd=unknown,
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
            effective=unknown,
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


_NAMES = (
    *("n", "units", "center", "equal", "most", "attainable", "reach", "weight", "df", "se"),
    *("deff", "asymmetry", "size_asymmetry", "log_evalue", "nonfinite"),
)


def redraw(sums: UnitSums, count__du: Floats, criterion: Criterion, ddof: int) -> dict[str, Floats]:
    """Return the numbers of each drawn corpus for some cells, (draw, cell) or (draw, 1).

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

    Returns
    -------
    dict
        Most names are those of `Units` and of `Moments`. `units` is the number of units; `center`
        the mean score less its allowance; `equal` that score where all are equal, and `most` the
        largest possible one there, else NaN; `deff` the design effect of the scores less their
        allowance; `reach` the largest attainable of the role.
    """
    size = sums.size
    n, units = (count__du @ size)[:, None], (count__du @ (size > 0))[:, None]
    known = np.where(n > 0, n, np.nan)
    mean = count__du @ sums.score / known  # less the center
    m2 = np.maximum(count__du @ sums.square - n * mean**2, 0)  # of sequences
    deviations = _Deviations(size[:, None], sums.score, mean)
    square, product, cube = deviations.sums(count__du)
    # CR2: each unit counts by w_g too, which depends on all that were drawn.
    weight = count__du * cluster_robust.weights(size, n) if ddof else count__du
    variance = np.where(units >= 2, np.maximum(deviations.square(weight), 0) / known**2, np.nan)
    freedom = np.where(n > ddof, n - ddof, np.nan)
    largest = _largest(size, count__du)
    reach = _largest(sums.reach, count__du)
    equal, most = _equal(sums, count__du, m2, criterion)
    found = {
        "center": np.where(np.isnan(equal), sums.center + mean, equal),
        "equal": equal,
        "most": most,
        "attainable": count__du @ sums.attainable / known,
        "weight": n / np.maximum(largest, 1),
        "df": cluster_robust.degrees_of_freedom(size[:, None], count__du.T)[:, None],
        "se": np.sqrt(variance),
        "deff": variance * n * freedom / np.where(m2 > 0, m2, np.nan),
        **asymmetries(n, square, cube=cube, product=product),
        "log_evalue": _log_evalues(sums, count__du, largest * criterion.scale_at(reach), criterion),
    }
    # Of a corpus with a faulty score all but its counts is unknown.
    nonfinite = count__du @ sums.faulty > 0 if sums.faulty.any() else np.zeros((1, 1), np.bool_)
    found = {name: np.where(nonfinite, np.nan, numbers) for name, numbers in found.items()}
    return {**found, "n": n, "units": units, "reach": reach, "nonfinite": nonfinite * 1.0}


@dataclass(frozen=True, eq=False)
class _Deviations:
    """Sums u_g of the deviations of units from the mean of a draw, u_g = S_g - n_g m.

    S_g are the sums of deviations from the center, n_g the sizes, and m is the mean of the draw
    less the center. So powers of u_g are polynomials in m, whose coefficients are sums over units.
    """

    size: Floats  # (unit, 1)
    score: Floats  # (unit, cell)
    mean: Floats  # (draw, cell)

    def square(self, weight__du: Floats) -> Floats:
        """Return the sum of w u^2 = w S^2 - 2 m w n S + m^2 w n^2, (draw, cell)."""
        n, s, m = self.size, self.score, self.mean
        return weight__du @ s**2 - 2 * m * (weight__du @ (n * s)) + m**2 * (weight__du @ n**2)

    def sums(self, count__du: Floats) -> tuple[Floats, Floats, Floats]:
        """Return the sums of u^2, of n u, and of u^3 = S^3 - 3 m n S^2 + 3 m^2 n^2 S - m^3 n^3."""
        n, s, m = self.size, self.score, self.mean
        product = count__du @ (n * s) - m * (count__du @ n**2)
        cube = (
            count__du @ s**3
            - 3 * m * (count__du @ (n * s**2))
            + 3 * m**2 * (count__du @ (n**2 * s))
            - m**3 * (count__du @ n**3)
        )
        return self.square(count__du), product, cube


def _largest(numbers__u: Floats, count__du: Floats) -> Floats:
    """Return the largest number of the units of each draw, all at least 0; (draw, 1)."""
    return np.asarray(np.where(count__du > 0, numbers__u, 0.0).max(axis=1, keepdims=True))


def _equal(
    sums: UnitSums, count__du: Floats, m2: Floats, criterion: Criterion
) -> tuple[Floats, Floats]:
    """Return the score less its allowance where all are equal, and the largest possible one there.

    Both (draw, cell), the second less its allowance too; NaN where scores differ.
    """
    equal, most = np.full((2, *m2.shape), np.nan)
    alike = m2 <= _EQUAL * (count__du @ sums.square)
    for cell in np.flatnonzero(alike.any(axis=0)):
        draws = np.flatnonzero(alike[:, cell])
        drawn = count__du[draws] > 0
        lowest = _among(np.fmin, sums.lowest[:, cell], drawn)
        same = lowest == _among(np.fmax, sums.highest[:, cell], drawn)
        possible = _among(np.fmax, sums.most[:, cell], drawn)[same]
        slope = 0.0 if criterion.fraction is None else criterion.fraction[0]
        equal[draws[same], cell] = lowest[same]
        most[draws[same], cell] = possible - slope * (possible - 1)
    return equal, most


def _among(reduce: np.ufunc, numbers__u: Floats, drawn__du: Bools) -> Floats:
    return np.asarray(reduce.reduce(np.where(drawn__du, numbers__u, np.nan), axis=1))


def _log_evalues(
    sums: UnitSums, count__du: Floats, stake__d: Floats, criterion: Criterion
) -> Floats:
    """Return the log of the e-value of each draw, (draw, cell); NaN where nothing takes part.

    A bet on a unit is divided by the stake, the size of the largest unit times the scale of the
    criterion: the draws in which it is the same share the logarithms.
    """
    stake = stake__d.ravel()
    excess = sums.score + sums.size[:, None] * (sums.center - criterion.tau)
    found = np.full((len(count__du), len(sums.cells)), np.nan)
    for each in np.unique(stake[stake > 0]):
        draws = np.flatnonzero(stake == each)
        drawn = np.flatnonzero(count__du[draws].any(axis=0))
        found[draws] = _of_stake(excess[drawn] / each, count__du[np.ix_(draws, drawn)])
    return found


def _of_stake(excess__uc: Floats, count__du: Floats) -> Floats:
    """Return the log of the e-value of draws; the excess of a unit is over the stake."""
    # A unit far below 0 makes a factor negative, first that of the largest bet: a draw that holds
    # it has no e-value.
    ruined = excess__uc * BETS[-1] <= -1
    sound = np.where(ruined, 0.0, excess__uc) if ruined.any() else excess__uc
    found = log_evalue(np.stack([count__du @ np.log(1 + bet * sound) for bet in BETS]))
    return np.where(count__du @ ruined > 0, np.nan, found) if ruined.any() else found
