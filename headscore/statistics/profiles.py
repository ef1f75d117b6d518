"""Profiles of heads: their mean scores over the roles, on one scale, and how far two are apart."""

from __future__ import annotations

import numpy as np
from scipy.spatial.distance import cdist

from headscore.arrays import Bools, Floats, Ints

LEAST = 0.1  # mean score below which heads count as equal: a tenth of uniform attention


def profiles(means__nrlh: Floats, heads__l: Ints) -> Floats:
    """Return log mean scores, standardised for each role over all heads of all seeds.

    Parameters
    ----------
    means__nrlh
        (seed, role, layer, head), mean scores.
    heads__l
        (layer,), how many heads each layer has.

    Returns
    -------
    numpy.ndarray
        (seed, role, layer, head); only roles that are known of every head and differ between heads.
    """
    there = there__lh(heads__l, means__nrlh.shape[3])
    logs = np.log(np.maximum(means__nrlh, LEAST))
    of_heads = logs[:, :, there]  # (seed, role, head of the model)
    spread = of_heads.std(axis=(0, 2))  # NaN where a head is unknown
    chosen = spread > 1e-9
    center = of_heads[:, chosen].mean(axis=(0, 2))[:, None, None]
    return np.asarray((logs[:, chosen] - center) / spread[chosen][:, None, None])


def there__lh(heads__l: Ints, n_heads: int) -> Bools:
    """Return which heads there are, bool (layer, head)."""
    return np.arange(n_heads) < heads__l[:, None]


def distances(first__rc: Floats, other__rc: Floats) -> Floats:
    """Return the distance of each head of one seed to each of another, (head, head).

    The root mean square over the roles.
    """
    return np.asarray(cdist(first__rc.T, other__rc.T) / np.sqrt(max(1, len(first__rc))))
