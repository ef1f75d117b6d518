"""RoleTable: the test of every head in every role, and queries of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, TypeVar

import pandas as pd

from headscore import files
from headscore.arrays import Bools, Ints
from headscore.errors import InputError, UsageError
from headscore.options import (
    MAXT,
    AdjustOptions,
    LabelOptions,
    PermutationOptions,
    TestOptions,
)
from headscore.report.cell_table import CellTable
from headscore.report.facts import facts_of_test
from headscore.report.head_rows import HeadRows, head_rows
from headscore.report.older import REPORT_1
from headscore.report.stored_facts import OF_UNITS
from headscore.report.wording import no_head_has, without_position
from headscore.scores.by_sequence import check_overlap
from headscore.scores.head_scores import HeadScores, check_scores
from headscore.signatures import takes
from headscore.statistics import depth
from headscore.statistics.clusters import Clusters, clusters_of
from headscore.statistics.colocation import colocation
from headscore.statistics.criterion import Criterion, criterion_of
from headscore.statistics.looks import at_each
from headscore.statistics.summary import Summary
from headscore.statistics.table import COLUMNS, make_table
from headscore.statistics.thirds import NAMES
from headscore.statistics.verdict import HAS, UNDECIDED, beyond_controls, control_of

CONTROLS = ("beyond_position", "matched")  # of word pairs: columns of states
Table = TypeVar("Table", bound="RoleTable")


@dataclass(frozen=True, eq=False, repr=False)
class RoleTable(CellTable):
    """The test of every head in every role.

    Attributes
    ----------
    table
        One row per (layer, head, role), in the order of the roles, then layers, then heads.
        ``label`` is whether the adjusted p-value is at most alpha; ``verdict`` one of "has",
        "has_not" and "undecided"; ``pvalue_below`` is the p-value of the other direction, of H0:
        the mean is at least tau; ``label_unadjusted`` whether the p-value itself is; ``robust``
        whether a label is robust to skewness, see `headscore.statistics.adjust.robust`;
        ``beyond_position`` one of the same three, of more attention on the pairs of a role than
        position explains, empty for other roles; ``matched`` likewise, more than position and the
        labels of both words explain, empty without a control of labels; ``corpus`` the name of the
        corpus, its hash where it has none. Write ``table["mean"]``, ``table["skew"]`` and
        ``table["flags"]``: as attributes these names are methods of pandas.
    roles
        Name of each role.
    facts
        The entries of the signature, with criterion, tau, clusters, unit, alpha, adjust and ddof.
    counts
        Counts of the run, with the number of sequences.
    overlap
        int64 (role, role), sieve entries that two roles have in common; None if unknown.
    thirds
        int64 (third, role), labels of the short, middle and long sequences on their own; None where
        lengths are unknown.
    third_most
        int64 (third,), tokens of the longest sequence of each third; None likewise.

    Raises
    ------
    InputError
        The rows of the table are not all heads of the first role, then of the second, ...
    """

    COLUMNS = COLUMNS
    KIND = "report"
    FACTS = OF_UNITS
    COUNTS = ("sequences",)
    OLDER: ClassVar = {1: REPORT_1}
    EXTRA: ClassVar = {
        "overlap": files.Field("int64", "rr", optional=True),
        "thirds": files.Field("int64", "tr", optional=True),
        "third_most": files.Field("int64", "t", optional=True),
    }

    overlap: Ints | None = None
    thirds: Ints | None = None
    third_most: Ints | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.overlap is not None:
            check_overlap(self.overlap, len(self.roles))
        thirds = (len(NAMES), len(self.roles))
        if self.thirds is not None and self.thirds.shape != thirds:
            raise InputError(f"thirds must have the shape {thirds}, got {self.thirds.shape}")

    @classmethod
    def from_scores(
        cls: type[Table],
        scores: HeadScores,
        options: TestOptions,
        clusters: Clusters | None = None,
    ) -> Table:
        """Test every head of the scores in every role; raises as `headscore.test`.

        `clusters` are the independent units, those of the options if None.
        """
        check_scores(scores)
        criterion = criterion_of(options, scores.roles, scores.attainable)
        clusters = clusters_of(scores, options.clusters) if clusters is None else clusters
        summary = Summary.of_scores(
            scores, criterion, clusters, ddof=options.ddof, with_sums=options.adjust == MAXT
        )
        return cls.from_summary(summary, criterion, options)

    @classmethod
    def from_summary(
        cls: type[Table], summary: Summary, criterion: Criterion, options: AdjustOptions
    ) -> Table:
        """Test the moments of a summary."""
        each = at_each(options, summary.facts)
        facts = {
            **summary.facts,
            **facts_of_test(criterion, summary.roles, summary.clusters, options),
        }
        return cls(
            table=make_table(summary, criterion, options),
            roles=summary.roles,
            facts=facts,
            counts={**summary.counts, "sequences": summary.n_sequences},
            overlap=summary.overlap,
            thirds=None if summary.thirds is None else summary.thirds.labels(criterion, each),
            third_most=None if summary.thirds is None else summary.thirds.most,
        )

    @takes(LabelOptions)
    def labels(self, options: LabelOptions) -> pd.DataFrame:
        """Return the labels: bool, a row per (layer, head), a column per role."""
        label = _labels(self.table, options.label).to_numpy(dtype=bool)
        n_heads = len(self.table) // len(self.roles)
        index = pd.MultiIndex.from_frame(self.table[["layer", "head"]].iloc[:n_heads])
        columns = pd.Index(self.roles, name="role")
        # Rows run by role first: (role, layer * head), transposed to a row per head.
        return pd.DataFrame(label.reshape(-1, n_heads).T, index=index, columns=columns)

    def heads(self, role: str, *, label: str = LabelOptions.label) -> HeadRows:
        """Return the rows of the heads that have a role, strongest first: by the bound `ci_low`.

        Parameters
        ----------
        role
            One of `roles`.
        label
            As in `labels`.

        Returns
        -------
        HeadRows
            A `pandas.DataFrame` that prints ``role``, ``layer``, ``head``, ``mean``, ``ci_low``,
            ``verdict``, ``position_mean`` and ``beyond``; the other columns of `table` follow.
            ``beyond`` is the verdict of the strongest control of word pairs that was computed, and
            "has_not" wherever position alone explains the score.

        Raises
        ------
        UsageError
            There is no such role or kind of labels.
        """
        self.check_role(role)
        labelled = _labels(self.table, LabelOptions(label=label).label)
        cells = self.table["role"] == role
        rows = strongest_first(self.table[cells & labelled])
        return self._head_rows(rows, nothing=no_head_has(role, label, self.table[cells]))

    def undecided(self) -> HeadRows:
        """Return the rows of the cells that neither have a role nor have it not.

        More sequences would decide them; those whose bound comes nearest to the threshold first.
        """
        rows = self.table[self.table["verdict"] == UNDECIDED]
        nearest = (rows["ci_low"] / rows["tau"]).sort_values(ascending=False, kind="stable")
        found = rows.loc[nearest.index].reset_index(drop=True)
        return self._head_rows(found, nothing="no cell is undecided")

    def _head_rows(self, rows: pd.DataFrame, nothing: str = "") -> HeadRows:
        note = without_position(self.table, self.facts)
        beyond = beyond_controls(rows, self.control)
        return head_rows(rows.assign(beyond=beyond), note=note, nothing=nothing)

    def roles_of(self, layer: int, head: int, *, label: str = LabelOptions.label) -> list[str]:
        """Return the roles that a head has.

        Parameters
        ----------
        layer, head
            The head, counted from 0.
        label
            As in `labels`.

        Raises
        ------
        UsageError
            There is no such layer, head or kind of labels.
        """
        self.check_head(layer, head)
        here = (self.table["layer"] == layer) & (self.table["head"] == head)
        labelled = _labels(self.table, LabelOptions(label=label).label)
        return self.table["role"][here & labelled].tolist()

    def layers(self, *, label: str = LabelOptions.label) -> pd.DataFrame:
        """Count the heads of each layer that have each role.

        Parameters
        ----------
        label
            As in `labels`.

        Returns
        -------
        pandas.DataFrame
            int, a row per layer, a column per role.
        """
        return self.labels(label=label).groupby(level="layer").sum()

    @takes(LabelOptions)
    def layer_shares(self, options: LabelOptions) -> pd.DataFrame:
        """Return the share of each layer's heads that have each role.

        See `headscore.statistics.depth.layer_shares` for the columns.
        """
        return depth.layer_shares(
            self._labels__rlh(options), self.roles, heads__l=self.heads_per_layer
        )

    @takes(PermutationOptions)
    def depths(self, options: PermutationOptions) -> pd.DataFrame:
        """Return the depth of the heads of each role: thirds, mean, permutation test of a trend.

        See `headscore.statistics.depth.depths` for the columns and the null hypothesis.
        """
        return depth.depths(
            self._labels__rlh(options), self.roles, options, heads__l=self.heads_per_layer
        )

    @takes(LabelOptions)
    def colocation(self, options: LabelOptions) -> pd.DataFrame:
        """Test for each ordered pair of roles whether they share more heads than by chance.

        See `headscore.statistics.colocation.colocation` for the columns and the null hypothesis.
        """
        return colocation(
            self._labels__rlh(options),
            self.roles,
            overlap=self.overlap,
            heads__l=self.heads_per_layer,
        )

    @property
    def control(self) -> str:
        """The column of the strongest control of word pairs: beyond_position or matched."""
        return control_of(self.table)

    def beyond(
        self, *, label: str = LabelOptions.label, control: str = "beyond_position"
    ) -> dict[str, tuple[int, int]]:
        """Return for each role with word pairs the number of labels, and of those beyond a control.

        The other labels are not shown to exceed the attention on the entries of the control.

        Parameters
        ----------
        label
            As in `labels`.
        control
            ``"beyond_position"`` or ``"matched"``.

        Raises
        ------
        UsageError
            There is no such control or kind of labels, or it was not computed.
        """
        if control not in CONTROLS:
            raise UsageError(f"control must be one of {', '.join(CONTROLS)}, got {control!r}")
        label_of = _labels(self.table, LabelOptions(label=label).label)
        has, compared = _beyond(self.table, control)
        return {
            role: (int(label_of[rows].sum()), int((label_of & has)[rows].sum()))
            for role in self.roles
            if (rows := compared & (self.table["role"] == role)).any()
        }

    def _labels__rlh(self, options: LabelOptions) -> Bools:
        label = _labels(self.table, options.label).to_numpy(dtype=bool)
        return label.reshape(self.array("label").shape)


def strongest_first(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a role sorted by the bound of the mean, the largest first.

    The bound is an effect that is shown; the statistic and the p-value also grow with the number of
    sequences that take part, and with how little their scores differ.
    """
    return rows.sort_values("ci_low", ascending=False, kind="stable", ignore_index=True)


def _labels(table: pd.DataFrame, label: str) -> pd.Series[bool]:
    """Return the labels of the rows of a table; `label` as in `LabelOptions`."""
    if label not in CONTROLS:
        return table[label]
    has, compared = _beyond(table, label)
    of_pairs = compared.groupby(table["role"]).transform("any")
    return table["label"] & (has | ~of_pairs)


def _beyond(table: pd.DataFrame, control: str) -> tuple[pd.Series[bool], pd.Series[bool]]:
    """Return which rows go beyond a control, and which were compared with it."""
    compared = table[control] != ""
    if control == "matched" and not compared.any():
        raise UsageError(
            "'matched' needs scores with a control of labels, as control='offset,upos' makes them, "
            "got none"
        )
    return table[control] == HAS, compared
