"""Sums of the scores of each independent unit, less the threshold."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from headscore.arrays import Floats
from headscore.statistics.clusters import Clusters
from headscore.statistics.criterion import Criterion
from headscore.statistics.indicator import indicator


def excess_sums(
    values: npt.NDArray[np.floating[Any]],
    attainable: npt.NDArray[np.floating[Any]] | None,
    clusters: Clusters,
    criterion: Criterion,
) -> Floats:
    """Return the sum of ``score - allowance - tau`` over the sequences of each unit.

    Parameters
    ----------
    values, attainable
        As in `headscore.statistics.moments.moments`.
    clusters
        The clusters of the sequences, or that there are none.
    criterion
        The threshold of each score.

    Returns
    -------
    numpy.ndarray
        (unit, role, layer, head), 0 where a unit takes no part; 8 bytes a unit and cell.
    """
    codes = clusters.units(len(values))
    # member @ x sums the sequences of each unit: (unit, sequence) @ (sequence, head).
    member = indicator(codes)
    sums = np.empty((member.shape[0], *values.shape[1:]))
    # One role and layer at a time: the float64 copy of the scores is then (sequence, head) only.
    for role, layer in np.ndindex(values.shape[1:3]):
        at = np.s_[:, role : role + 1, layer : layer + 1]
        own = criterion.of_role(role)
        allowed = own.allowance(None if attainable is None else attainable[at])
        excess = (values[at].astype(np.float64) - allowed - own.tau)[:, 0, 0]
        sums[:, role, layer] = member @ np.where(np.isfinite(excess), excess, 0.0)
    return sums
