"""Test an excess of word pairs over a margin, in heads with the role."""

from __future__ import annotations

import numpy as np

from headscore.arrays import Bools, Floats, Texts
from headscore.options import AdjustOptions
from headscore.statistics.adjust import adjust, of_pvalues
from headscore.statistics.criterion import Criterion
from headscore.statistics.moments import Moments
from headscore.statistics.status import statuses
from headscore.statistics.t_test import TTest, t_test
from headscore.statistics.units import Units
from headscore.statistics.verdict import UNDECIDED, verdicts


def margin_test(
    cells: Moments, units: Units, magnitude: Floats, *, alpha: float = AdjustOptions.alpha
) -> TTest:
    """Test whether the mean excess of each cell lies above 0, and whether it lies below.

    Parameters
    ----------
    cells, units, magnitude, alpha
        Of the excess, as in `headscore.statistics.t_test.t_test`.
    """
    on_zero = Criterion.above_zero(len(cells.n))
    status = statuses(cells, units, on_zero.thresholds(cells.attainable))
    return t_test(cells, units, status, on_zero, alpha=alpha, magnitude=magnitude)


def margin_states(
    tested: TTest, *, of_pairs: Bools, pvalue: Floats, needed: Bools, options: AdjustOptions
) -> Texts:
    """Return the state of each cell: has an excess, has not, undecided; empty in other roles.

    An excess is shown where what it needs is shown *and* the larger of its p-value and theirs,
    adjusted, is significant. For maxT that is by Holm: to flip the signs of both tests, each in a
    family of its own, would allow an error of alpha in either.

    Parameters
    ----------
    tested
        The test of the excess.
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
    numpy.ndarray
        One of `headscore.statistics.verdict.VERDICTS`, empty also where `pvalue` is NaN.
    """
    both = adjust(np.maximum(tested.pvalue_above, pvalue), of_pvalues(options.adjust))
    state = verdicts(needed & (both <= options.alpha), tested.pvalue_below, options)
    # A cell of a role of word pairs too few of which are compared: nothing is shown of it.
    undecided = of_pairs & ~np.isnan(pvalue) & (state == "")
    return np.asarray(np.where(undecided, UNDECIDED, state))
