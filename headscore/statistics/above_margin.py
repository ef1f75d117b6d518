"""Test of each cell of a role with word pairs: an excess over a margin, in heads with the role."""

from __future__ import annotations

import numpy as np

from headscore.arrays import Bools, Floats, Texts
from headscore.options import AdjustOptions
from headscore.statistics.adjust import adjust
from headscore.statistics.criterion import Criterion
from headscore.statistics.moments import Moments
from headscore.statistics.status import statuses
from headscore.statistics.t_test import t_test
from headscore.statistics.units import Units
from headscore.statistics.verdict import UNDECIDED, verdicts


def above_margin(
    cells: Moments,
    units: Units,
    magnitude: Floats,
    *,
    of_pairs: Bools,
    pvalue: Floats,
    needed: Bools,
    options: AdjustOptions,
) -> tuple[Floats, Texts]:
    """Test whether the mean excess of each cell is above 0, and whether it is below.

    An excess is shown where what it needs is shown *and* the larger of its p-value and theirs,
    adjusted, is significant.

    Parameters
    ----------
    cells, units, magnitude
        Of the excess, as in `headscore.statistics.t_test.t_test`.
    of_pairs
        Whether the role has word pairs, (role, layer, head).
    pvalue
        Unadjusted, the largest of the tests that are needed; NaN where one of them is not made.
    needed
        Whether all of them, each adjusted over its own cells, are shown.
    options
        How p-values become labels.

    Returns
    -------
    tuple
        The p-value of H0 "the mean is at most 0", NaN where it is not tested, and the state: one
        of `headscore.statistics.verdict.VERDICTS`, empty in other roles and where `pvalue` is NaN.
    """
    on_zero = Criterion.above_zero(len(cells.n))
    status = statuses(cells, units, on_zero.thresholds(cells.attainable))
    tested = t_test(cells, units, status, on_zero, alpha=options.alpha, magnitude=magnitude)
    above = tested.pvalue_above
    shown = needed & (adjust(np.maximum(above, pvalue), options.adjust) <= options.alpha)
    state = verdicts(shown, tested.pvalue_below, options)
    # A cell of a role of word pairs too few of which are compared: nothing is shown of it.
    undecided = of_pairs & ~np.isnan(pvalue) & (state == "")
    return above, np.where(undecided, UNDECIDED, state)
