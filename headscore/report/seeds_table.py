"""SeedsTable: the heads of several seeds of one training recipe, and whether they correspond."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from itertools import combinations, zip_longest
from typing import Any, ClassVar, TypeVar

import numpy as np
import pandas as pd

from headscore import files
from headscore.arrays import Floats, Ints
from headscore.errors import InputError, UsageError, unknown_name
from headscore.options import TestOptions
from headscore.report import stored_tables
from headscore.report.base_table import BaseTable
from headscore.report.facts import facts_of_test
from headscore.report.stored_facts import OF_UNITS
from headscore.scores import align
from headscore.scores.checks import check_counts
from headscore.scores.head_scores import HeadScores, heads_of
from headscore.statistics.adjust import adjust
from headscore.statistics.both_directions import both_directions
from headscore.statistics.clusters import clusters_of_aligned
from headscore.statistics.columns import Columns
from headscore.statistics.criterion import criterion_of
from headscore.statistics.profiles import profiles, there__lh
from headscore.statistics.seed_counts import seed_counts
from headscore.statistics.seed_heads import assignment
from headscore.statistics.seeds import (
    ASSIGNED,
    COLUMNS,
    INDEX,
    INTERVALS,
    PAIRS,
    TESTS,
    WHAT,
    correspondence,
    intervals_table,
    seeds_table,
)

Table = TypeVar("Table", bound="SeedsTable")
_TABLES = {"table": COLUMNS, "intervals": INTERVALS, "pairs": PAIRS, "tests": TESTS}


@dataclass(frozen=True, eq=False, repr=False)
class SeedsTable(BaseTable):
    """The heads of several seeds of one training recipe.

    Attributes
    ----------
    table
        A row per seed and role: labels of n_heads heads have the role by a test of this seed alone,
        share = labels / n_heads; above have a mean score above tau, and depth is the mean relative
        depth of these, from 0 in the first layer to 1 in the last, missing where there are none.
    intervals
        For each role rows of what: "heads", the number of heads of a seed whose mean score over all
        documents exceeds tau, "share" of all heads, and "depth", their mean relative depth. mean
        over n_seeds seeds; low and high: a two-sided interval of level 1 - alpha of the expectation
        over seeds of the recipe, of which these are a sample, as the documents are one of theirs;
        of depth, over seeds with such a head. sd_seeds is the standard deviation of the seeds,
        se_documents the standard error that documents add, however many seeds there are.
    pairs
        A row per pair of seeds: index_distance is the mean distance of the profiles of heads of the
        same layer and number, index_expected its mean if the heads of a layer were permuted;
        assigned_distance that of the best assignment of heads near in depth, assigned_expected its
        mean if each role were permuted on its own; same_index the share of heads that are
        assigned to the head of the same layer and number.
    tests
        The rows "same index" and "assigned": mean distance over all pairs, its mean under H0, and
        pvalue, see `headscore.statistics.seed_heads`.
    means
        float64 (seed, role, layer, head), the mean scores.
    heads
        int64 (layer,), how many heads each layer has.
    names, roles
        Name of each seed and of each role.
    facts, counts
        Entries of the signature, and the numbers of sequences and of seeds.
    """

    COLUMNS: ClassVar[Columns] = COLUMNS
    KIND: ClassVar[str] = "seeds"
    FACTS = OF_UNITS
    COUNTS = ("sequences", "seeds")

    table: pd.DataFrame
    intervals: pd.DataFrame
    pairs: pd.DataFrame
    tests: pd.DataFrame
    means: Floats
    heads: Ints
    roles: tuple[str, ...]
    facts: Mapping[str, str]
    counts: Mapping[str, int]

    def __post_init__(self) -> None:
        expected: dict[str, list[tuple[str, ...]]] = {
            "table": [(name, role) for name in self.names for role in self.roles],
            "intervals": [(role, what) for role in self.roles for what in WHAT],
            "pairs": list(combinations(self.names, 2)),
            "tests": [(INDEX,), (ASSIGNED,)],
        }
        for name, rows in expected.items():
            table = getattr(self, name)
            # The first columns name a row.
            found = list(zip(*(table[each] for each in list(table)[: len(rows[0])]), strict=True))
            if found != rows:
                pairs = zip_longest(rows, found)
                wanted, got = next(each for each in pairs if each[0] != each[1])
                raise InputError(f"{name} must have the row of {wanted}, got {got}")
        self._check_means()

    def _check_means(self) -> None:
        """Raise InputError where the heads are not those of the means."""
        n_seeds, _, n_layers, n_heads = self.means.shape
        if n_seeds < 2 or n_seeds != len(self.names) or len(self.heads) != n_layers:
            raise InputError(
                f"means must be of {len(self.names)} seeds, at least 2, and {len(self.heads)} "
                f"layers, got {self.means.shape}"
            )
        check_counts("heads", self.heads, (n_layers,), n_heads)
        if not self.heads.any():
            raise InputError("heads must have at least one, got none")

    def __repr__(self) -> str:
        return f"{type(self).__name__}({len(self.names)} seeds, {self.signature})"

    @classmethod
    def from_scores(
        cls: type[Table],
        scores: Mapping[str, HeadScores],
        options: TestOptions,
        *,
        seed: int = 0,
    ) -> Table:
        """Compare seeds of one training recipe.

        Parameters
        ----------
        scores
            Name of each seed to its scores, on the same sequences.
        options
            The test; intervals have the level 1 - alpha.
        seed
            Of the resamples and permutations.

        Raises
        ------
        UsageError
            If there are fewer than two seeds, or an option has a value that is not allowed.
        InputError
            If the seeds are not of the same sequences, tokens, roles, layers and heads.
        """
        _check(scores)
        aligned = align.aligned(scores)
        first = next(iter(aligned.values()))
        clusters = clusters_of_aligned([*aligned.values()], options.clusters)
        criterion = criterion_of(options, first.roles, first.attainable)
        tests = [both_directions(each, criterion, clusters, options) for each in aligned.values()]
        labels = np.stack([adjust(each.above, options.adjust) <= options.alpha for each in tests])
        counts = [seed_counts(each, criterion, clusters, seed=seed) for each in aligned.values()]
        means, heads = np.stack([each.mean for each in tests]), heads_of(first)
        n_heads, names = int(heads.sum()), list(aligned)
        n_units = clusters.effective(first.n_sequences)
        pairs, compared = correspondence(names, means, heads, seed=seed)
        return cls(
            table=seeds_table(names, first.roles, labels, counts, n_heads),
            intervals=intervals_table(
                *(first.roles, counts, n_units),
                n_heads=n_heads,
                n_layers=len(heads),
                alpha=options.alpha,
            ),
            pairs=pairs,
            tests=compared,
            means=means,
            heads=heads,
            roles=first.roles,
            facts={
                **_shared({name: each.facts for name, each in aligned.items()}),
                **facts_of_test(criterion, first.roles, clusters, options),
                "seed": str(seed),
            },
            counts={"sequences": first.n_sequences, "seeds": len(names)},
        )

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each seed."""
        return tuple(dict.fromkeys(self.table["seed"]))

    @property
    def alpha(self) -> float:
        """Significance level of the tests, and one minus the level of the intervals."""
        return float(self.facts["alpha"])

    def labels(self, role: str) -> list[int]:
        """Return how many heads of each seed have the label of a role."""
        return self.table.loc[self.table["role"] == role, "labels"].tolist()

    def tested(self, role: str) -> list[bool]:
        """Return for each seed whether any sequence takes part in a role."""
        known = ~np.isnan(self.means[:, self.roles.index(role)])
        return [bool(each.any()) for each in known]

    def above(self, role: str) -> list[int]:
        """Return how many heads of each seed have a mean score above tau."""
        return self.table.loc[self.table["role"] == role, "above"].tolist()

    def interval(self, role: str, what: str) -> Mapping[Hashable, Any]:
        """Return the numbers of a row of `intervals`, by column.

        Raises
        ------
        UsageError
            If there is no such role, or what is not "heads", "share" or "depth".
        """
        for name, value, known in (("role", role, self.roles), ("what", what, WHAT)):
            if value not in known:
                raise UsageError(unknown_name(f"{name} must be one of the seeds", value, known))
        rows = self.intervals
        return rows[(rows["role"] == role) & (rows["what"] == what)].to_dict("records")[0]

    def of_test(self, heads: str) -> Mapping[Hashable, Any]:
        """Return the numbers of a row of `tests`, by column."""
        return self.tests[self.tests["heads"] == heads].to_dict("records")[0]

    def matches(self, seed: str, other: str) -> pd.DataFrame:
        """Return the best assignment of the heads of two seeds: layer, head, to_layer, to_head.

        And distance, of their profiles. Raise UsageError if there is no such seed.
        """
        for name in (seed, other):
            if name not in self.names:
                raise UsageError(unknown_name("seed must be one of the seeds", name, self.names))
        of_heads = profiles(self.means, self.heads)
        first, second = (of_heads[self.names.index(name)] for name in (seed, other))
        places, distance = assignment(first, second, self.heads)
        layer, head = np.nonzero(there__lh(self.heads, self.means.shape[3]))
        return pd.DataFrame(
            {
                "layer": layer,
                "head": head,
                "to_layer": layer[places],
                "to_head": head[places],
                "distance": distance,
            }
        )

    @classmethod
    def layouts(cls) -> dict[tuple[str, int], files.Layout]:
        """Return the layouts of a file of seeds, by kind and format version."""
        arrays = {"means": files.Field("float64", "nrlh"), "heads": files.Field("int64", "l")}
        return {(cls.KIND, files.FORMAT_VERSION): {**stored_tables.layout(_TABLES), **arrays}}

    def stored(self) -> files.Stored:
        """Return the content of a file of these seeds."""
        arrays = stored_tables.to_arrays(_TABLES, {name: getattr(self, name) for name in _TABLES})
        arrays |= {"means": self.means, "heads": self.heads}
        return files.Stored(
            kind=self.KIND, roles=self.roles, facts=self.facts, counts=self.counts, arrays=arrays
        )

    @classmethod
    def from_stored(cls: type[Table], stored: files.Stored) -> Table:
        """Return the seeds of a file; raise InputError if its parts do not fit together."""
        arrays = stored.arrays
        cls._check_file(stored.roles, stored.facts, stored.counts)
        return cls(
            **stored_tables.from_arrays(_TABLES, arrays),
            means=arrays["means"],
            heads=arrays["heads"],
            roles=stored.roles,
            facts=stored.facts,
            counts=stored.counts,
        )


def _check(scores: Any) -> None:
    if not isinstance(scores, Mapping):
        raise UsageError(
            f"scores must map names of seeds to HeadScores, got {type(scores).__name__}"
        )
    if len(scores) < 2:
        raise UsageError(f"scores must hold at least 2 seeds, got {len(scores)}")
    for name, each in scores.items():
        if not isinstance(name, str) or not name:
            raise UsageError(f"names of seeds must be texts that are not empty, got {name!r}")
        if not isinstance(each, HeadScores):
            raise UsageError(
                f"scores must map names of seeds to HeadScores, got {type(each).__name__} "
                f"for {name!r}"
            )


def _shared(facts: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """Return the facts in which all seeds agree."""
    first = next(iter(facts.values()))
    return {
        key: value
        for key, value in first.items()
        if all(each.get(key) == value for each in facts.values())
    }
