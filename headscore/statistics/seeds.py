"""The tables of several seeds: heads of each seed, over all seeds, and of each pair of seeds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import combinations

import numpy as np
import pandas as pd

from headscore.arrays import Bools, Floats, Ints
from headscore.statistics.columns import Columns
from headscore.statistics.profiles import profiles
from headscore.statistics.seed_counts import SeedCounts
from headscore.statistics.seed_heads import assignment, by_assignment, by_index
from headscore.statistics.two_levels import two_levels

COLUMNS = Columns(
    {
        "seed": "str",
        "role": "str",
        "n_heads": "int64",
        "labels": "int64",
        "share": "float64",
        "above": "int64",
        "depth": "float64",
    }
)
INTERVALS = Columns(
    {
        "role": "str",
        "what": "str",
        "n_seeds": "int64",
        "mean": "float64",
        "low": "float64",
        "high": "float64",
        "sd_seeds": "float64",
        "se_documents": "float64",
    }
)
PAIRS = Columns(
    {
        "seed": "str",
        "other": "str",
        "index_distance": "float64",
        "index_expected": "float64",
        "assigned_distance": "float64",
        "assigned_expected": "float64",
        "same_index": "float64",
    }
)
TESTS = Columns({"heads": "str", "distance": "float64", "expected": "float64", "pvalue": "float64"})
HEADS, SHARE, DEPTH = "heads", "share", "depth"
WHAT = (HEADS, SHARE, DEPTH)
INDEX, ASSIGNED = "same index", "assigned"


def seeds_table(
    names: Sequence[str],
    roles: Sequence[str],
    labels__nrlh: Bools,
    counts: Sequence[SeedCounts],
    n_heads: int,
) -> pd.DataFrame:
    """Return a row for each seed and role: its heads with the label, and those above tau."""
    labels = labels__nrlh.sum(axis=(2, 3))
    n_seeds, n_roles = labels.shape
    return COLUMNS.frame(
        {
            "seed": np.repeat(np.array(names, dtype=object), n_roles),
            "role": np.tile(np.array(roles, dtype=object), n_seeds),
            "n_heads": np.full(labels.size, n_heads),
            "labels": labels.ravel(),
            "share": labels.ravel() / n_heads,
            "above": np.nan_to_num(np.stack([each.heads for each in counts])).ravel(),
            "depth": np.stack([each.depth for each in counts]).ravel(),
        }
    )


def intervals_table(
    roles: Sequence[str],
    counts: Sequence[SeedCounts],
    n_units: float,
    *,
    n_heads: int,
    n_layers: int,
    alpha: float,
) -> pd.DataFrame:
    """Return an interval over seeds and documents for the heads of each role, and for their depth.

    Parameters
    ----------
    roles, counts
        The roles, and the numbers of each seed.
    n_units
        Effective number of documents.
    n_heads, n_layers
        Heads and layers of the model.
    alpha
        One minus the level of the intervals.
    """
    heads, drawn_heads, depth, drawn_depth = (
        np.stack([getattr(each, name) for each in counts])
        for name in ("heads", "drawn_heads", "depth", "drawn_depth")
    )
    rows = []
    for role, name in enumerate(roles):
        # The depth of k heads changes by 1 / (k (L - 1)) where one of them is a layer further.
        known = np.nan_to_num(heads[:, role])
        one = 1 / max(known.mean(), 1.0) / max(n_layers - 1, 1)
        for what, numbers, drawn, unit, most in (
            (HEADS, heads, drawn_heads, 1.0, float(n_heads)),
            (SHARE, heads / n_heads, drawn_heads / n_heads, 1 / n_heads, 1.0),
            (DEPTH, depth, drawn_depth, one, 1.0),
        ):
            found = two_levels(
                numbers[:, role],
                drawn[:, :, role].T,  # (seed, draw) -> (draw, seed)
                n_units,
                alpha=alpha,
                unit=unit,
                most=most,
            )
            rows.append({"role": name, "what": what, **asdict(found)})
    table = pd.DataFrame(rows).rename(columns={"n": "n_seeds"})
    return INTERVALS.frame({each: table[each] for each in INTERVALS.dtypes})


def correspondence(
    names: Sequence[str], means__nrlh: Floats, heads__l: Ints, *, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return whether the heads of seeds correspond: a row per pair of seeds, a row per test."""
    of_heads = profiles(means__nrlh, heads__l)
    index = by_index(of_heads, heads__l, seed=seed)
    assigned = by_assignment(of_heads, heads__l, seed=seed)
    at, other = zip(*combinations(names, 2), strict=True)
    same = [
        float((assignment(*both, heads__l)[0] == np.arange(heads__l.sum())).mean())
        for both in combinations(of_heads, 2)
    ]
    pairs = PAIRS.frame(
        {
            "seed": at,
            "other": other,
            "index_distance": index.distance,
            "index_expected": index.expected,
            "assigned_distance": assigned.distance,
            "assigned_expected": assigned.expected,
            "same_index": same,
        }
    )
    both = (index, assigned)
    tests = TESTS.frame(
        {
            "heads": (INDEX, ASSIGNED),
            "distance": [each.distance.mean() for each in both],
            "expected": [each.expected.mean() for each in both],
            "pvalue": [each.pvalue for each in both],
        }
    )
    return pairs, tests
