"""Cells and their tests, made of a few numbers."""

import numpy as np

from headscore.statistics.moments import Moments, moments
from headscore.statistics.status import statuses
from headscore.statistics.t_test import t_test


def run(values, *, tau=3.0, alpha=0.05, ddof=1, attainable=None):
    """Test the columns of (sequence, head) numbers; returns cells, statuses and tests by head."""
    values = np.asarray(values)[:, None, None, :]
    if attainable is not None:
        attainable = np.asarray(attainable, float)[:, None, None]
    taus = np.array([tau])
    cells = moments(values, attainable, tau=taus, ddof=ddof)
    status = statuses(cells, taus)
    return cells, status, t_test(cells, status, taus, alpha=alpha)


def cell(**changes):
    """One cell with a mean of 4 and a standard deviation of 1 over 100 sequences."""
    shape = (1, 1, 1)
    parts = {
        "n": 100,
        "mean": 4.0,
        "sd": 1.0,
        "skew": 0.0,
        "minimum": 2.0,
        "maximum": 6.0,
        "share_above": 0.8,
        "attainable": 9.0,
        "attained": 0.4,
        "nonfinite": False,
        "log_evalue": 5.0,
    }
    return Moments(**{name: np.full(shape, part) for name, part in {**parts, **changes}.items()})
