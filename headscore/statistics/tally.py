"""Tally: mergeable sums over the scores of some sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headscore.arrays import Bools, Floats, Ints
from headscore.statistics.criterion import Criterion
from headscore.statistics.evalues import log_sums


@dataclass(frozen=True, eq=False)
class Tally:
    """Sums over sequences of the scores minus their allowance; arrays (role, layer, head).

    Attributes
    ----------
    n_sequences
        Number of sequences, also of those that take no part.
    n
        int64, number of sequences that take part.
    mean, m2, m3
        Mean of those, and sums of the squares and cubes of their deviations from it; 0 for none.
    minimum, maximum
        Their range, NaN for none.
    above
        int64, number of scores above tau.
    attainable
        Sum of their largest possible scores, None if unknown.
    attainable_m2, cross
        Sums of the squares of the deviations of these from their mean, and of the products with the
        deviations of the scores less their allowance; None if unknown.
    most
        The largest of these, NaN for none; None if unknown.
    log_sums
        (bet, role, layer, head), the log of the wealth of each bet of the e-value; None if not
        computed.
    nonfinite
        bool, whether a score is infinite, or NaN though its largest possible score is known. The
        other numbers, but `n`, then mean nothing.
    """

    n_sequences: int
    n: Ints
    mean: Floats
    m2: Floats
    m3: Floats
    minimum: Floats
    maximum: Floats
    above: Ints
    attainable: Floats | None
    attainable_m2: Floats | None
    cross: Floats | None
    most: Floats | None
    log_sums: Floats | None
    nonfinite: Bools


def tally(
    values__srlh: npt.NDArray[np.floating[Any]],
    attainable__srl: npt.NDArray[np.floating[Any]] | None,
    criterion: Criterion,
    *,
    evalues: bool,
) -> Tally:
    """Return the tally of the scores of a block of sequences, by a two-pass algorithm.

    Chan, Golub and LeVeque, "Algorithms for computing the sample variance", The American
    Statistician 37 (1983).
    """
    x = values__srlh.astype(np.float64)
    # Axes of x: sequence, role, layer, head; attainable has no head axis, [..., None] adds one.
    part = ~np.isnan(x)
    n = part.sum(axis=0)
    nonfinite: Bools = np.logical_or.reduce(np.isinf(x), axis=0)
    if attainable__srl is not None:
        # A sequence with a largest possible score takes part: a NaN score there is a fault.
        nonfinite |= (~part & np.isfinite(attainable__srl)[..., None]).any(axis=0)
    # From here on a faulty cell has no scores; `n` above still counts its sequences.
    x[:, nonfinite] = np.nan
    x -= criterion.allowance(attainable__srl)
    part &= ~nonfinite
    deviation, mean = _centred(x, part)
    square = deviation * deviation
    excess = x - criterion.tau[:, None, None]
    return Tally(
        n_sequences=len(x),
        n=n,
        mean=mean,
        m2=square.sum(axis=0),
        m3=(square * deviation).sum(axis=0),
        minimum=np.fmin.reduce(x, axis=0),
        maximum=np.fmax.reduce(x, axis=0),
        above=(excess > 0).sum(axis=0),
        **_of_attainable(attainable__srl, part, deviation),
        log_sums=_log_sums(np.where(part, excess, 0.0), criterion) if evalues else None,
        nonfinite=nonfinite,
    )


def merge_tallies(first: Tally, second: Tally) -> Tally:
    """Return the tally of the sequences of both.

    Chan, Golub and LeVeque (1983) for the second moment; Pebay, "Formulas for robust, one-pass
    parallel computation of covariances and arbitrary-order statistical moments", Sandia report
    SAND2008-6212 (2008), for the third.
    """
    n_first, n_second = first.n.astype(np.float64), second.n.astype(np.float64)
    n = np.maximum(n_first + n_second, 1)
    share = n_second / n
    # With a, b for first and second, n = n_a + n_b and d = mean_b - mean_a (Pebay 2008):
    #
    #     mean = mean_a + d n_b / n
    #     M2   = M2_a + M2_b + d^2 n_a n_b / n
    #     M3   = M3_a + M3_b + d^3 n_a n_b (n_a - n_b) / n^2 + 3 d (n_a M2_b - n_b M2_a) / n
    d = second.mean - first.mean
    across = d * d * n_first * share
    between = d * (across * ((n_first - n_second) / n))
    within = 3 * d * ((n_first / n) * second.m2 - share * first.m2)
    # The same for the largest possible scores: with e the difference of their means the sum of
    # products is C_a + C_b + d e n_a n_b / n.
    e = _mean_attainable(second) - _mean_attainable(first)
    return Tally(
        n_sequences=first.n_sequences + second.n_sequences,
        n=first.n + second.n,
        mean=first.mean + d * share,
        m2=first.m2 + second.m2 + across,
        m3=first.m3 + second.m3 + between + within,
        minimum=np.fmin(first.minimum, second.minimum),
        maximum=np.fmax(first.maximum, second.maximum),
        above=first.above + second.above,
        attainable=_add(first.attainable, second.attainable),
        attainable_m2=_add(first.attainable_m2, second.attainable_m2, e * e * n_first * share),
        cross=_add(first.cross, second.cross, d * e * n_first * share),
        most=None
        if first.most is None or second.most is None
        else np.fmax(first.most, second.most),
        log_sums=_add(first.log_sums, second.log_sums),
        nonfinite=first.nonfinite | second.nonfinite,
    )


def _centred(x: Floats, part: Bools) -> tuple[Floats, Floats]:
    """Return the deviations of the entries with `part` from their mean, 0 elsewhere, and the mean.

    Both along axis 0.
    """
    n = np.maximum(part.sum(axis=0), 1)
    mean = np.where(part, x, 0.0).sum(axis=0) / n
    deviation = np.where(part, x - mean, 0.0)
    # The deviations add up to 0 but for the rounding error of the mean: subtract what is left, the
    # corrected two-pass algorithm of Chan, Golub and LeVeque.
    rounding = deviation.sum(axis=0) / n
    deviation -= np.where(part, rounding, 0.0)
    return deviation, mean + rounding


def _of_attainable(
    attainable__srl: npt.NDArray[np.floating[Any]] | None, part: Bools, deviation: Floats
) -> dict[str, Floats | None]:
    """Return the sums of a tally over the largest possible scores."""
    if attainable__srl is None:
        return dict.fromkeys(("attainable", "attainable_m2", "cross", "most"))
    # The head axis is 1 until the masks of the heads are applied.
    possible = np.where(part, attainable__srl[..., None].astype(np.float64), np.nan)
    of_possible, _ = _centred(possible, part)
    return {
        "attainable": np.where(part, possible, 0.0).sum(axis=0),
        "attainable_m2": (of_possible * of_possible).sum(axis=0),
        "cross": (of_possible * deviation).sum(axis=0),
        "most": np.fmax.reduce(possible, axis=0),
    }


def _mean_attainable(whole: Tally) -> Floats:
    total = 0.0 if whole.attainable is None else whole.attainable
    return np.asarray(total / np.maximum(whole.n, 1))


def _log_sums(excess: Floats, criterion: Criterion) -> Floats:
    """Return the log sums of the e-value, (bet, role, layer, head)."""
    _, n_roles, n_layers, n_heads = excess.shape
    # `log_sums` knows cells, not roles: the scale of a role is repeated for its layers and heads.
    scale = np.repeat(criterion.scale, n_layers * n_heads)
    return log_sums(excess.reshape(len(excess), -1), scale).reshape(-1, n_roles, n_layers, n_heads)


def _add(
    first: Floats | None, second: Floats | None, across: Floats | float = 0.0
) -> Floats | None:
    return None if first is None or second is None else first + second + across
