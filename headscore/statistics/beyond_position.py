"""Test of each cell: more attention on a role's word pairs than their offsets explain."""

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

# A head must put more than 1.5 times the attention of the same offsets elsewhere on the pairs; at
# 1 a large corpus would make any trace of a difference significant.
RATIO = 1.5


@dataclass(frozen=True, eq=False)
class BeyondPosition:
    """Attention on word pairs against the same offsets elsewhere; arrays (role, layer, head).

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
    """Return the criterion for the log ratios of roles: a mean above ``log(RATIO)``."""
    return Criterion.of_mean(np.full(n_roles, math.log(RATIO)))


def beyond_position(cells: Moments, units: Units, options: AdjustOptions) -> BeyondPosition:
    """Test for every head whether its mean log ratio in each role exceeds ``log(RATIO)``.

    The one-sided t-test of `t_test` on the log ratios, `headscore.sieves.ratios`, of the sequences
    or clusters. p-values are adjusted over the cells that are tested here.

    Parameters
    ----------
    cells, units
        The moments of the log ratios of each cell, and their independent units.
    options
        How p-values become labels.
    """
    tau = criterion(len(cells.n)).tau
    status = statuses(cells, tau, units=units)
    pvalue = t_test(cells, status, tau, alpha=options.alpha, units=units).pvalue
    # Comparing NaN gives False, so untested cells are marked apart.
    holds = np.where(np.isnan(pvalue), np.nan, adjust(pvalue, options.adjust) <= options.alpha)
    # exp of a mean of logs: the geometric mean of the ratios.
    return BeyondPosition(np.exp(cells.mean), pvalue, holds)
