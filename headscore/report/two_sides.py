"""Two sides of a comparison: align, average and test them, and the change between them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from headscore.arrays import Ints
from headscore.options import ATTAINED, TestOptions
from headscore.report.role_table import RoleTable
from headscore.report.side_words import UNPAIRED
from headscore.scores import align
from headscore.scores.align import Checkpoints
from headscore.scores.head_scores import HeadScores
from headscore.statistics.change import change_table, nonfinite_of, table_of_tests
from headscore.statistics.clusters import Clusters, clusters_of_aligned, clusters_of_both
from headscore.statistics.looks import FACT, at_each, looks_of
from headscore.statistics.unpaired import spread, unpaired_tests


@dataclass(frozen=True, eq=False, kw_only=True)
class TwoSides:
    """Two sides, and the change between them; pairs are (before, after).

    Attributes
    ----------
    sides
        The aligned checkpoints of each side.
    means
        Their averages.
    tests
        The tests of these.
    table
        The tests of the change, with the columns of `headscore.statistics.change.COLUMNS`.
    facts, counts
        Entries of signature and counts beside those of each side.
    """

    sides: tuple[Sequence[HeadScores], Sequence[HeadScores]]
    means: tuple[HeadScores, HeadScores]
    tests: tuple[RoleTable, RoleTable]
    table: pd.DataFrame
    facts: Mapping[str, str]
    counts: Mapping[str, int]


def paired_sides(before: Checkpoints, after: Checkpoints, options: TestOptions) -> TwoSides:
    """Compare sides that were scored on the same sequences."""
    sides = align.pair(before, after)
    means = _at_looks(align.average(sides[0]), align.average(sides[1]))
    checkpoints = [*sides[0], *sides[1]]
    clusters = clusters_of_aligned(checkpoints, options.clusters)
    tests = _tests(means, (clusters, clusters), options)
    return TwoSides(
        sides=sides,
        means=means,
        tests=tests,
        table=change_table(sides, means, (tests[0].table, tests[1].table), clusters, options),
        facts={"paired_by": "id and tokens" if align.tokens_known(checkpoints) else "id"},
        counts={"sequences": len(means[0])},
    )


def two_samples(before: Checkpoints, after: Checkpoints, options: TestOptions) -> TwoSides:
    """Compare sides that are two samples of documents."""
    sides = align.two_samples(before, after)
    means = align.average(sides[0]), align.average(sides[1])
    clusters, codes = clusters_of_both(*means, options.clusters)
    n_before, n_after = map(len, means)
    is_before = np.arange(n_before + n_after) < n_before
    tests = _tests(means, (clusters.at(is_before), clusters.at(~is_before)), options)
    looks = _looks_of_two(*means)
    of_looks = {} if looks == 1 else {FACT: str(looks)}
    return TwoSides(
        sides=sides,
        means=means,
        tests=tests,
        table=_table_of_samples(sides, means, tests, codes, of_looks, options),
        facts={"unit": clusters.unit, "paired_by": UNPAIRED, **of_looks},
        counts={
            "sequences": n_before + n_after,
            "sequences_before": n_before,
            "sequences_after": n_after,
            "shared_units": len(np.intersect1d(*codes)),
        },
    )


def _tests(
    means: tuple[HeadScores, HeadScores], clusters: tuple[Clusters, Clusters], options: TestOptions
) -> tuple[RoleTable, RoleTable]:
    before, after = (
        RoleTable.from_scores(mean, options, units)
        for mean, units in zip(means, clusters, strict=True)
    )
    return before, after


def _table_of_samples(
    sides: tuple[Sequence[HeadScores], Sequence[HeadScores]],
    means: tuple[HeadScores, HeadScores],
    tests: tuple[RoleTable, RoleTable],
    codes: tuple[Ints, Ints],
    of_looks: Mapping[str, str],
    options: TestOptions,
) -> pd.DataFrame:
    tables = tests[0].table, tests[1].table
    attained = options.criterion == ATTAINED
    tested = unpaired_tests(
        means,
        codes,
        nonfinite_of(tables, means[0].values.shape[1:]),
        attained=attained,
        options=at_each(options, of_looks),
    )
    tested["spread_before"] = spread(sides[0], means[0], attained)
    tested["spread_after"] = spread(sides[1], means[1], attained)
    return table_of_tests(tested, tables, means[0].roles, options, of_looks)


def _looks_of_two(before: HeadScores, after: HeadScores) -> int:
    """Return the number of pairs of looks that two samples may have stopped at.

    Parts of one run stopped together.
    """
    looks = [looks_of(each.facts) for each in (before, after)]
    one_run = "corpus" in before.facts and before.facts["corpus"] == after.facts.get("corpus")
    return max(looks) if one_run else looks[0] * looks[1]


def _at_looks(before: HeadScores, after: HeadScores) -> tuple[HeadScores, HeadScores]:
    """Give both sides the looks of either: one run that stopped chose the sequences of both."""
    looks = max(looks_of(before.facts), looks_of(after.facts))
    if looks == 1:
        return before, after
    first, second = (
        replace(each, facts={**each.facts, FACT: str(looks)}) for each in (before, after)
    )
    return first, second
