"""ChangeTable: the change of every head in every role between two sides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

import numpy as np
import pandas as pd
from scipy import stats

from headscore.errors import UsageError
from headscore.log import log
from headscore.options import ATTAINED, TestOptions
from headscore.report import change_lengths
from headscore.report.cell_table import CellTable
from headscore.report.facts import joined
from headscore.report.older import COMPARISON_1
from headscore.report.role_table import RoleTable
from headscore.report.stored_facts import OF_UNITS, TEXT
from headscore.scores import align
from headscore.scores.align import Checkpoints
from headscore.scores.head_scores import HeadScores
from headscore.statistics.change import (
    COLUMNS,
    OUTCOMES,
    change_table,
    nonfinite_of,
    table_of_tests,
)
from headscore.statistics.clusters import clusters_of_aligned, clusters_of_both
from headscore.statistics.looks import FACT, at_each, looks_of
from headscore.statistics.unpaired import spread, unpaired_tests

SIDES = ("before", "after")
UNPAIRED = "nothing"  # the fact "paired_by" of two samples
Table = TypeVar("Table", bound="ChangeTable")


@dataclass(frozen=True, eq=False, repr=False)
class ChangeTable(CellTable):
    """The change of every head in every role between two sides.

    Attributes
    ----------
    table
        One row per (layer, head, role), in the order of the roles, then layers, then heads. n
        sequences of n_clusters units take part on both sides, n_before and n_after of them on each
        (the same n where sides are paired); change is the mean of after - before
        over them, sd its standard deviation, share_up the share of them with a higher score after;
        statistic, df, pvalue, ci_low, ci_high are those of a two-sided paired t-test, at level 1 -
        alpha; pvalue_skew is the p-value after Hall's transformation, pvalue_cautious that of a
        test which allows for rare large differences that the sample lacks, pvalue_adj the largest
        of the three, adjusted; d_z = change / sd. label, verdict and beyond, each before and after,
        are label, verdict and beyond_position of `Report` for each side. outcome is "gained" where
        the verdict went from has_not to has and the paired change is significant in this direction,
        "appeared" where it went from undecided to has likewise; "lost" and "vanished" are the same
        downwards; "unclear" where the label changed otherwise, "kept" or "absent" where it did not.
        spread_before and spread_after are the standard deviations of the means of a side's
        checkpoints, missing for a single one. Where sides are not paired, n is n_before + n_after,
        the test is Welch's, sd the root of the mean of both variances, share_up is missing; and
        where the criterion is attained, mean_before, mean_after, change and sd are of what heads
        attain, 0 for uniform attention to 1 for the largest score that is possible.
    roles
        Name of each role.
    facts
        Entries of the signature: those that both sides share by name, others with "before "
        and "after "; then the options of the tests.
    counts
        Numbers of sequences and of checkpoints on each side.

    Notes
    -----
    Sides are paired by sequence, or are two samples of documents, see `paired`.

    Several checkpoints of a side are averaged on each sequence before anything is tested, and only
    sequences that take part in all of them count. This asks about the mean of these checkpoints,
    which must be of one lineage: head 3.5 of one must be head 3.5 of another. Inference is over
    sequences, for these checkpoints; only the spread shows how training runs differ.

    Raises
    ------
    InputError
        If the rows of the table are not all heads of the first role, then of the second, ...
    """

    COLUMNS = COLUMNS
    KIND = "comparison"
    FACTS: ClassVar = {**OF_UNITS, "paired_by": TEXT}
    COUNTS = ("sequences", "checkpoints_before", "checkpoints_after")
    OLDER: ClassVar = {1: COMPARISON_1}

    @classmethod
    def from_scores(
        cls: type[Table],
        before: Checkpoints,
        after: Checkpoints,
        options: TestOptions,
        names: Sequence[str] | None = None,
    ) -> Table:
        """Compare two sides that were scored on the same sequences; raise as `compare`."""
        sides = align.pair(before, after)
        means = _at_looks(align.average(sides[0]), align.average(sides[1]))
        clusters = clusters_of_aligned([*sides[0], *sides[1]], options.clusters)
        first, second = (RoleTable.from_scores(mean, options, clusters) for mean in means)
        known = align.tokens_known([*sides[0], *sides[1]])
        return cls(
            table=change_table(sides, means, (first.table, second.table), clusters, options),
            roles=means[0].roles,
            facts={
                **joined({"before": first.facts, "after": second.facts}),
                "paired_by": "id and tokens" if known else "id",
                **_named(names),
            },
            counts={
                "sequences": len(means[0].sequence_ids),
                "checkpoints_before": len(sides[0]),
                "checkpoints_after": len(sides[1]),
            },
        )

    @classmethod
    def from_two_samples(
        cls: type[Table],
        before: Checkpoints,
        after: Checkpoints,
        options: TestOptions,
        names: Sequence[str] | None = None,
    ) -> Table:
        """Compare two sides that are two samples of documents; raise as `compare`.

        Log a warning where their sequences differ in length.
        """
        sides = align.two_samples(before, after)
        means = align.average(sides[0]), align.average(sides[1])
        clusters, codes = clusters_of_both(*means, options.clusters)
        is_before = np.arange(sum(map(len, means))) < len(means[0])
        first, second = (
            RoleTable.from_scores(mean, options, clusters.at(part))
            for mean, part in zip(means, (is_before, ~is_before), strict=True)
        )
        looks, by_attained = _looks_of_two(*means), options.criterion == ATTAINED
        of_looks = {} if looks == 1 else {FACT: str(looks)}
        tested = unpaired_tests(
            means,
            codes,
            nonfinite_of((first.table, second.table), means[0].values.shape[1:]),
            attained=by_attained,
            options=at_each(options, of_looks),
        )
        for name, checkpoints, mean in zip(SIDES, sides, means, strict=True):
            tested[f"spread_{name}"] = spread(checkpoints, mean, by_attained)
        facts = {
            **joined({"before": first.facts, "after": second.facts}),
            "unit": clusters.unit,
            "paired_by": UNPAIRED,
            **of_looks,
            **_named(names),
            **change_lengths.facts_of(means),
        }
        if warning := change_lengths.sentence(facts):
            log.warning("%s", warning)
        return cls(
            table=table_of_tests(
                tested, (first.table, second.table), means[0].roles, options, of_looks
            ),
            roles=means[0].roles,
            facts=facts,
            counts={
                "sequences": len(is_before),
                "sequences_before": len(means[0]),
                "sequences_after": len(means[1]),
                "shared_units": len(np.intersect1d(*codes)),
                "checkpoints_before": len(sides[0]),
                "checkpoints_after": len(sides[1]),
            },
        )

    @property
    def paired(self) -> bool:
        """Whether both sides are of the same sequences."""
        return self.facts.get("paired_by") != UNPAIRED

    @property
    def names(self) -> tuple[str, str]:
        """The names of both sides."""
        before, after = (self.facts.get(f"{side} name", side) for side in SIDES)
        return before, after

    @property
    def titles(self) -> tuple[str, str]:
        """Names of both sides for a title: those given, else the models."""
        before, after = (
            self.facts.get(f"{side} name")
            or self.facts.get(f"{side} model", self.facts.get("model", side))
            for side in SIDES
        )
        return before, after

    @property
    def scale(self) -> str:
        """What is compared: "mean", the mean scores, or "attained"."""
        attained = not self.paired and self.facts.get("criterion") == ATTAINED
        return ATTAINED if attained else "mean"

    def heads(self, outcome: str) -> pd.DataFrame:
        """Return the rows with an outcome, such as "gained", the largest change first.

        Raises
        ------
        UsageError
            If there is no such outcome.
        """
        if outcome not in OUTCOMES:
            raise UsageError(f"outcome must be one of {', '.join(OUTCOMES)}, got {outcome!r}")
        rows = self.table[self.table["outcome"] == outcome]
        order = rows["change"].abs().sort_values(ascending=False, kind="stable").index
        return rows.loc[order].reset_index(drop=True)

    def layers(self) -> pd.DataFrame:
        """Count the heads that have each role: a row per layer; columns (role, before ...).

        Below each role are before, after and change = after - before, all int.
        """
        n_layers = self.table["layer"].nunique()
        shape = (len(self.roles), n_layers, -1)
        before, after = (
            self.table[name].to_numpy(dtype=bool).reshape(shape).sum(axis=2)
            for name in ("label_before", "label_after")
        )
        # (role, 3, layer) -> (role * 3, layer): the order of the column index below.
        counts = np.stack([before, after, after - before], axis=1).reshape(-1, n_layers)
        columns = pd.MultiIndex.from_product(
            [self.roles, ["before", "after", "change"]], names=["role", None]
        )
        return pd.DataFrame(counts.T, index=pd.RangeIndex(n_layers, name="layer"), columns=columns)

    def mcnemar(self) -> pd.DataFrame:
        """Describe how labels changed: a row per role, with the exact test of McNemar (1947).

        Returns
        -------
        pandas.DataFrame
            Columns role; before, after: heads with the label; only_before, only_after: heads
            whose label changed, whether significantly or not; pvalue, two-sided binomial, 1
            where no label changed. The heads of a model are no random sample, so this describes.
        """
        rows = []
        for role in self.roles:
            cells = self.table[self.table["role"] == role]
            before, after = cells["label_before"], cells["label_after"]
            # Discordant pairs of McNemar's table; under H0 a changed label goes either way with
            # 1/2.
            b, c = int((before & ~after).sum()), int((after & ~before).sum())
            rows.append((role, int(before.sum()), int(after.sum()), b, c, _mcnemar(b, c)))
        names = ["role", "before", "after", "only_before", "only_after", "pvalue"]
        return pd.DataFrame(rows, columns=names)


def _named(names: Sequence[str] | None) -> dict[str, str]:
    """Return the facts of the names of both sides, none without names."""
    return {f"{side} name": name for side, name in zip(SIDES, names or (), strict=False)}


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


def _mcnemar(only_before: int, only_after: int) -> float:
    n = only_before + only_after
    return 1.0 if n == 0 else float(stats.binomtest(only_before, n).pvalue)
