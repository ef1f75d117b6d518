"""Beyond position: is more attention on a role's word pairs than position explains; per cell."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from headscore.arrays import Floats
from headscore.options import AdjustOptions
from headscore.statistics.adjust import adjust
from headscore.statistics.criterion import Criterion
from headscore.statistics.moments import Moments
from headscore.statistics.status import statuses
from headscore.statistics.t_test import t_test
from headscore.statistics.units import Units

RATIO = 1.5


@dataclass(frozen=True, eq=False)
class BeyondPosition:
    """How each cell goes beyond position; arrays (role, layer, head).

    Attributes
    ----------
    ratio
        How many times more attention is on the pairs of the role than at their offsets elsewhere,
        a geometric mean over the sequences.
    pvalue
        Of H0: the ratio is at most `RATIO`.
    holds
        1 where the adjusted p-value is at most alpha, else 0. All are NaN where nothing is tested.
    """

    ratio: Floats
    pvalue: Floats
    holds: Floats


def criterion(n_roles: int) -> Criterion:
    """Return what the log ratios of roles are tested against."""
    return Criterion.of_mean(np.full(n_roles, math.log(RATIO)))


def beyond_position(cells: Moments, units: Units, options: AdjustOptions) -> BeyondPosition:
    """Test for every head and role with pairs whether it looks at more than their positions.

    The one-sided t-test of `t_test` on the log ratios, `headscore.sieves.ratios`, of the sequences
    or clusters. p-values are adjusted over the cells that are tested here.

    Parameters
    ----------
    cells, units
        The log ratios of each cell, and what of them is independent.
    options
        How p-values become labels.
    """
    tau = criterion(len(cells.n)).tau
    status = statuses(cells, tau, units=units)
    pvalue = t_test(cells, status, tau, alpha=options.alpha, units=units).pvalue
    holds = np.where(np.isnan(pvalue), np.nan, adjust(pvalue, options.adjust) <= options.alpha)
    return BeyondPosition(np.exp(cells.mean), pvalue, holds)
