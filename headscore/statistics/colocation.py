"""Co-location: test whether two roles share more heads than their layer counts predict."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from itertools import permutations as ordered
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from headscore.arrays import Bools, Floats, Ints
from headscore.options import PermutationOptions
from headscore.statistics import permutation
from headscore.statistics.adjust import adjust
from headscore.statistics.depth import all_heads

COLUMNS = (
    "a",
    "b",
    "heads_a",
    "heads_b",
    "both",
    "share_of_a",
    "share_of_b",
    "jaccard",
    "expected",
    "odds_ratio",
    "pvalue",
    "pvalue_adj",
    "overlap",
)


def colocation(
    labels__rlh: Bools,
    roles: Sequence[str],
    options: PermutationOptions = PermutationOptions(),
    *,
    overlap: npt.NDArray[Any] | None = None,
    heads__l: Ints | None = None,
) -> pd.DataFrame:
    """Compare the heads of each ordered pair of roles.

    The null hypothesis holds each role's number of heads in each layer fixed: two roles in the
    same layers share heads by that alone. B's labels are shuffled among the heads
    of each layer; a layer of H heads, a of them with A and b with B, then shares a number of heads
    that is hypergeometric (H, a, b), and these numbers are drawn directly. Their means a b / H
    add up to `expected`, without any draw.

    Parameters
    ----------
    labels__rlh
        bool (role, layer, head), which head has which role.
    roles
        Name of each role.
    options
        Shuffles of each pair of roles, and their seed.
    overlap
        Integers (role, role): sieve entries that two roles have in common, on the diagonal all
        entries of a role; None if unknown.
    heads__l
        int64 (layer,), how many heads each layer has; None: all that there are labels of.

    Returns
    -------
    pandas.DataFrame
        One row per ordered pair. Columns a, b; heads_a, heads_b, both: numbers of heads;
        share_of_a = both / heads_a, that is P(B | A); share_of_b = both / heads_b, P(A | B);
        jaccard = both / (heads with a or b); expected, the mean of both under the null hypothesis;
        odds_ratio of all heads of the model with 0.5 added to each of the four counts (Haldane);
        pvalue, one-sided, for more shared heads than expected; pvalue_adj, by Holm over the pairs
        of roles; overlap, the share of a's sieve entries in the corpus that are in b's sieve too.
        NaN where nothing is divided by nothing; p-values are NaN where a role has no head.
    """
    rng = np.random.default_rng(options.seed)
    n_roles = len(labels__rlh)
    of = all_heads(labels__rlh, heads__l)
    per_layer__rl = labels__rlh.sum(axis=2)
    heads = per_layer__rl.sum(axis=1)
    # both[a, b]: heads with role a and role b, over all layers; the diagonal is `heads`.
    both = np.einsum("alh,blh->ab", labels__rlh.astype(np.int64), labels__rlh.astype(np.int64))
    pvalues = np.full((n_roles, n_roles), np.nan)
    # Only the upper triangle is tested: (a, b) and (b, a) are one hypothesis, so Holm counts it
    # once.
    for a, b in combinations(range(n_roles), 2):
        if heads[a] and heads[b]:
            drawn = _shared_by_chance(
                rng, per_layer__rl[a], per_layer__rl[b], of, options.permutations
            )
            pvalues[a, b] = permutation.pvalue(drawn, both[a, b])
    adjusted = adjust(pvalues, "holm")
    rows, columns = _ordered_pairs(n_roles)
    n_a, n_b, n_both = heads[rows], heads[columns], both[rows, columns]
    # The ordered pair (b, a) takes its p-value from the upper triangle, at (min, max).
    first, second = np.minimum(rows, columns), np.maximum(rows, columns)
    return pd.DataFrame(
        {
            "a": np.array(roles, dtype=object)[rows],
            "b": np.array(roles, dtype=object)[columns],
            "heads_a": n_a,
            "heads_b": n_b,
            "both": n_both,
            "share_of_a": share(n_both, n_a),
            "share_of_b": share(n_both, n_b),
            "jaccard": share(n_both, n_a + n_b - n_both),
            # sum_l a_l b_l / H_l, the mean of the hypergeometrics; a layer without heads adds 0.
            "expected": (per_layer__rl / np.maximum(of, 1) @ per_layer__rl.T)[rows, columns],
            "odds_ratio": _odds_ratio(n_both, n_a, n_b, int(of.sum())),
            "pvalue": pvalues[first, second],
            "pvalue_adj": adjusted[first, second],
            "overlap": _overlap(overlap, n_roles)[rows, columns],
        },
        columns=COLUMNS,
    )


def share(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> Floats:
    """Return part / whole, NaN where whole is 0."""
    return np.asarray(part / np.where(whole > 0, whole, np.nan))


def _shared_by_chance(
    rng: np.random.Generator,
    a__l: npt.NDArray[Any],
    b__l: npt.NDArray[Any],
    heads__l: Ints,
    draws: int,
) -> Ints:
    """Draw the number of shared heads with b's labels shuffled within each layer; (draws,)."""
    shared = np.zeros(draws, np.int64)
    for a, b, heads in zip(a__l.tolist(), b__l.tolist(), heads__l.tolist(), strict=True):
        if a and b:
            # Of H heads a are marked; b are drawn without replacement: count the marked ones.
            shared += rng.hypergeometric(a, heads - a, b, size=draws)
    return shared


def _ordered_pairs(n_roles: int) -> tuple[Ints, Ints]:
    pairs = np.array(list(ordered(range(n_roles), 2)), dtype=np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _odds_ratio(both: npt.NDArray[Any], a: npt.NDArray[Any], b: npt.NDArray[Any], n: int) -> Floats:
    # Odds ratio of the table, both * neither / ((a - both) (b - both)), with 0.5 in each cell:
    #
    #               b            not b
    #     a         both         a - both
    #     not a     b - both     neither
    neither = n - a - b + both
    return np.asarray((both + 0.5) * (neither + 0.5) / ((a - both + 0.5) * (b - both + 0.5)))


def _overlap(counts: npt.NDArray[Any] | None, n_roles: int) -> Floats:
    if counts is None:
        return np.full((n_roles, n_roles), np.nan)
    # Row a is divided by all entries of a: the share of a's entries that are in b.
    return share(counts, np.diagonal(counts)[:, None])
