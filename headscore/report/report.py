"""Report: which head has which role, as tables."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from headscore.arrays import Bools, Ints
from headscore.errors import InputError, UsageError
from headscore.report import html
from headscore.report.maps import heads_per_layer
from headscore.report.wording import also_local, format_pvalue, how_many
from headscore.scores import files
from headscore.scores.head_scores import (
    HeadScores,
    check_overlap,
    check_scores,
    printable,
    signature,
)
from headscore.statistics import colocation
from headscore.statistics import depth as layers
from headscore.statistics import t_test as statistics
from headscore.statistics.clusters import clusters_of
from headscore.statistics.criterion import Criterion
from headscore.statistics.summary import Summary
from headscore.statistics.table import COLUMNS, STORED, TEXTS, frame, make_table

KIND = "report"
LAYOUT = {
    name: files.Field("uint8", chr(ord("A") + TEXTS.index(name)))
    if name in TEXTS
    else files.Field(dtype, "c")
    for name, dtype in STORED.items()
}
LAYOUT["overlap"] = files.Field("int64", "rr", optional=True)
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """The test of every head in every role.

    Attributes
    ----------
    table
        One row per (layer, head, role), in the order of the roles, then layers, then heads.
        ``label`` is whether the adjusted p-value is at most alpha; ``label_paper`` whether the
        p-value itself is; ``robust`` whether a label stands whatever the skewness, see
        `statistics.robust`; ``beyond_position`` whether the head looks at the pairs of a role more
        than at their offsets elsewhere, see `headscore.statistics.beyond_position`, missing for
        other roles.
    roles
        Name of each role.
    facts
        What ran, in order, with criterion, tau, clusters, alpha, adjust and ddof.
    counts
        What was counted on the way, with the number of sequences.
    overlap
        int64 (role, role), sieve entries that two roles have in common; None if unknown.

    Raises
    ------
    InputError
        If the rows of the table are not all heads of the first role, then of the second, ...
    """

    table: pd.DataFrame
    roles: tuple[str, ...]
    facts: Mapping[str, str]
    counts: Mapping[str, int]
    overlap: Ints | None = None

    def __post_init__(self) -> None:
        if list(self.table) != list(COLUMNS):
            raise InputError(f"table must have the columns {list(COLUMNS)}, got {list(self.table)}")
        n_heads = len(self.table) // max(len(self.roles), 1)
        expected = [role for role in self.roles for _ in range(n_heads)]
        if not expected or self.table["role"].tolist() != expected:
            raise InputError(f"table must have the same number of rows for each of {self.roles}")
        if self.overlap is not None:
            check_overlap(self.overlap, len(self.roles))

    @classmethod
    def from_scores(
        cls,
        scores: HeadScores,
        *,
        tau: statistics.Thresholds = 3.0,
        alpha: float = 0.05,
        adjust: str = "holm",
        ddof: int = 1,
        clusters: str | Iterable[Hashable] | None = None,
        criterion: str = "mean",
    ) -> Report:
        """Test every head of the scores in every role.

        Parameters
        ----------
        scores
            The scores of each sequence.
        tau
            A head has a role if its mean score exceeds this; one number, or one for each role, in
            which ``"*"`` stands for the others: ``{"*": 3, "local": 2}``.
        alpha
            Level of the test, between 0 and 1.
        adjust
            How p-values are adjusted for how many they are: ``"holm"``, ``"bh"``, ``"by"`` or
            ``"none"``.
        ddof
            1 for the unbiased variance; 0 divides by n.
        clusters
            ``"document"``: sequences of one document may depend on each other; or the cluster of
            each sequence, a number or text; None: all sequences are independent.
        criterion
            ``"mean"``: a head has a role if its mean score exceeds tau; ``"attained"``: if its
            ``attained``, ``(mean - 1) / (attainable - 1)``, exceeds tau, then between 0 and 1.

        Raises
        ------
        UsageError
            If an option has a value that is not allowed.
        InputError
            If documents or attainable are needed and unknown.
        """
        check_scores(scores)
        statistics.check_options(alpha=alpha, adjust=adjust, ddof=ddof)
        asked = statistics.criterion_of(criterion, tau, scores.roles, scores.attainable)
        groups = clusters_of(scores, clusters)
        summary = Summary.of_scores(scores, asked, groups, ddof=ddof)
        return cls.from_summary(summary, asked, alpha=alpha, adjust=adjust, ddof=ddof)

    @classmethod
    def from_summary(
        cls, summary: Summary, criterion: Criterion, *, alpha: float, adjust: str, ddof: int
    ) -> Report:
        """Test what scores add up to; arguments as in `from_scores`, checked there."""
        facts = {
            **summary.facts,
            "criterion": "mean" if criterion.fraction is None else "attained",
            "tau": _taus(criterion, summary.roles),
            "clusters": summary.clusters,
            "alpha": f"{alpha:.12g}",
            "adjust": adjust,
            "ddof": str(ddof),
        }
        counts = {**summary.counts, "sequences": summary.n_sequences}
        table = make_table(summary, criterion, alpha=alpha, adjust=adjust)
        return cls(table, summary.roles, facts, counts, summary.overlap)

    def __repr__(self) -> str:
        return f"Report({len(self.table)} cells, {self.signature})"

    @property
    def signature(self) -> str:
        """One line that says what ran."""
        return signature(self.facts)

    @property
    def threshold(self) -> str:
        """What a head had to exceed, in words."""
        what = "tau on attained" if self.facts.get("criterion") == "attained" else "tau"
        return f"{what} {self.facts['tau']}"

    @property
    def robustness(self) -> str:
        """How many labels stand whatever the skewness of the scores, in words."""
        labelled, agreed = int(self.table["label"].sum()), int(self.table["robust"].sum())
        share = f" ({agreed / labelled:.0%})" if labelled else ""
        return f"robust: {agreed} of {labelled} labels{share}"

    def beyond(self, *, paper: bool = False) -> dict[str, tuple[int, int]]:
        """Say of each role with pairs how many heads have it, and how many of them beyond position.

        Position explains the others: they look as much at the same offsets elsewhere.
        """
        tested = self.table[self.table["beyond_position"].notna()]
        stay = tested[_label(paper)] & tested["beyond_position"]
        return {
            role: (int(tested[_label(paper)][rows].sum()), int(stay[rows].sum()))
            for role in self.roles
            if (rows := tested["role"] == role).any()
        }

    def labels(self, *, paper: bool = False) -> pd.DataFrame:
        """Which head has which role: bool, a row per (layer, head), a column per role.

        Parameters
        ----------
        paper
            Whether to use ``label_paper``, without adjustment, in the place of ``label``.
        """
        label = self.table[_label(paper)].to_numpy(dtype=bool)
        n_heads = len(self.table) // len(self.roles)
        index = pd.MultiIndex.from_frame(self.table[["layer", "head"]].iloc[:n_heads])
        columns = pd.Index(self.roles, name="role")
        return pd.DataFrame(label.reshape(-1, n_heads).T, index=index, columns=columns)

    def heads(self, role: str, *, paper: bool = False) -> pd.DataFrame:
        """Return the rows of the heads that have a role, the largest statistic first.

        Raises
        ------
        UsageError
            If there is no such role.
        """
        if role not in self.roles:
            raise UsageError(statistics.unknown("role must be one of the report", role, self.roles))
        rows = self.table[self.table[_label(paper)] & (self.table["role"] == role)]
        return rows.sort_values("statistic", ascending=False, kind="stable", ignore_index=True)

    def roles_of(self, layer: int, head: int, *, paper: bool = False) -> list[str]:
        """Return the roles that a head has.

        Raises
        ------
        UsageError
            If there is no such layer or head.
        """
        for name, number in (("layer", layer), ("head", head)):
            largest = int(self.table[name].max())
            if not isinstance(number, int | np.integer) or not 0 <= number <= largest:
                raise UsageError(f"{name} must lie in 0..{largest}, got {number!r}")
        here = (self.table["layer"] == layer) & (self.table["head"] == head)
        return self.table["role"][here & self.table[_label(paper)]].tolist()

    def layers(self, *, paper: bool = False, intervals: bool = False) -> pd.DataFrame:
        """Count the heads of each layer that have each role.

        Parameters
        ----------
        paper
            Whether to use ``label_paper``, without adjustment, in the place of ``label``.
        intervals
            Whether to return each count with its interval and the role's trend.

        Returns
        -------
        pandas.DataFrame
            int, a row per layer, a column per role. With `intervals` a row per role and layer, with
            the columns of `layer_shares`, which has Wilson's intervals of the share, and ``trend``
            and ``trend_pvalue``, the mean depth of the role's heads and its permutation test in
            `depths`.
        """
        if not intervals:
            return self.labels(paper=paper).groupby(level="layer").sum()
        trend = self.depths(paper=paper).set_index("role")
        shares = self.layer_shares(paper=paper)
        return shares.assign(
            trend=shares["role"].map(trend["depth"]),
            trend_pvalue=shares["role"].map(trend["pvalue"]),
        )

    def layer_shares(self, *, paper: bool = False, level: float = 0.95) -> pd.DataFrame:
        """Share of each layer's heads that have each role, with Wilson intervals.

        See `headscore.statistics.depth.layer_shares` for the columns, and what is raised.
        """
        return layers.layer_shares(
            self._labels__rlh(paper), self.roles, level=level, heads__l=self.heads_per_layer
        )

    def depths(
        self, *, paper: bool = False, permutations: int = 10_000, seed: int = 0
    ) -> pd.DataFrame:
        """Depth of the heads of each role: thirds of the layers, mean, permutation test of a trend.

        See `headscore.statistics.depth.depths` for the columns, the null hypothesis, and errors.
        """
        return layers.depths(
            self._labels__rlh(paper),
            self.roles,
            permutations=permutations,
            seed=seed,
            heads__l=self.heads_per_layer,
        )

    def colocation(
        self, *, paper: bool = False, permutations: int = 10_000, seed: int = 0
    ) -> pd.DataFrame:
        """Compare the heads of each ordered pair of roles: do they share more than by chance.

        See `headscore.statistics.colocation.colocation` for the columns, the null hypothesis, and
        errors.
        """
        return colocation.colocation(
            self._labels__rlh(paper),
            self.roles,
            overlap=self.overlap,
            permutations=permutations,
            seed=seed,
            heads__l=self.heads_per_layer,
        )

    def summary(self) -> str:
        """Say in a few lines of plain text what was tested and what came out."""
        counts = self.labels().sum()
        heads = self.heads_per_layer
        facts = self.facts
        lines = [
            f"{how_many(self.counts['sequences'], 'sequence')}, "
            f"{how_many(heads.sum(), 'head')} in {how_many(len(heads), 'layer')}; "
            f"{self.threshold}, alpha {facts['alpha']}, adjust {facts['adjust']}",
            *self.without_attention,
            "heads with a role: " + _listed({role: counts[role] for role in self.roles}),
            self.robustness,
            *self.beyond_position,
            *self._summary_of_colocation(),
        ]
        untested = self.table["status"][~self.table["status"].isin(statistics.TESTABLE)]
        if len(untested):
            why = _listed(Counter(untested.tolist()))
            lines.append(f"not tested: {len(untested)} of {len(self.table)} cells ({why})")
        return "\n".join([*lines, *self.counted])

    @property
    def heads_per_layer(self) -> Ints:
        """How many heads each layer has, 0 where it has no attention; int64 (layer,)."""
        return heads_per_layer(self)

    @property
    def without_attention(self) -> list[str]:
        """One line that names the layers without attention; none where all have it."""
        numbers = np.flatnonzero(self.heads_per_layer == 0)
        return [f"no attention in layers {', '.join(map(str, numbers))}"] if len(numbers) else []

    @property
    def beyond_position(self) -> list[str]:
        """One line on the heads that go beyond position; none where that was not tested."""
        parts = [f"{printable(role)} {n} of {of}" for role, (of, n) in self.beyond().items()]
        return [f"heads with a role beyond position: {', '.join(parts)}"] if parts else []

    @property
    def counted(self) -> list[str]:
        """One line that names what was counted on the way; none where nothing was."""
        counted = {key: n for key, n in self.counts.items() if n and key != "sequences"}
        return [f"counted: {_listed(counted)}"] if counted else []

    def _summary_of_colocation(self) -> list[str]:
        """Say what the paper calls co-location, of how many heads, and what chance would give."""
        if not {"local", "syntactic"} <= set(self.roles):
            return []
        pairs = self.colocation().to_dict("records")
        row = next(each for each in pairs if (each["a"], each["b"]) == ("syntactic", "local"))
        line = f"co-location: {also_local(row)}"
        if row["heads_a"] and row["heads_b"]:
            line += (
                f"; {row['expected']:.1f} expected from the counts in each layer, "
                f"permutation p {format_pvalue(row['pvalue'])}"
            )
        if not np.isnan(row["overlap"]):
            line += f"; {row['overlap']:.0%} of the syntactic sieve lies in the local one"
        return [line]

    def _labels__rlh(self, paper: bool) -> Bools:
        n_layers = self.table["layer"].nunique()
        label = self.table[_label(paper)].to_numpy(dtype=bool)
        return label.reshape(len(self.roles), n_layers, -1)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the report to one file, all of it or nothing; raises InputError if that fails."""
        arrays: dict[str, Any] = {
            name: files.pack(self.table[name].tolist())
            if name in TEXTS
            else np.asarray(self.table[name], dtype)
            for name, dtype in STORED.items()
        }
        if self.overlap is not None:
            arrays["overlap"] = self.overlap
        files.write(path, files.Stored(KIND, self.roles, self.facts, self.counts, arrays))

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Report:
        """Read what `save` wrote; raises InputError if the file is not whole and of this kind."""
        return files.read_as(path, {KIND: LAYOUT}, cls.from_stored)

    @classmethod
    def from_stored(cls, stored: files.Stored) -> Report:
        """Make a report of what a file held; raises InputError if its parts do not fit together."""
        columns = files.unpack_columns(stored.arrays, TEXTS)
        overlap = columns.pop("overlap", None)
        return cls(frame(columns), stored.roles, stored.facts, stored.counts, overlap)

    def to_html(self, path: str | os.PathLike[str]) -> None:
        """Write the report as one HTML page that opens anywhere, without a network.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        page = html.report_page(self)
        with files.replacing(path) as temporary:
            temporary.write_text(page, encoding="utf-8")

    def _repr_html_(self) -> str:
        """Show the answer in a notebook."""
        return html.report_snippet(self)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write the table as CSV; texts that a spreadsheet would run as formulas get a leading '.

        Raises
        ------
        InputError
            If the file cannot be written.
        """
        safe = {
            name: pd.Series([_no_formula(text) for text in self.table[name]], dtype="object")
            for name in TEXTS  # as objects: Arrow's texts could not hold half a surrogate pair
        }
        with files.replacing(path) as temporary:
            self.table.assign(**safe).to_csv(
                temporary, index=False, lineterminator="\n", errors="backslashreplace"
            )


def _taus(criterion: Criterion, roles: tuple[str, ...]) -> str:
    """Write the thresholds: one number where they are equal, else one for each role."""
    asked = criterion.tau if criterion.fraction is None else criterion.fraction
    tau = [f"{number:.12g}" for number in asked]
    by_role = ",".join(f"{role}={number}" for role, number in zip(roles, tau, strict=True))
    return tau[0] if len(set(tau)) == 1 else by_role


def _label(paper: bool) -> str:
    return "label_paper" if paper else "label"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{printable(name)} {count}" for name, count in counts.items())


def _no_formula(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text
