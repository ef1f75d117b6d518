"""Test of each cell: more attention on a role's word pairs than on entries that match them.

Cases are the word pairs of a role. Controls are entries without an arc of the parse that agree with
them in a stratum: offset, labels of both words and more, see `headscore.scores.HeadScores.matched`.
The effect is the odds ratio of Mantel and Haenszel; see `headscore.statistics.mantel_haenszel`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headscore.arrays import Bools, Floats, Ints, Texts
from headscore.options import AdjustOptions
from headscore.scores.head_scores import HeadScores
from headscore.sieves.odds import MARGIN
from headscore.statistics.above_margin import margin_states, margin_test
from headscore.statistics.clusters import Clusters
from headscore.statistics.criterion import Criterion
from headscore.statistics.mantel_haenszel import sides
from headscore.statistics.matched_rows import AllRows, Compared, Rows
from headscore.statistics.moments import Moments
from headscore.statistics.units import Units, layer_of_sums, units_of_layers
from headscore.statistics.verdict import HAS_NOT, UNDECIDED


@dataclass(frozen=True, eq=False, kw_only=True)
class Matched:
    """The word pairs of each role beside their matched controls; arrays (role, layer, head).

    Attributes
    ----------
    cells, units
        Means of ``U = P - 1.5 Q`` for each word pair, and the independent units.
    ratio
        The odds ratio ``P / Q``; NaN where nothing is compared.
    magnitude
        The larger of P and 1.5 Q for each word pair, whose difference is the mean.
    share
        Share of the word pairs that have a control; NaN in roles without word pairs.
    """

    cells: Moments
    units: Units
    ratio: Floats
    magnitude: Floats
    share: Floats

    @classmethod
    def of_scores(cls, scores: HeadScores, clusters: Clusters, *, ddof: int) -> Matched | None:
        """Return the comparison of scores; None where they hold no rows of a matched control."""
        rows = AllRows.of(scores)
        if rows is None:
            return None
        shape = scores.values.shape[1:]
        codes = clusters.units(len(scores.values))
        numbers = {name: np.full(shape, np.nan) for name in _NUMBERS}
        counts = {name: np.zeros(shape, np.int64) for name in ("n", "units")}
        layers: dict[tuple[int, int], dict[str, Floats]] = {}
        for at, cases, compared in _layers(rows, shape):
            numbers["share"][at] = _share(cases, compared)
            if compared is None:
                continue
            for name, found in _numbers(compared).items():
                numbers[name][at] = found
            # Clusters with controls alone add to the variance, but are no units of the role.
            sequences = np.unique(compared.cases.sequence)
            counts["n"][at] = len(sequences)
            counts["units"][at] = len(np.unique(codes[sequences]))
            layers[at] = layer_of_sums(compared.sums(codes, MARGIN), ddof=ddof)
        cells = _moments(counts["n"], numbers.pop("mean"))
        units = units_of_layers(layers, cells, Criterion.above_zero(shape[0]))
        return cls(cells=cells, units=replace(units, n=counts["units"]), **numbers)


_NUMBERS = ("mean", "ratio", "magnitude", "share")


def _layers(
    rows: AllRows, shape: tuple[int, ...]
) -> Iterator[tuple[tuple[int, int], Rows, Compared | None]]:
    """Yield role and layer, the word pairs, and these beside their controls, one at a time.

    The float64 copy of the attention is then (row, head) only.
    """
    for role in range(shape[0]):
        at_cases, at_controls = rows.of_role(role)
        if not len(at_cases):
            continue
        for layer in range(shape[1]):
            cases = rows.of_layer(at_cases, layer)
            yield (role, layer), cases, Compared.of(cases, rows.of_layer(at_controls, layer))


def _numbers(compared: Compared) -> dict[str, Floats]:
    """Return mean, ratio and magnitude of the heads of a layer."""
    above, below = sides(compared.strata)
    strata = compared.strata
    pairs = (strata.n_cases * strata.n_controls / strata.n).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = above / below
    return {
        "mean": (above - MARGIN * below) / pairs,
        "ratio": ratio,
        "magnitude": np.maximum(above, MARGIN * below) / pairs,
    }


def _share(cases: Rows, compared: Compared | None) -> float:
    whole = cases.weight.sum()
    if not whole:
        return np.nan
    return 0.0 if compared is None else float(compared.cases.weight.sum() / whole)


def _moments(n: Ints, mean: Floats) -> Moments:
    """Return moments of which only number and mean are known."""
    others: dict[str, Any] = dict.fromkeys(
        (
            *("sd", "skew", "minimum", "maximum", "share_above", "attainable", "most", "attained"),
            *("attainable_variance", "covariance", "log_evalue"),
        ),
        np.full(n.shape, np.nan),
    )
    return Moments(n=n, mean=mean, nonfinite=np.zeros(n.shape, np.bool_), **others)


@dataclass(frozen=True, eq=False)
class BeyondMatched:
    """Attention on word pairs against that on matched controls; arrays (role, layer, head).

    Attributes
    ----------
    ratio, share
        As in `Matched`.
    pvalue
        Of H0: the ratio is at most `MARGIN`; NaN where it is not tested.
    state
        One of `headscore.statistics.verdict.VERDICTS`, empty in other roles and where the score
        itself is not tested; ``has_not`` only of heads that have the role.
    """

    ratio: Floats
    share: Floats
    pvalue: Floats
    state: Texts


def beyond_matched(
    matched: Matched, pvalue: Floats, label: Bools, shown: Bools, options: AdjustOptions
) -> BeyondMatched:
    """Test for every head whether it prefers each role's pairs to entries that match them.

    Only of heads that have the role it is said that they do not. A head with hardly any attention
    on the pairs may have most of it on two or three of them, and a sample without these shows a
    ratio that is too small with too small an error (`benchmarks/matched_null.py`).

    Parameters
    ----------
    matched
        The pairs and their controls.
    pvalue
        (role, layer, head), the larger of those of the mean score against tau and, where it was
        computed, of the excess over position.
    label, shown
        bool (role, layer, head): the cells that have the role, and of these the ones that go beyond
        position; the same where that was not computed.
    options
        How p-values become labels.
    """
    tested = margin_test(matched.cells, matched.units, matched.magnitude, alpha=options.alpha)
    state = margin_states(
        tested,
        of_pairs=~np.isnan(matched.share),
        pvalue=pvalue,
        needed=shown,
        options=options,
    )
    state = np.where((state == HAS_NOT) & ~label, UNDECIDED, state)
    return BeyondMatched(matched.ratio, matched.share, tested.pvalue_above, state)
