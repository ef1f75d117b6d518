"""Explained: which share of what heads do their role alone does."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from headscore.arrays import Floats
from headscore.options import EffectOptions
from headscore.statistics.clusters import Clusters
from headscore.statistics.criterion import Criterion
from headscore.statistics.known_mean import known_mean
from headscore.statistics.moments import moments
from headscore.statistics.units import units_of


@dataclass(frozen=True, eq=False, kw_only=True)
class Explained:
    """``1 - mean divergence with the role alone / mean divergence without the heads``; (role,).

    Attributes
    ----------
    share
        1: the heads need nothing but their role; 0: the role alone is as far from the model as no
        heads at all; below 0: farther. NaN where a divergence is unknown, or nothing changes
        without the heads.
    low, high
        Confidence bounds, each of level 1 - alpha.
    """

    share: Floats
    low: Floats
    high: Floats


def explained(
    keep__sr: Floats, heads__sr: Floats, clusters: Clusters, options: EffectOptions
) -> Explained:
    """Return the explained share of each role, with bounds by the linearised ratio.

    The ratio R = mean(keep) / mean(heads) has the variance of the mean of ``keep - R heads`` over
    the square of mean(heads): Cochran, "Sampling Techniques" (1977), section 6.4; by clusters as
    everywhere.

    Parameters
    ----------
    keep__sr, heads__sr
        Divergence from the model of each sequence, (sequence, role), with the role alone left, and
        without the heads.
    clusters
        The independent units.
    options
        Level of the bounds.
    """
    known = ~np.isnan(keep__sr) & ~np.isnan(heads__sr)
    keep, heads = (known_mean(each, known) for each in (keep__sr, heads__sr))
    heads = np.where(heads > 0, heads, np.nan)
    ratio = keep / heads
    residual__srlh = np.where(known, keep__sr - ratio * heads__sr, np.nan)[:, :, None, None]
    on_zero = Criterion.above_zero(len(ratio))
    cells = moments(residual__srlh, tau=on_zero, ddof=options.ddof)
    units = units_of(
        residual__srlh, None, clusters, cells, on_zero, ddof=options.ddof, evalues=False
    )
    reach = (stats.t.isf(options.alpha, units.df) * units.se)[:, 0, 0] / heads
    return Explained(share=1 - ratio, low=1 - ratio - reach, high=1 - ratio + reach)
