"""Comparison: what happened to each head's roles between two sides, as tables."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from headscore.errors import InputError, UsageError
from headscore.report import html
from headscore.report.maps import heads_per_layer
from headscore.report.report import Report
from headscore.report.wording import format_pvalue
from headscore.scores import align as pairing
from headscore.scores import files
from headscore.scores.align import Checkpoints
from headscore.scores.head_scores import printable, signature
from headscore.statistics import t_test as statistics
from headscore.statistics.change import COLUMNS, OUTCOMES, STORED, TEXTS, change_table, frame

KIND = "comparison"
LAYOUT = {
    name: files.Field("uint8", chr(ord("A") + index)) if name in TEXTS else files.Field(dtype, "c")
    for index, (name, dtype) in enumerate(STORED.items())
}


@dataclass(frozen=True, eq=False, repr=False)
class Comparison:
    """The change of every head in every role between two sides of the same sequences.

    Attributes
    ----------
    table
        One row per (layer, head, role), in the order of the roles, then layers, then heads. n
        sequences take part on both sides; change is the mean of after - before over them, sd its
        standard deviation, share_up the share of them with a higher score after; statistic, df,
        pvalue, ci_low, ci_high are those of a two-sided paired t-test, at level 1 - alpha;
        d_z = change / sd. label_before and label_after are the labels of `Report` for each side,
        beyond_before and beyond_after whether the head goes beyond position there.
        outcome is "gained" or "lost" where the label changed AND the paired change in the same
        direction is significant after adjustment, "unclear" where only the label changed, "kept"
        or "absent" where it did not change. spread_before and spread_after are the standard
        deviations of the means of a side's checkpoints, missing for a single one.
    roles
        Name of each role.
    facts
        What ran, in order: what both sides share under its own name, what differs with "before "
        and "after "; then the options of the tests.
    counts
        Numbers of sequences and of checkpoints on each side.

    Notes
    -----
    Several checkpoints of a side are averaged on each sequence before anything is tested, and only
    sequences that take part in all of them count. This asks about the mean of these checkpoints,
    which must be of one lineage: head 3.5 of one must be head 3.5 of another. Inference is over
    sequences, for these checkpoints; what another training run would give, only the spread can
    tell.

    Raises
    ------
    InputError
        If the rows of the table are not all heads of the first role, then of the second, ...
    """

    table: pd.DataFrame
    roles: tuple[str, ...]
    facts: Mapping[str, str]
    counts: Mapping[str, int]

    def __post_init__(self) -> None:
        if list(self.table) != list(COLUMNS):
            raise InputError(f"table must have the columns {list(COLUMNS)}, got {list(self.table)}")
        n_heads = len(self.table) // max(len(self.roles), 1)
        expected = [role for role in self.roles for _ in range(n_heads)]
        if not expected or self.table["role"].tolist() != expected:
            raise InputError(f"table must have the same number of rows for each of {self.roles}")

    @classmethod
    def from_scores(
        cls,
        before: Checkpoints,
        after: Checkpoints,
        *,
        tau: statistics.Thresholds = 3.0,
        alpha: float = 0.05,
        adjust: str = "holm",
        ddof: int = 1,
    ) -> Comparison:
        """Compare two sides that were scored on the same sequences.

        Parameters
        ----------
        before, after
            Scores of each side, or of several checkpoints of it.
        tau
            A head has a role if its mean score exceeds this; one number, or one for each role.
        alpha
            Level of the tests, between 0 and 1.
        adjust
            How p-values are adjusted for how many they are, among the labels of each side and
            among the changes: ``"holm"``, ``"bh"``, ``"by"`` or ``"none"``.
        ddof
            1 for the unbiased variance; 0 divides by n.

        Raises
        ------
        UsageError
            If an option has a value that is not allowed.
        InputError
            If the two sides are not of the same sequences, tokens, roles, layers and heads.
        """
        statistics.check_options(alpha=alpha, adjust=adjust, ddof=ddof)
        sides = pairing.pair(before, after)
        means = pairing.average(sides[0]), pairing.average(sides[1])
        options: dict[str, Any] = {"alpha": alpha, "adjust": adjust, "ddof": ddof}
        reports = (
            Report.from_scores(means[0], tau=tau, **options),
            Report.from_scores(means[1], tau=tau, **options),
        )
        known = pairing.tokens_known([*sides[0], *sides[1]])
        facts = _facts(reports[0].facts, reports[1].facts)
        counts = {
            "sequences": len(means[0].sequence_ids),
            "checkpoints_before": len(sides[0]),
            "checkpoints_after": len(sides[1]),
        }
        return cls(
            change_table(sides, means, reports, **options),
            means[0].roles,
            {**facts, "paired_by": "id and tokens" if known else "id"},
            counts,
        )

    def __repr__(self) -> str:
        return f"Comparison({len(self.table)} cells, {self.signature})"

    @property
    def signature(self) -> str:
        """One line that says what ran."""
        return signature(self.facts)

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
            b, c = int((before & ~after).sum()), int((after & ~before).sum())
            rows.append((role, int(before.sum()), int(after.sum()), b, c, _mcnemar(b, c)))
        names = ["role", "before", "after", "only_before", "only_after", "pvalue"]
        return pd.DataFrame(rows, columns=names)

    def summary(self) -> str:
        """Say in a few lines of plain text what was compared and what came out."""
        n_heads = int(heads_per_layer(self).sum())
        facts = self.facts
        labels = self.mcnemar().to_dict("records")
        lines = [
            f"{self.counts['sequences']} sequences, {n_heads} heads in "
            f"{self.table['layer'].nunique()} layers; tau {facts['tau']}, "
            f"alpha {facts['alpha']}, adjust {facts['adjust']}; paired by {facts['paired_by']}",
            "heads with a role, before and after: "
            + ", ".join(f"{printable(r['role'])} {r['before']} and {r['after']}" for r in labels),
            *(f"{outcome}: {self._named(outcome)}" for outcome in ("gained", "lost", "unclear")),
            "McNemar p of the labels, as a description: "
            + ", ".join(f"{printable(r['role'])} {format_pvalue(r['pvalue'])}" for r in labels),
            *self._summary_of_spread(),
        ]
        untested = self.table["status"][~self.table["status"].isin(statistics.TESTABLE)]
        if len(untested):
            why = ", ".join(f"{name} {n}" for name, n in Counter(untested.tolist()).items())
            lines.append(f"not tested: {len(untested)} of {len(self.table)} cells ({why})")
        return "\n".join(lines)

    def _named(self, outcome: str) -> str:
        """Count an outcome by role, and in all."""
        found = Counter(self.heads(outcome)["role"])
        by_role = ", ".join(f"{printable(r)} {found[r]}" for r in self.roles if found[r])
        return f"{sum(found.values())}" + (f" ({by_role})" if by_role else "")

    def _summary_of_spread(self) -> list[str]:
        """Set the change of heads that gained or lost a role against the checkpoints' spread."""
        spread = self.table[["spread_before", "spread_after"]].max(axis=1)
        if spread.isna().all():
            return []
        changed = self.table["outcome"].isin(("gained", "lost"))
        within = changed & (self.table["change"].abs() <= spread)
        return [
            f"checkpoints: {self.counts['checkpoints_before']} before, "
            f"{self.counts['checkpoints_after']} after; {int(within.sum())} of "
            f"{int(changed.sum())} gained or lost roles changed by no more than the spread "
            "(sd of the means) of a side's checkpoints"
        ]

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the comparison as one HTML page that opens anywhere, without a network.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        page = html.comparison_page(self)
        with files.replacing(path) as temporary:
            temporary.write_text(page, encoding="utf-8")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the comparison to one file, all of it or nothing; raises InputError if not."""
        arrays: dict[str, Any] = {
            name: files.pack(self.table[name].tolist())
            if name in TEXTS
            else np.asarray(self.table[name], dtype)
            for name, dtype in STORED.items()
        }
        files.write(path, files.Stored(KIND, self.roles, self.facts, self.counts, arrays))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Comparison:
        """Read what `save` wrote; raises InputError if the file is not whole and of this kind."""
        return files.read_as(path, {KIND: LAYOUT}, cls.from_stored)

    @classmethod
    def from_stored(cls, stored: files.Stored) -> Comparison:
        """Make a comparison of what a file held; raises InputError if its parts do not fit."""
        columns = files.unpack_columns(stored.arrays, TEXTS)
        return cls(frame(columns), stored.roles, stored.facts, stored.counts)


def _facts(before: Mapping[str, str], after: Mapping[str, str]) -> dict[str, str]:
    """Join the facts of two sides: one entry where they agree, two where they differ."""
    facts = {}
    for key in dict.fromkeys([*before, *after]):
        if before.get(key) == after.get(key):
            facts[key] = before[key]
            continue
        for side, values in (("before", before), ("after", after)):
            if key in values:
                facts[f"{side} {key}"] = values[key]
    return facts


def _mcnemar(only_before: int, only_after: int) -> float:
    n = only_before + only_after
    return 1.0 if n == 0 else float(stats.binomtest(only_before, n).pvalue)
