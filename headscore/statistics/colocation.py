"""Co-location: test whether two roles share more heads than their layer counts predict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import reduce
from itertools import combinations
from itertools import permutations as ordered
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from headscore.arrays import Bools, Floats, Ints
from headscore.statistics.adjust import adjust
from headscore.statistics.depth import all_heads
from headscore.statistics.nested import nested

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
    "nested",
)


def colocation(
    labels__rlh: Bools,
    roles: Sequence[str],
    *,
    overlap: npt.NDArray[Any] | None = None,
    heads__l: Ints | None = None,
) -> pd.DataFrame:
    """Compare the heads of each ordered pair of roles.

    The null hypothesis holds each role's number of heads in each layer fixed: two roles in the
    same layers share heads by that alone. B's labels are shuffled among the heads
    of each layer; a layer of H heads, a of them with A and b with B, then shares a number of heads
    that is hypergeometric (H, a, b). These numbers are independent, so the distribution of their
    sum is known exactly (`exact_pvalue`), and its mean is the sum of a b / H, `expected`.

    Parameters
    ----------
    labels__rlh
        bool (role, layer, head), which head has which role.
    roles
        Name of each role.
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
        pvalue, exact and one-sided, for more shared heads than expected; pvalue_adj, by Holm over
        the pairs of roles that are tested; overlap, the share of a's sieve entries in the corpus
        that are in b's sieve too; nested, whether one role is a part of the other (`nested`).
        NaN where nothing is divided by nothing. A pair is not tested, and its p-values are NaN,
        where it is nested or a role has no head.
    """
    n_roles = len(labels__rlh)
    of = all_heads(labels__rlh, heads__l)
    per_layer__rl = labels__rlh.sum(axis=2)
    heads = per_layer__rl.sum(axis=1)
    # both[a, b]: heads with role a and role b, over all layers; the diagonal is `heads`.
    both = np.einsum("alh,blh->ab", labels__rlh.astype(np.int64), labels__rlh.astype(np.int64))
    is_nested = nested(roles, overlap)
    pvalues = np.full((n_roles, n_roles), np.nan)
    # Only the upper triangle is tested: (a, b) and (b, a) are one hypothesis, so Holm counts it
    # once.
    for a, b in combinations(range(n_roles), 2):
        if heads[a] and heads[b] and not is_nested[a, b]:
            pvalues[a, b] = exact_pvalue(per_layer__rl[a], per_layer__rl[b], of, both[a, b])
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
            "nested": is_nested[rows, columns],
        },
        columns=COLUMNS,
    )


def share(part: npt.NDArray[Any], whole: npt.NDArray[Any]) -> Floats:
    """Return part / whole, NaN where whole is 0."""
    return np.asarray(part / np.where(whole > 0, whole, np.nan))


def exact_pvalue(a__l: Ints, b__l: Ints, heads__l: Ints, both: int) -> float:
    """Return the probability that at least `both` heads are shared by chance.

    The number of shared heads is a sum over the layers of independent hypergeometric numbers; its
    distribution is the convolution of theirs. This is the one-sided exact conditional test of a
    2 x 2 x K table, K layers: Agresti, "Categorical Data Analysis" (1990), pages 230-235.

    Parameters
    ----------
    a__l, b__l
        int64 (layer,), heads of each layer with role a, and with role b.
    heads__l
        int64 (layer,), heads of each layer.
    both
        Heads with both roles, in all layers.
    """
    some = (a__l > 0) & (b__l > 0)  # the other layers share 0 heads
    heads, a, b = heads__l[some, None], a__l[some, None], b__l[some, None]
    # pmf__lk[l, k]: layer l shares k heads. Of its H heads a are marked; b are drawn without
    # replacement; k of these are marked.
    shared = np.arange(min(a.max(initial=0), b.max(initial=0)) + 1)
    pmf__lk = np.asarray(stats.hypergeom.pmf(shared, heads, a, b))
    pmf__k = reduce(np.convolve, pmf__lk, np.ones(1))
    # All terms are positive and fsum rounds once, so that a small p keeps its digits. Dividing by
    # the whole makes p exactly 1 where no fewer heads can be shared.
    return math.fsum(pmf__k[both:]) / math.fsum(pmf__k)


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
