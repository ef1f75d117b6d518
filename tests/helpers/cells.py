"""Cells and their tests, made of a few numbers."""

from dataclasses import dataclass, replace

import numpy as np

import headscore as hs
from headscore.statistics.clusters import Clusters
from headscore.statistics.criterion import Criterion
from headscore.statistics.moments import Moments, moments
from headscore.statistics.status import statuses
from headscore.statistics.t_test import TTest, t_test
from headscore.statistics.units import Units, units_of

SHAPE = (1, 1, 1)


@dataclass
class Run:
    """What becomes of the scores of some heads; arrays (1, 1, head)."""

    criterion: Criterion
    cells: Moments
    units: Units
    status: np.ndarray
    tested: TTest


def run(values, *, tau=3.0, alpha=0.05, ddof=1, attainable=None, codes=None, fraction=None):
    """Test the columns of (sequence, head) numbers: the mean against tau, or the attained share."""
    values = np.asarray(values)[:, None, None, :]
    if attainable is not None:
        attainable = np.asarray(attainable, float)[:, None, None]
    criterion = Criterion.of_mean(np.array([tau], float))
    if fraction is not None:
        criterion = Criterion.of_attained(np.array([fraction]), attainable)
    if codes is not None:
        codes = np.unique(codes, return_inverse=True)[1]
    clusters = Clusters(codes, "given", "clusters")
    cells = moments(values, attainable, tau=criterion, ddof=ddof, evalues=codes is None)
    units = units_of(values, attainable, clusters, cells, criterion, ddof=ddof)
    status = statuses(cells, units, criterion.thresholds(cells.attainable))
    tested = t_test(cells, units, status, criterion, alpha=alpha)
    return Run(criterion, cells, units, status, tested)


def whole(parts):
    """Arrays of one cell each."""
    return {name: np.full(SHAPE, part) for name, part in parts.items()}


def cell(**changes):
    """One cell with a mean of 4 and a standard deviation of 1 over 100 sequences."""
    parts = {
        "n": 100,
        "mean": 4.0,
        "sd": 1.0,
        "skew": 0.0,
        "minimum": 2.0,
        "maximum": 6.0,
        "share_above": 0.8,
        "attainable": 9.0,
        "attainable_variance": 1.0,
        "covariance": 0.2,
        "most": 12.0,
        "attained": 0.4,
        "nonfinite": False,
        "log_evalue": 5.0,
    }
    return Moments(**whole({**parts, **changes}))


def status_of(name):
    """The status of one cell."""
    return np.full(SHAPE, name, object)


def reordered(scores, sequences, roles, **changes):
    """Scores with sequences and roles in another order; `changes` are of further arrays."""
    return replace(
        scores,
        values=scores.values[np.ix_(sequences, roles)],
        roles=tuple(scores.roles[r] for r in roles),
        sequence_ids=tuple(scores.sequence_ids[s] for s in sequences),
        **changes,
    )


def compare(before, after, documents=None, attainable=None, **options):
    """A comparison of one role, one layer and one head per column."""
    sides = (np.asarray(each, float)[:, None, None, :] for each in (before, after))
    if attainable is not None:
        attainable = np.full((len(before), 1), attainable)
    parts = {"documents": documents, "attainable": attainable}
    scores = (hs.HeadScores.from_arrays(each, ["a"], **parts) for each in sides)
    return hs.compare(*scores, **options)
