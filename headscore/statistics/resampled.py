"""Moments and units of corpora that are drawn from the units of another one.

A drawn corpus is how often it holds each unit. Every sum over it is then a product of these counts
with sums over each unit, counts (draw, unit) @ sums (unit, cell): no corpus is ever built.
"""

from __future__ import annotations

from collections.abc import Iterable
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
_TOGETHER = 200  # draws


@dataclass(frozen=True, eq=False)
class Resampled:
    """Corpora drawn from a pilot.

    Attributes
    ----------
    found
        The numbers of each drawn corpus by name, see `redraw`; (draw, role, layer, head).
    """

    found: dict[str, Floats]

    @classmethod
    def of(
        cls,
        units: Iterable[UnitSums],
        count__du: Floats,
        shape: tuple[int, ...],
        criterion: Criterion,
        *,
        ddof: int,
    ) -> Resampled:
        """Return the numbers of drawn corpora.

        Parameters
        ----------
        units
            The sums of all cells.
        count__du
            How often each unit is drawn, (draw, unit).
        shape
            Roles, layers and heads.
        criterion
            The criterion of the test.
        ddof
            As in `headscore.statistics.moments.moments`.
        """
        found = {name: np.empty((len(count__du), int(np.prod(shape)))) for name in _NAMES}
        for sums in units:
            own = criterion.of_role(sums.role)
            # Some draws at a time, as there are several arrays of the size of their counts.
            for start in range(0, len(count__du), _TOGETHER):
                rows = slice(start, start + _TOGETHER)
                for name, numbers in redraw(sums, count__du[rows], own, ddof=ddof).items():
                    found[name][rows, sums.cells] = numbers
            largest, reach = (found[name][:, sums.cells[:1]] for name in ("largest", "reach"))
            stake = (largest * own.scale_at(reach))[:, 0]
            above = found["center"][:, sums.cells] > own.tau
            found["log_evalue"][:, sums.cells] = _log_evalues(sums, count__du, stake, above, own)
        return cls({name: numbers.reshape(-1, *shape) for name, numbers in found.items()})

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
            weight=of["n"] / np.maximum(of["largest"], 1),
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
    *("n", "units", "center", "equal", "most", "attainable", "reach", "largest", "df", "se"),
    *("deff", "asymmetry", "size_asymmetry", "log_evalue", "nonfinite"),
)


def redraw(
    sums: UnitSums, count__du: Floats, criterion: Criterion, *, ddof: int
) -> dict[str, Floats]:
    """Return the numbers of each drawn corpus for some cells, (draw, cell) or (draw, 1).

    Parameters
    ----------
    sums
        The sums of the cells.
    count__du, ddof
        As in `Resampled.of`.
    criterion
        The criterion of their role.

    Returns
    -------
    dict
        Most names are those of `Units` and of `Moments`. `units` is the number of units, `largest`
        the sequences of the largest; `center` the mean score less its allowance; `equal` that score
        where all are equal, and `most` the largest possible one there, else NaN; `deff` the design
        effect of the scores less their allowance; `reach` the largest attainable of the role. The
        e-values are not here.
    """
    size, added = sums.size, _Products(sums, count__du)
    n, units = added(1, 0), (count__du @ (size > 0))[:, None]
    known = np.where(n > 0, n, np.nan)
    mean = added(0, 1) / known  # less the center
    total = count__du @ sums.square
    m2 = np.maximum(total - n * mean**2, 0)  # of sequences
    # CR2: each unit counts by w_g too, which depends on all that were drawn.
    weight = count__du * cluster_robust.weights(size, n) if ddof else count__du
    variance = np.maximum(_Products(sums, weight).square(mean), 0) / known**2
    variance = np.where(units >= 2, variance, np.nan)
    freedom = np.where(n > ddof, n - ddof, np.nan)
    equal, most = _equal(sums, count__du, m2 <= _EQUAL * total, criterion)
    found = {
        "center": np.where(np.isnan(equal), sums.center + mean, equal),
        "equal": equal,
        "most": most,
        "attainable": count__du @ sums.attainable / known,
        "df": cluster_robust.degrees_of_freedom(size[:, None], count__du.T)[:, None],
        "se": np.sqrt(variance),
        "deff": variance * n * freedom / np.where(m2 > 0, m2, np.nan),
        **asymmetries(n, added.square(mean), cube=added.cube(mean), product=added.product(mean)),
    }
    # Of a corpus with a faulty score all but its counts is unknown.
    nonfinite = count__du @ sums.faulty > 0 if sums.faulty.any() else np.zeros((1, 1), np.bool_)
    return {
        **{name: np.where(nonfinite, np.nan, numbers) for name, numbers in found.items()},
        "n": n,
        "units": units,
        "largest": _largest(size, count__du),
        "reach": _largest(sums.reach, count__du),
        "nonfinite": nonfinite.astype(np.float64),
    }


