"""Scores of heads whose attention to word pairs has given multiples of the odds of position."""

import numpy as np

import headscore as hs
from headscore.sieves.odds import FACTORS, MARGIN, UNIT, scaled

KEYS = 30  # visible keys of every query


def compared(values, roles, odds, **parts):
    """Return scores with excess and sums of position.

    A head with odds above 1.5 is shown to go beyond position, one below it not to, one at 1.5 stays
    undecided: its mean excess is 0.

    Parameters
    ----------
    values
        (sequence, role, layer, head), far above 0 and below `KEYS`.
    roles
        Names of the roles.
    odds
        How many times the odds of position; what broadcasts to (role, layer, head), NaN in roles
        without word pairs.
    parts
        More of `HeadScores.from_arrays`.
    """
    values = np.asarray(values, np.float32)
    mean = np.nanmean(values, axis=0, dtype=np.float64)
    odds = np.broadcast_to(odds, mean.shape)
    by_factor = [KEYS * scaled(mean / KEYS, factor / odds) for factor in FACTORS]
    means = np.stack([mean, np.full(mean.shape, KEYS), *by_factor])
    n = (~np.isnan(values)).sum(axis=0)
    return hs.HeadScores.from_arrays(
        values,
        roles,
        excess=values - KEYS * scaled(mean / KEYS, MARGIN / odds),
        position_sums=np.rint(np.nan_to_num(means) * n / UNIT).astype(np.int64),
        **parts,
    )
