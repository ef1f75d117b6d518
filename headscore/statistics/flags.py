"""Flags: reservations about a cell that was tested."""

from __future__ import annotations

import numpy as np

from headscore.arrays import Floats, Texts
from headscore.statistics.criterion import of_cells
from headscore.statistics.moments import Moments
from headscore.statistics.status import TESTABLE
from headscore.statistics.t_test import TTest
from headscore.statistics.units import Units, sequences

# The usual rule of thumb for the t-test of a mean.
SMALL_N = 30
# Below it the robust variance is biased; compare Angrist and Pischke, "Mostly Harmless
# Econometrics" (2009), section 8.2.3, "Fewer than 42 clusters".
FEW_CLUSTERS = 42
# To first order the level of a one-sided t-test is off by |skew| / sqrt(n) (2 z^2 + 1) phi(z) / 6
# (Edgeworth). At level 0.05, z = 1.645, a value of 0.09 makes that 0.01.
SKEWED = 0.09


def flags(
    cells: Moments,
    tested: TTest,
    status: Texts,
    tau: Floats,
    *,
    tolerance: float = 1e-5,
    units: Units | None = None,
) -> Texts:
    """Return the flags of each tested cell; texts (role, layer, head).

    Words separated by blanks: ``small_n``, fewer than 30 sequences; ``few_clusters``, fewer than 42
    clusters; ``skewed``, ``|skew| / sqrt(n) > 0.09`` of the units; ``negative``, a score is below
    0, so there is no e-value; ``borderline``, the confidence bound differs from tau by no more than
    `tolerance`, the relative error of a score, of the larger of mean and tau. Empty for cells that
    are not tested. Other arguments as in `t_test`.
    """
    tau = of_cells(tau)
    units = sequences(cells) if units is None else units
    near = np.abs(tested.ci_low - tau) <= tolerance * np.maximum(np.abs(cells.mean), tau)
    named = {
        "small_n": cells.n < SMALL_N,
        "few_clusters": units.clustered & (units.n < FEW_CLUSTERS),
        "skewed": np.abs(units.skew) / np.sqrt(np.maximum(units.n, 1)) > SKEWED,
        "negative": np.isnan(units.log_evalue) & (cells.minimum < 0),
        "borderline": near,
    }
    testable = np.isin(status, TESTABLE)
    # Object dtype: texts of any length, and += joins them element by element.
    words = np.full(status.shape, "", dtype=object)
    for word, holds in named.items():
        words[testable & holds] += f"{word} "
    return np.array([text.rstrip() for text in words.flat], dtype=object).reshape(words.shape)
