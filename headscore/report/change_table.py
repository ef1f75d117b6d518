"""ChangeTable: the change of every head in every role between two sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeVar

import numpy as np
import pandas as pd
from scipy import stats

from headscore.errors import UsageError
from headscore.log import log
from headscore.options import ATTAINED, CompareOptions
from headscore.report import change_lengths, change_position
from headscore.report.cell_table import CellTable
from headscore.report.facts import joined
from headscore.report.older import COMPARISON_1
from headscore.report.side_words import SIDES, is_paired, names_of
from headscore.report.stored_facts import OF_UNITS, TEXT
from headscore.report.two_sides import paired_sides, two_samples
from headscore.report.wording import short_model
from headscore.scores.align import Checkpoints
from headscore.statistics.change import COLUMNS, OUTCOMES

Table = TypeVar("Table", bound="ChangeTable")


@dataclass(frozen=True, eq=False, repr=False)
class ChangeTable(CellTable):
    """The change of every head in every role between two sides.

    Attributes
    ----------
    table
        One row per (layer, head, role), in the order of the roles, then layers, then heads, with
        the columns

        - ``n``, ``n_clusters``: sequences that take part, on both sides where these are paired, and
          the units they are of, such as documents; each also ``_before`` and ``_after``;
        - ``mean_before``, ``mean_after``, ``change``: the mean score of each side, and after -
          before. Of two samples compared by attained: what heads attain, 0 for uniform attention
          to 1 for the largest score that is possible;
        - ``sd``, ``d_z``, ``share_up``: standard deviation of the differences (of two samples the
          root of the mean of both variances), ``change / sd``, and the share of sequences with a
          higher score after (missing for two samples);
        - ``statistic``, ``df``, ``pvalue``: of the two-sided t-test, paired or Welch's;
          ``pvalue_skew`` is the p-value after Hall's transformation, ``pvalue_cautious`` that of a
          test which allows for rare large differences that the sample lacks;
        - ``pvalue_adj``: the largest of the three, adjusted for all cells;
        - ``ci_low``, ``ci_high``: confidence interval of ``change`` in this cell alone, at level
          1 - alpha, **not** adjusted for the number of cells: it may exclude 0 where ``pvalue_adj``
          is above alpha;
        - ``label``, ``verdict``, ``beyond``, each ``_before`` and ``_after``: label and verdict of
          `Report` for each side, and beyond of `Report.heads`, the verdict of the strongest control
          of word pairs;
        - ``outcome``: "gained" where the verdict went from has_not to has and the change is
          significant in this direction, "appeared" where it went from undecided to has likewise;
          "lost" and "vanished" the same downwards; "unclear" where the label changed otherwise;
          "kept" or "absent" where it did not, whether the change is significant or not, see
          `significant`;
        - ``spread_before``, ``spread_after``: standard deviation of the means of a side's
          checkpoints, missing for a single one;
        - ``status``: "ok", or why the cell was not tested.
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
    units, for these checkpoints; only the spread shows how training runs differ.

    Raises
    ------
    InputError
        If the rows of the table are not all heads of the first role, then of the second, ...
    """

    COLUMNS = COLUMNS
    KIND = "comparison"
    FACTS: ClassVar = {
        **OF_UNITS,
        "paired_by": TEXT,
        **change_lengths.RULES,
        **change_position.RULES,
    }
    COUNTS = ("sequences", "checkpoints_before", "checkpoints_after")
    OLDER: ClassVar = {1: COMPARISON_1}

    @classmethod
    def from_scores(
        cls: type[Table], before: Checkpoints, after: Checkpoints, options: CompareOptions
    ) -> Table:
        """Compare two sides; raise as `compare`.

        Log a warning where the sequences of two samples differ in length, or their word pairs in
        position.
        """
        compare = paired_sides if options.paired else two_samples
        found = compare(before, after, options.of_sides)
        tests = dict(zip(SIDES, found.tests, strict=True))
        facts = {
            **joined({side: each.facts for side, each in tests.items()}),
            **found.facts,
            **_named(options.names),
        }
        if not options.paired:
            facts |= change_lengths.facts_of(found.means) | change_position.facts_of(found.means)
            _warn(facts)
        checkpoints = zip(SIDES, found.sides, strict=True)
        return cls(
            table=found.table,
            roles=found.means[0].roles,
            facts=facts,
            counts={
                **found.counts,
                **{f"checkpoints_{side}": len(each) for side, each in checkpoints},
            },
        )

    @property
    def paired(self) -> bool:
        """Whether both sides are of the same sequences."""
        return is_paired(self.facts)

    @property
    def names(self) -> tuple[str, str]:
        """The names of both sides: those given, of two samples else those of their corpora."""
        return names_of(self.facts)

    @property
    def titles(self) -> tuple[str, str]:
        """Names of both sides for a title: `names`, else the models in short."""
        facts = self.facts
        before, after = (
            name
            if name != side
            else short_model(facts.get(f"{side} model", facts.get("model", side)))
            for side, name in zip(SIDES, self.names, strict=True)
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
        return largest_first(self.table[self.table["outcome"] == outcome])

    def significant(self) -> pd.DataFrame:
        """Return the rows with a significant change, the largest first.

        Those with ``pvalue_adj`` up to alpha, whatever the outcome: most have the same label on
        both sides, outcome "absent" or "kept".
        """
        return largest_first(self.table[self.table["pvalue_adj"] <= float(self.facts["alpha"])])

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


def largest_first(rows: pd.DataFrame) -> pd.DataFrame:
    """Sort rows of a comparison by the size of the change, the largest first."""
    order = rows["change"].abs().sort_values(ascending=False, kind="stable").index
    return rows.loc[order].reset_index(drop=True)


def _warn(facts: Mapping[str, str]) -> None:
    """Log in what two samples differ besides what is compared."""
    differ = change_lengths.sentence(facts), change_position.sentence(facts, of_pairs=False)
    for sentence in filter(None, differ):
        log.warning("%s", sentence)


def _named(names: Sequence[str] | None) -> dict[str, str]:
    """Return the facts of the names of both sides, none without names."""
    return {f"{side} name": name for side, name in zip(SIDES, names or (), strict=False)}


def _mcnemar(only_before: int, only_after: int) -> float:
    n = only_before + only_after
    return 1.0 if n == 0 else float(stats.binomtest(only_before, n).pvalue)
