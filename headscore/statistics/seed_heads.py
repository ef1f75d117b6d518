"""Whether the heads of two seeds of one training recipe correspond: by index, or by assignment.

By index: are heads of the same layer and number more alike in two seeds than other heads of the
layer? H0: the heads of a layer are exchangeable in each seed, as they are where each seed begins
with its own random weights. Heads are permuted within the layers of each seed.

By assignment: each head of a seed is assigned to one of another seed, near in depth, so that the
profiles are as near as can be. Are they nearer than without kinds of heads? H0: in each seed, and
in each layer, how strongly a head has one role says nothing of how strongly it has another one. The
numbers of each role are permuted within the layers of each seed. Roles with common sieve entries go
together in any model; so this says that there are kinds of heads that recur, not why.

Both levels are exact: under H0 all permutations are equally likely.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from scipy.optimize import linear_sum_assignment

from headscore.arrays import Floats, Ints
from headscore.statistics import permutation
from headscore.statistics.profiles import distances, there__lh

INDEX_DRAWS = 9999
ASSIGNMENT_DRAWS = 199
BAND = 0.1  # of the layers: how far two heads that are assigned to each other may lie apart


@dataclass(frozen=True, eq=False)
class Correspondence:
    """How far apart corresponding heads are, for each pair of seeds and over all pairs.

    Attributes
    ----------
    distance, expected
        (pair,): the mean distance of corresponding heads, and its mean under H0. Pairs run (0, 1),
        (0, 2), ..., (1, 2), ...
    pvalue
        Of H0, by the mean distance over all pairs.
    """

    distance: Floats
    expected: Floats
    pvalue: float


def by_index(profiles__nrlh: Floats, heads__l: Ints, *, seed: int) -> Correspondence:
    """Compare heads of the same layer and number with heads permuted within layers."""
    n_seeds = len(profiles__nrlh)
    n_heads, rng = int(heads__l.sum()), np.random.default_rng(seed)
    pairs = list(combinations(range(n_seeds), 2))
    observed, expected = np.zeros((2, len(pairs)))
    drawn = np.zeros(INDEX_DRAWS)
    for layer, heads in enumerate(heads__l):
        of_layer = profiles__nrlh[:, :, layer, :heads]
        # (seed, draw, head): which head of the layer takes the place of each.
        order = rng.permuted(
            np.broadcast_to(np.arange(heads), (n_seeds, INDEX_DRAWS, heads)), axis=2
        )
        for pair, (one, other) in enumerate(pairs):
            apart = distances(of_layer[one], of_layer[other])
            observed[pair] += np.trace(apart)
            expected[pair] += apart.sum() / max(heads, 1)
            drawn += apart[order[one], order[other]].sum(axis=1)
    # Sums of the same distances in another order differ in their last digits.
    pvalue = permutation.pvalue(-drawn.round(9), -float(observed.sum().round(9)))
    return Correspondence(observed / n_heads, expected / n_heads, pvalue)


def by_assignment(profiles__nrlh: Floats, heads__l: Ints, *, seed: int) -> Correspondence:
    """Compare the best assignment with that of profiles whose roles are permuted within layers."""
    rng = np.random.default_rng(seed)
    observed = _assigned(profiles__nrlh, heads__l)
    drawn = np.stack(
        [
            _assigned(_roles_permuted(profiles__nrlh, heads__l, rng), heads__l)
            for _ in range(ASSIGNMENT_DRAWS)
        ]
    )
    pvalue = permutation.pvalue(-drawn.mean(axis=1).round(9), -float(observed.mean().round(9)))
    return Correspondence(observed, drawn.mean(axis=0), pvalue)


def assignment(first__rlh: Floats, other__rlh: Floats, heads__l: Ints) -> tuple[Ints, Floats]:
    """Assign each head of one seed to one of another, so that the distances are least in sum.

    Returns
    -------
    places, distance
        The head of the other seed for each head of the first, and how far apart they are; heads of
        the model are numbered layer by layer.
    """
    there = there__lh(heads__l, first__rlh.shape[2])
    apart = distances(first__rlh[:, there], other__rlh[:, there])
    layer = np.nonzero(there)[0]
    far = np.abs(layer[:, None] - layer) > BAND * len(heads__l)
    rows, places = linear_sum_assignment(np.where(far, np.inf, apart))
    return places, apart[rows, places]


def _assigned(profiles__nrlh: Floats, heads__l: Ints) -> Floats:
    """Return the mean distance of assigned heads for each pair of seeds."""
    return np.array(
        [
            assignment(one, other, heads__l)[1].mean()
            for one, other in combinations(profiles__nrlh, 2)
        ]
    )


def _roles_permuted(profiles__nrlh: Floats, heads__l: Ints, rng: np.random.Generator) -> Floats:
    """Return profiles with the numbers of each role permuted within each layer of each seed."""
    permuted = profiles__nrlh.copy()
    for layer, heads in enumerate(heads__l):
        permuted[:, :, layer, :heads] = rng.permuted(permuted[:, :, layer, :heads], axis=2)
    return permuted
