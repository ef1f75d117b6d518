"""Sums of the scores of each unit less the threshold: against a loop."""

import numpy as np
import pytest

from headscore.statistics.clusters import Clusters
from headscore.statistics.criterion import Criterion
from headscore.statistics.excess_sums import excess_sums

CODES = np.array([0, 1, 0, 2, 2, 0, 1])


def looped(values, thresholds, codes):
    """The sum of each unit, role, layer and head, one score at a time."""
    sums = np.zeros((codes.max() + 1, *values.shape[1:]))
    for at in np.ndindex(values.shape):
        if not np.isnan(values[at]):
            sums[(codes[at[0]], *at[1:])] += float(values[at]) - thresholds[at[:3]]
    return sums


@pytest.mark.parametrize("clustered", [True, False])
@pytest.mark.parametrize("attained", [True, False])
def test_sums_equal_those_of_a_loop(clustered, attained):
    rng = np.random.default_rng(0)
    values = rng.gamma(2, 1, (7, 2, 3, 4)).astype(np.float32)
    attainable = rng.uniform(5, 20, (7, 2, 3)).astype(np.float32)
    values[2, 1] = attainable[2, 1] = np.nan
    limit = np.array([0.2, 0.5]) if attained else np.array([1.5, 3.0])
    if attained:
        criterion = Criterion.of_attained(limit, attainable)
        thresholds = 1 + limit[:, None] * (attainable.astype(float) - 1)
    else:
        criterion = Criterion.of_mean(limit)
        thresholds = np.broadcast_to(limit[:, None], attainable.shape)
    codes = CODES if clustered else np.arange(7)
    clusters = Clusters(CODES, "document", "") if clustered else Clusters.none("")
    found = excess_sums(values, attainable, clusters, criterion)
    np.testing.assert_allclose(found, looped(values, thresholds, codes), rtol=1e-12, atol=1e-12)
    assert (found[codes[2], 1] != 0).all() == clustered  # the others of its cluster take part
