"""Flags: what to keep in mind about a cell that was tested."""

from __future__ import annotations

import numpy as np

from headscore.arrays import Floats, Texts
from headscore.statistics.criterion import of_cells
from headscore.statistics.moments import Moments
from headscore.statistics.status import TESTABLE
from headscore.statistics.t_test import TTest
from headscore.statistics.units import Units, sequences

SMALL_N = 30
FEW_CLUSTERS = 42
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
    words = np.full(status.shape, "", dtype=object)
    for word, holds in named.items():
        words[testable & holds] += f"{word} "
    return np.array([text.rstrip() for text in words.flat], dtype=object).reshape(words.shape)
