"""Distribution of the heads of each role over the layers, and a test of a trend."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from headscore.arrays import Bools, Floats, Ints
from headscore.options import PermutationOptions
from headscore.statistics import permutation
from headscore.statistics.adjust import adjust

THIRDS = ("early", "middle", "late")


def layer_shares(
    labels__rlh: Bools, roles: Sequence[str], *, heads__l: Ints | None = None
) -> pd.DataFrame:
    """Count the heads of each layer that have each role.

    A census: these are all heads of the model, not a sample of heads, so shares have no intervals.

    Parameters
    ----------
    labels__rlh
        bool (role, layer, head), which head has which role.
    roles
        Name of each role.
    heads__l
        int64 (layer,), how many heads each layer has; None: all that there are labels of.

    Returns
    -------
    pandas.DataFrame
        One row per role and layer. Columns role, layer; depth, from 0 in the first layer to 1 in
        the last; heads, those with the role; of, all heads of the layer; share = heads / of, NaN
        where a layer has no heads.
    """
    n_roles, n_layers, _ = labels__rlh.shape
    # One row per (role, layer), roles first: per-layer columns are tiled, role names repeated.
    heads = labels__rlh.sum(axis=2).ravel()
    of = np.tile(all_heads(labels__rlh, heads__l), n_roles)
    return pd.DataFrame(
        {
            "role": np.repeat(np.array(roles, dtype=object), n_layers),
            "layer": np.tile(np.arange(n_layers), n_roles),
            "depth": np.tile(relative_depths(n_layers), n_roles),
            "heads": heads,
            "of": of,
            "share": heads / np.where(of > 0, of, np.nan),
        }
    )


def depths(
    labels__rlh: Bools,
    roles: Sequence[str],
    options: PermutationOptions = PermutationOptions(),
    *,
    heads__l: Ints | None = None,
) -> pd.DataFrame:
    """Return how deep the heads of each role lie, and whether that could be chance.

    Under the null hypothesis the heads of a role are a random choice of all heads of the model.
    Their layers are then multivariate hypergeometric, and these numbers are drawn directly. The
    test is two-sided on the mean depth; it detects a trend from the first layers to the last, not
    a concentration in the middle, which early, middle and late show.

    Parameters
    ----------
    labels__rlh
        bool (role, layer, head), which head has which role.
    roles
        Name of each role.
    options
        Shuffles of each role, and their seed.
    heads__l
        As in `layer_shares`.

    Returns
    -------
    pandas.DataFrame
        One row per role. Columns role; heads, how many have it; early, middle, late: how many of
        them lie in each third of the layers; depth, their mean relative depth from 0, the first
        layer, to 1, the last: 0.5 is the mean of all heads where layers have as many; pvalue, of
        the trend; pvalue_adj, by Holm over the roles with a p-value. Depth and p-values are NaN
        where no head has the role, or there is one layer only.
    """
    rng = np.random.default_rng(options.seed)
    of = all_heads(labels__rlh, heads__l)
    per_layer__rl = labels__rlh.sum(axis=2)
    n_layers = per_layer__rl.shape[1]
    table = pd.DataFrame(
        {"role": np.array(roles, dtype=object), "heads": per_layer__rl.sum(axis=1)}
    )
    which = thirds(n_layers)
    for number, name in enumerate(THIRDS):
        table[name] = per_layer__rl[:, which == number].sum(axis=1)
    table["depth"] = _mean_depth(per_layer__rl)
    pvalues = np.array([_trend(rng, counts, of, options.permutations) for counts in per_layer__rl])
    table["pvalue"], table["pvalue_adj"] = pvalues, adjust(pvalues, "holm")
    return table


def all_heads(labels__rlh: Bools, heads__l: Ints | None) -> Ints:
    """Return the number of heads of each layer: `heads__l`, or else the head axis of labels."""
    _, n_layers, n_heads = labels__rlh.shape
    return np.full(n_layers, n_heads) if heads__l is None else heads__l


def relative_depths(n_layers: int) -> Floats:
    """Return the relative depth l / (L - 1) of each layer, NaN for a model of one layer."""
    return np.arange(n_layers) / (n_layers - 1 if n_layers > 1 else np.nan)


def thirds(n_layers: int) -> Ints:
    """Return 0, 1 or 2 for each layer: the third of the depth in which its middle lies.

    Where the number of layers is no multiple of three, the outer thirds have equal sizes.
    """
    # floor(3 (l + 1/2) / L) in whole numbers; L = 4 gives 0 1 1 2, L = 5 gives 0 0 1 2 2.
    return (6 * np.arange(n_layers) + 3) // (2 * n_layers)


def _mean_depth(per_layer__rl: npt.NDArray[Any]) -> Floats:
    total = per_layer__rl.sum(axis=1)
    return np.asarray(
        per_layer__rl @ relative_depths(per_layer__rl.shape[1]) / np.where(total > 0, total, np.nan)
    )


def _trend(rng: np.random.Generator, counts__l: Ints, heads__l: Ints, draws: int) -> float:
    """Return the p-value of the mean layer, two-sided; whole numbers, so that ties are ties."""
    total = int(counts__l.sum())
    if total == 0 or len(counts__l) == 1:
        return float("nan")
    # drawn (draws, layer): how many of `total` heads, chosen without replacement, each layer has.
    drawn = rng.multivariate_hypergeometric(heads__l, total, size=draws)
    layer = np.arange(len(heads__l))
    # The statistic is N sum_l counts_l (l - mean layer), N all heads: integers, so that draws equal
    # to the observed value count as equal. With `total` fixed it orders as the mean depth does.
    weight = heads__l.sum() * layer - heads__l @ layer  # distance from the mean layer of all heads
    return permutation.pvalue(np.abs(drawn @ weight), abs(int(counts__l @ weight)))
