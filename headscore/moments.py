"""Moments of the sieve bias scores of each cell, that is each (role, layer, head)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """What the sequences that take part say about each cell; arrays (role, layer, head).

    Attributes
    ----------
    n
        int64, how many sequences take part.
    mean, sd, skew
        Their mean, standard deviation and skewness ``sqrt(n) M3 / M2^1.5``; NaN where undefined.
    minimum, maximum
        Their range.
    share_above
        The share of them above tau.
    attainable
        Mean of their largest possible scores, NaN where unknown.
    attained
        ``(mean - 1) / (attainable - 1)``: 0 is uniform attention, 1 the largest possible; NaN
        where attainable is unknown or not above 1.
    nonfinite
        bool, whether a score is infinite, or NaN though its largest possible score is known. All
        else but `n` is then NaN.
    """

    n: npt.NDArray[np.int64]
    mean: Floats
    sd: Floats
    skew: Floats
    minimum: Floats
    maximum: Floats
    share_above: Floats
    attainable: Floats
    attained: Floats
    nonfinite: npt.NDArray[np.bool_]


def moments(
    values: npt.NDArray[np.floating[Any]],
    attainable: npt.NDArray[np.floating[Any]] | None = None,
    *,
    tau: Floats,
    ddof: int = 1,
) -> Moments:
    """Summarise the scores of each cell over the sequences that take part.

    Parameters
    ----------
    values
        (sequence, role, layer, head), NaN where a sequence takes no part.
    attainable
        The largest possible scores, (sequence, role, layer), or None if unknown.
    tau
        The threshold of each role, (role,).
    ddof
        1 for the unbiased variance; 0 divides by n.

    Notes
    -----
    Works in float64 through one layer of one role at a time, in two passes with pairwise sums:
    Chan, Golub and LeVeque, "Algorithms for computing the sample variance", The American
    Statistician 37 (1983).
    """
    _, n_roles, n_layers, n_heads = values.shape
    cells = [
        _layer_moments(
            values[:, role, layer],
            None if attainable is None else attainable[:, role, layer],
            tau[role],
            ddof,
        )
        for role in range(n_roles)
        for layer in range(n_layers)
    ]
    columns = zip(*cells, strict=True)
    shape = (n_roles, n_layers, n_heads)
    return Moments(*(np.stack(column).reshape(shape) for column in columns))


def _layer_moments(
    values__sh: npt.NDArray[np.floating[Any]],
    attainable__s: npt.NDArray[np.floating[Any]] | None,
    tau: float,
    ddof: int,
) -> tuple[npt.NDArray[Any], ...]:
    """Return the fields of `Moments`, in order, for the heads of one layer and role."""
    x = np.array(values__sh.T, dtype=np.float64, order="C")  # rows: numpy then sums pairwise
    part = ~np.isnan(x)
    nonfinite: npt.NDArray[np.bool_] = np.logical_or.reduce(np.isinf(x), axis=1)
    if attainable__s is not None:
        nonfinite |= (~part & np.isfinite(attainable__s)).any(axis=1)
    n_taking_part = part.sum(axis=1)
    x[nonfinite], part[nonfinite] = np.nan, False
    n = np.where(nonfinite | (n_taking_part == 0), np.nan, n_taking_part)
    low, high = np.fmin.reduce(x, axis=1), np.fmax.reduce(x, axis=1)
    mean, sd, skew = _central(x, part, n, ddof)
    equal = low == high  # exactly, whatever the rounding of the mean
    mean, skew = np.where(equal, low, mean), np.where(equal, np.nan, skew)
    sd = np.where(equal & (n > ddof), 0.0, sd)
    above = (x > tau).sum(axis=1) / n
    possible = np.full(len(x), np.nan)
    if attainable__s is not None:
        possible = np.where(part, attainable__s, 0.0).sum(axis=1, dtype=np.float64) / n
    room = np.where(possible > 1, possible - 1, np.nan)
    attained = (mean - 1) / room
    return n_taking_part, mean, sd, skew, low, high, above, possible, attained, nonfinite


def _central(
    x: Floats, part: npt.NDArray[np.bool_], n: Floats, ddof: int
) -> tuple[Floats, Floats, Floats]:
    """Return mean, standard deviation and skewness of the rows of x, where they take part."""
    mean = np.where(part, x, 0.0).sum(axis=1) / n
    deviation = np.where(part, x - mean[:, None], 0.0)
    square = deviation * deviation
    m2 = square.sum(axis=1)
    m3 = (square * deviation).sum(axis=1)
    sd = np.sqrt(m2 / np.where(n > ddof, n - ddof, np.nan))
    return mean, sd, np.sqrt(n) * m3 / np.where(m2 > 0, m2, np.nan) ** 1.5
