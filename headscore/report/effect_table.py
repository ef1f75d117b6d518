"""EffectTable: what the model loses in each arm of each role, and queries of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

import pandas as pd

from headscore import files
from headscore.causal import stored as values_file
from headscore.causal.values import EffectValues
from headscore.errors import InputError, UsageError, unknown_name
from headscore.options import EffectOptions
from headscore.report.base_table import BaseTable
from headscore.report.stored_facts import ADJUST, SHARE, TEXT
from headscore.statistics import effects
from headscore.statistics.arm_rows import ROWS, set_means
from headscore.statistics.clusters import clusters_of
from headscore.statistics.effects import COLUMNS, effect_table

Table = TypeVar("Table", bound="EffectTable")
_TESTS = ("clusters", "unit", "alpha", "adjust", "ddof")  # facts of the tests, not of the values


@dataclass(frozen=True, eq=False, repr=False)
class EffectTable(BaseTable):
    """What a model loses without the edges of a role, or without its heads.

    Attributes
    ----------
    table
        For each role the rows "knockout", "placebo", "beyond placebo" (their difference), "keep",
        "heads" and "matched" (mean over the matched sets). n_heads heads are changed; n sequences
        of n_clusters units take part; edges is the number of entries that each head loses in them
        ("keep": keeps); same_offset the share of placebo edges at an offset of the role's; delta
        the mean of metric in the arm - metric of the model, sd its standard deviation; ci_low and
        ci_high are one-sided bounds, each of level 1 - alpha; at_rows and elsewhere are delta over
        the tokens whose row has an edge, and over all others; divergence that of the predictions.
        statistic, df, pvalue, pvalue_skew and pvalue_adj test H0: delta is at most 0, adjusted over
        the roles of an arm. p_sets is the rank of the heads among sets matched sets, norm_ratio the
        mean output norm of these over that of the heads. explained, with bounds, is 1 - divergence
        of "keep" / divergence of "heads". verdict is "loses", "not shown" or "not tested", status
        the reason for the latter.
    values
        What every sequence loses in every arm.
    facts
        The entries of the signature, with clusters, unit, alpha, adjust and ddof.

    Raises
    ------
    InputError
        The rows of the table are not all arms of the first role, then of the second, ...
    """

    COLUMNS = COLUMNS
    KIND: ClassVar[str] = "effect"
    FACTS: ClassVar = {"alpha": SHARE, "adjust": ADJUST, "clusters": TEXT, "unit": TEXT}
    COUNTS = ()

    table: pd.DataFrame
    values: EffectValues
    facts: Mapping[str, str]

    def __post_init__(self) -> None:
        expected = [(role, row) for role in self.roles for row in ROWS]
        found = list(zip(self.table["role"], self.table["arm"], strict=True))
        if not expected or found != expected:
            raise InputError(
                f"table must have the rows {ROWS} of each of {self.roles}, got {found}"
            )

    def __repr__(self) -> str:
        n = len(self.roles)
        return f"{type(self).__name__}({n} role{'' if n == 1 else 's'}, {self.signature})"

    @classmethod
    def from_values(cls: type[Table], values: EffectValues, options: EffectOptions) -> Table:
        """Test the results of an experiment.

        Raises
        ------
        InputError
            If the clusters do not fit the sequences, or there is no role.
        """
        if not values.roles:
            raise InputError("values must have at least one role, got none")
        clusters = clusters_of(values, options.clusters)
        facts = {
            **values.facts,
            "clusters": clusters.name,
            "unit": clusters.unit,
            "alpha": f"{options.alpha:.12g}",
            "adjust": options.adjust,
            "ddof": str(options.ddof),
        }
        return cls(effect_table(values, clusters, options), values, facts)

    @property
    def roles(self) -> tuple[str, ...]:
        """Name of each role."""
        return self.values.roles

    @property
    def counts(self) -> Mapping[str, int]:
        """Counts of the run, with the number of sequences."""
        return {**self.values.counts, "sequences": len(self.values.sequence_ids)}

    @property
    def alpha(self) -> float:
        """Significance level of the tests."""
        return float(self.facts["alpha"])

    def used(self) -> pd.DataFrame:
        """Return for each role whether the model uses it: it loses, and more than by the placebo.

        Returns
        -------
        pandas.DataFrame
            Columns role, pvalue_adj (of the larger p-value of "knockout" and "beyond placebo",
            adjusted over the roles) and verdict, one of "used", "not shown" and "not tested".
        """
        options = EffectOptions(alpha=self.alpha, adjust=self.facts["adjust"])
        return effects.used(self.table, options)

    def sets(self) -> pd.DataFrame:
        """Return a row per matched set of heads: role, number, n_heads, delta, norm_ratio."""
        return set_means(self.values)

    def arms(self, role: str) -> pd.DataFrame:
        """Return the rows of a role, indexed by arm; raise UsageError if there is no such role."""
        if role not in self.roles:
            raise UsageError(unknown_name("role must be one of the effect", role, self.roles))
        return self.table[self.table["role"] == role].set_index("arm")

    @classmethod
    def layouts(cls) -> dict[tuple[str, int], files.Layout]:
        """Return the layouts of a file of effects, by kind and format version."""
        table = {_of_table(name): field for name, field in cls.COLUMNS.layout().items()}
        return {(cls.KIND, files.FORMAT_VERSION): {**table, **values_file.LAYOUT}}

    def stored(self) -> files.Stored:
        """Return the content of a file of these effects."""
        table = self.COLUMNS.to_arrays(self.table).items()
        return files.Stored(
            kind=self.KIND,
            roles=self.roles,
            facts=self.facts,
            counts=self.values.counts,
            arrays={_of_table(name): each for name, each in table}
            | values_file.to_arrays(self.values),
        )

    @classmethod
    def from_stored(cls: type[Table], stored: files.Stored) -> Table:
        """Return the effects of a file; raise InputError if its parts do not fit together."""
        cls._check_file(stored.roles, stored.facts, stored.counts)
        values = values_file.from_arrays(stored.arrays, stored.roles, stored.facts, stored.counts)
        facts = {name: text for name, text in stored.facts.items() if name not in _TESTS}
        columns = {name: stored.arrays[_of_table(name)] for name in cls.COLUMNS.dtypes}
        return cls(cls.COLUMNS.from_arrays(columns), replace(values, facts=facts), stored.facts)


def _of_table(name: str) -> str:
    return f"table.{name}"