class _Products:
    """Weighted sums over the units of each draw, of products n_g^i S_g^j.

    n_g are the sizes of units, S_g the sums of deviations from the center. The sum of deviations
    from the mean of a draw, m over the center, is u_g = S_g - n_g m, so that sums of its powers are
    polynomials in m.
    """

    def __init__(self, sums: UnitSums, weight__du: Floats) -> None:
        self._size, self._score = sums.size[:, None], sums.score
        self._weight = weight__du
        self._of_one = bool((sums.size <= 1).all())
        self._found: dict[tuple[int, int], Floats] = {}

    def __call__(self, i: int, j: int) -> Floats:
        """Return the sum of w n^i S^j, (draw, cell), or (draw, 1) for j = 0."""
        if self._of_one:  # n is 0 or 1, and S is 0 where n is
            i = min(i, 1) if j == 0 else 0
        if (i, j) not in self._found:
            numbers = self._size**i * self._score**j if j else self._size**i
            self._found[i, j] = np.asarray(self._weight @ numbers)
        return self._found[i, j]

    def square(self, m: Floats) -> Floats:
        """Return the sum of w u^2."""
        return self(0, 2) - 2 * m * self(1, 1) + m**2 * self(2, 0)

    def product(self, m: Floats) -> Floats:
        """Return the sum of w n u."""
        return self(1, 1) - m * self(2, 0)

    def cube(self, m: Floats) -> Floats:
        """Return the sum of w u^3."""
        return self(0, 3) - 3 * m * self(1, 2) + 3 * m**2 * self(2, 1) - m**3 * self(3, 0)


def _largest(numbers__u: Floats, count__du: Floats) -> Floats:
    """Return the largest number of the units of each draw, all at least 0; (draw, 1)."""
    return np.asarray(np.where(count__du > 0, numbers__u, 0.0).max(axis=1, keepdims=True))


def _equal(
    sums: UnitSums, count__du: Floats, alike__dc: Bools, criterion: Criterion
) -> tuple[Floats, Floats]:
    """Return the score less its allowance where all are equal, and the largest possible one there.

    Both (draw, cell), the second less its allowance too; NaN where scores differ. `alike` are those
    that are looked up.
    """
    equal, most = np.full((2, *alike__dc.shape), np.nan)
    for cell in np.flatnonzero(alike__dc.any(axis=0)):
        draws = np.flatnonzero(alike__dc[:, cell])
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
    sums: UnitSums,
    count__du: Floats,
    stake__d: Floats,
    above__dc: Bools,
    criterion: Criterion,
) -> Floats:
    """Return the log of the e-value of each draw, (draw, cell), 0 for e-values of at most 1.

    A bet on a unit is divided by the stake, the size of the largest unit times the scale of the
    criterion: the draws in which it is the same share the logarithms. The mean of a draw is `above`
    tau or not: where not, no bet can have gained, as ``sum log(1 + bet x) <= n log(1 + bet mean)``.
    """
    found = np.zeros(above__dc.shape)
    for stake in np.unique(stake__d[stake__d > 0]):
        draws = np.flatnonzero(stake__d == stake)
        drawn = np.flatnonzero(count__du[draws].any(axis=0))
        cells = np.flatnonzero(above__dc[draws].any(axis=0))
        excess = sums.score[np.ix_(drawn, cells)]
        excess = excess + sums.size[drawn, None] * (sums.center[cells] - criterion.tau)
        part = np.ix_(draws, cells)
        found[part] = np.maximum(_of_stake(excess / stake, count__du[np.ix_(draws, drawn)]), 0)
    return found


def _of_stake(excess__uc: Floats, count__du: Floats) -> Floats:
    """Return the log of the e-value of draws; the excess of a unit is over the stake."""
    # A unit far below 0 makes a factor negative, first that of the largest bet: a draw that holds
    # it has no e-value.
    ruined = excess__uc * BETS[-1] <= -1
    sound = np.where(ruined, 0.0, excess__uc) if ruined.any() else excess__uc
    found = log_evalue(np.stack([count__du @ np.log(1 + bet * sound) for bet in BETS]))
    return np.where(count__du @ ruined > 0, np.nan, found) if ruined.any() else found
