"""Step-down maxT: adjust p-values over cells that depend on each other, by flipping signs of units.

Under H0 the sum u_g of a unit's scores less the threshold is as likely to be u_g as -u_g, for all
cells at once. The largest statistic of the cells not yet rejected is compared with what it is when
the signs of whole units are flipped, so that cells which rise and fall together count as few:
Romano and Wolf, "Exact and approximate stepdown methods for multiple hypothesis testing", J. Amer.
Statist. Assoc. 100 (2005); Westfall and Young, "Resampling-based multiple testing" (1993).

The statistic of a cell of G units is T, on the scale of a normal deviate::

    T = sum_g u_g / sqrt(sum_g u_g^2)           t = T sqrt((G - 1) / (G - T^2)) is that of a t-test
    E = (sum_g |u_g|)^2 / sum_g u_g^2           no signs make T^2 larger; about 2 G / pi where u_g
                                                are normal
    D = min(pi E / 2, G)                        so this many normal units vary as these do
    z = sign(T) sqrt(-df log(1 - T^2 / D)) (8 df + 1) / (8 df + 3),    df = D - 1

The last line is the deviate with the p-value of t with df degrees of freedom: Wallace, "Bounds on
normal approximations to Student's and the chi-square distributions", Annals of Mathematical
Statistics 30 (1959). With G in place of D, a cell with a few large units, whose T cannot be large,
would not be heard among the others. No z exceeds the deviate of ``2^-G``, the share of flips that
leave all signs equal. Flips change neither E nor G, so the p-values are exact where the units are
symmetric, whatever their sizes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import stats

from headscore.arrays import Floats
from headscore.options import FLIPS, MAXT
from headscore.statistics.adjust import adjust, level_in_use

_SEED = 0
_AT_A_TIME = 256  # flips: signs of 256 x units, statistics of 256 x cells
_TIE = 1e-9  # statistics that are nearer are equal: elementary functions differ by machine


def adjust_units(
    pvalues: Floats, method: str, sums: Floats | None, *, two_sided: bool = False
) -> Floats:
    """Adjust p-values by `max_t` where that is the method, else by `adjust`; arguments as there."""
    if method == MAXT and sums is not None:
        return max_t(pvalues, sums, two_sided=two_sided)
    return adjust(pvalues, method)


def level_of_units(pvalues: Floats, adjusted: Floats, alpha: float, method: str) -> float:
    """Return the level of a single test that separates what is rejected from what is not.

    By maxT the smallest p that was not rejected became q, as by ``log(1 - q) / log(1 - p)``
    independent tests: alpha over their number. By other methods see
    `headscore.statistics.adjust.level_in_use`.

    Parameters
    ----------
    pvalues, adjusted
        P-values, and these as `adjust_units` adjusted them.
    alpha, method
        As there.
    """
    if method != MAXT:
        return level_in_use(adjusted, alpha, method)
    left = adjusted > alpha
    if not left.any():
        return alpha
    q = float(adjusted[left].min())
    p = float(pvalues[adjusted == q].min())
    tests = math.log1p(-min(q, 1 - 1 / FLIPS)) / math.log1p(-p) if 0 < p < q else 1.0
    return alpha / max(tests, 1.0)


def max_t(pvalues: Floats, sums: Floats, *, two_sided: bool = False) -> Floats:
    """Adjust p-values for multiple testing by step-down maxT over flips of the signs of units.

    A p-value that is larger than that of its cell's own flips takes its place: what is rejected is
    never more than the flips alone reject, so their guarantee stays. With at most 13 units all
    flips are tried, else `FLIPS` drawn with a fixed seed, of which the first changes nothing.

    Parameters
    ----------
    pvalues
        (role, layer, head), or any other shape of cells: numbers in 0..1, or NaN, which stay NaN
        and do not count. Of a test upwards, or of both directions if `two_sided`.
    sums
        (unit, ...), the sums of `headscore.statistics.excess_sums.excess_sums` of the same cells.
    two_sided
        Whether large sums of either sign are counted.

    Returns
    -------
    numpy.ndarray
        Adjusted p-values, at least ``1 / FLIPS``, the same bits for any number of threads.

    Notes
    -----
    Takes ``flips x units x cells`` multiplications, and memory of up to 24 bytes for each unit and
    cell besides `sums`.
    """
    tested = ~np.isnan(pvalues)
    adjusted = np.full(pvalues.shape, np.nan)
    if tested.any():
        p = pvalues[tested]
        by_flips = _step_down(p, _Flipped.of_sums(sums[:, tested], two_sided))
        adjusted[tested] = np.maximum(by_flips, p)
    return adjusted


@dataclass(frozen=True, eq=False)
class _Flipped:
    """The statistics of cells at each flip.

    Attributes
    ----------
    whole__uc
        The sums, each column in units of its own: whole numbers that add up to less than 2^52, so
        that every order of additions, that of any BLAS with any number of threads, gives the same.
    most__c, df__c, limit__c
        Square root of D times the sum of the squares of a column; D - 1, and the largest z.
    two_sided
        As in `max_t`.
    """

    whole__uc: Floats
    most__c: Floats
    df__c: Floats
    limit__c: Floats
    two_sided: bool

    @classmethod
    def of_sums(cls, sums__uc: Floats, two_sided: bool) -> _Flipped:
        """Return what flips need of the sums."""
        whole = _whole(sums__uc)
        n = np.maximum(np.count_nonzero(whole, axis=0), 1)
        square = np.maximum(np.einsum("uc,uc->c", whole, whole), 1.0)
        equal = np.maximum(np.abs(whole).sum(axis=0) ** 2 / square, 1.0)  # E
        alike = np.minimum(np.pi / 2 * equal, n)  # D
        limit = stats.norm.isf(0.5 ** n.clip(max=1000))
        return cls(whole, np.sqrt(alike * square), alike - 1, limit, two_sided)

    def as_observed(self) -> Floats:
        """Return the statistics without a flip, (cell,)."""
        return self._statistic(self.whole__uc.sum(axis=0))

    def blocks(self) -> Iterator[Floats]:
        """Yield the statistics at some flips at a time, (flip, cell)."""
        for signs__fu in _signs(len(self.whole__uc)):
            yield self._statistic(signs__fu @ self.whole__uc)

    def _statistic(self, total: Floats) -> Floats:
        share, df = total / self.most__c, self.df__c
        with np.errstate(divide="ignore", invalid="ignore"):
            left = np.log1p(-np.minimum(share**2, 1.0))  # rounding may put it above 1
            z = np.sqrt(-df * left) * ((8 * df + 1) / (8 * df + 3))
        z = np.fmin(z, self.limit__c)  # fmin: 0 times infinity, of a single unit, is the limit too
        return np.asarray(z if self.two_sided else np.copysign(z, share))


def _whole(sums__uc: Floats) -> Floats:
    """Return each column in units of a power of two of its own, rounded to whole numbers.

    Units that take no part in any cell are left out.
    """
    _, exponent = np.frexp(np.abs(sums__uc).sum(axis=0))
    whole = np.ldexp(sums__uc[(sums__uc != 0).any(axis=1)], 51 - exponent)
    return np.asarray(np.rint(whole, out=whole))


def _signs(units: int) -> Iterator[Floats]:
    """Yield 1 and -1, (flip, unit), some flips at a time; the first flip changes no sign."""
    every = 2**units <= FLIPS
    rng = np.random.default_rng(_SEED)
    n = 2**units if every else FLIPS
    for start in range(0, n, _AT_A_TIME):
        number = np.arange(start, min(start + _AT_A_TIME, n))
        if every:  # the binary digits of the number of the flip
            down = ((number[:, None] >> np.arange(units)) & 1).astype(np.bool_)
        else:
            drawn = np.frombuffer(rng.bytes(_AT_A_TIME * (-(-units // 8))), np.uint8)
            down = np.unpackbits(drawn.reshape(_AT_A_TIME, -1), axis=1)[: len(number), :units] > 0
            down &= number[:, None] > 0
        yield np.where(down, -1.0, 1.0)


def _step_down(p__c: Floats, flipped: _Flipped) -> Floats:
    """Return the adjusted p-values of cells."""
    of_p = stats.norm.isf(p__c / 2 if flipped.two_sided else p__c)
    observed = np.minimum(flipped.as_observed(), of_p)
    order = np.argsort(-observed, kind="stable")
    least = observed[order] - _TIE
    n, at_least = 0, np.zeros(len(order), np.int64)
    for z__fc in flipped.blocks():
        # The largest of each cell and those after it: the cells not yet rejected at its step.
        largest = np.maximum.accumulate(z__fc[:, order[::-1]], axis=1)[:, ::-1]
        at_least += (largest >= least).sum(axis=0)
        n += len(z__fc)
    adjusted = np.empty(len(order))
    adjusted[order] = np.maximum.accumulate(at_least / n)
    return adjusted
