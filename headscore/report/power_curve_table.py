"""PowerCurveTable: what corpora of each size would show, from a pilot; with its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

import numpy as np
import pandas as pd

from headscore import files
from headscore.arrays import Floats, Ints
from headscore.errors import InputError
from headscore.options import LEAST_SIZE, PowerOptions
from headscore.report.base_table import BaseTable
from headscore.report.role_table import RoleTable
from headscore.report.stored_facts import COUNT, OF_UNITS, SHARE
from headscore.report.wording import how_many
from headscore.scores.head_scores import HeadScores, check_scores
from headscore.statistics.clusters import clusters_of
from headscore.statistics.columns import Columns
from headscore.statistics.criterion import criterion_of
from headscore.statistics.power_curve import STATES, Draws, draw_corpora
from headscore.statistics.verdict import VERDICTS

Table = TypeVar("Table", bound="PowerCurveTable")

_COUNTS = {
    "documents": "int64",
    "sequences": "float64",
    "labels": "float64",
    "labels_error": "float64",
    "labels_low": "float64",
    "labels_high": "float64",
    "share": "float64",
    "robust": "float64",
    "robust_error": "float64",
    "has_not": "float64",
    "has_not_error": "float64",
    "undecided": "float64",
    "undecided_error": "float64",
}
COLUMNS = Columns({"role": "str", **_COUNTS, "coverage": "float64", "deff": "float64"})
_TOTALS = Columns(_COUNTS)
_CELLS = {"layer": "int64", "head": "int64", "role": "str"}
_POWER = Columns({**_CELLS, "documents": "int64", "power": "float64", "error": "float64"})
_NEEDED = Columns({**_CELLS, "verdict": "str", "needed": "float64"})
RANGE = 0.9  # of the studies whose labels lie in labels_low .. labels_high
_ARRAYS = {
    "documents": files.Field("int64", "n"),
    "sequences": files.Field("float64", "n"),
    "coverage": files.Field("float64", "nr"),
    "deff": files.Field("float64", "nr"),
    "once": files.Field("int64", "ndrs"),
    "twice": files.Field("int64", "ndrs"),
    "power": files.Field("float64", "nrlh"),
}
_PILOT = {"pilot": files.Field("int64", "rlh")}


@dataclass(frozen=True, eq=False, repr=False)
class PowerCurveTable(BaseTable):
    """What corpora of each size would show, from a pilot.

    Corpora are drawn from the units of the pilot (documents, where they are known), with
    replacement, and tested as `headscore.test` would test them with these units: coverage, design
    effect and the rule of `robust` come in by themselves. Draws from a pilot are too certain, as
    its means are not those of the population. So there are draws of a second kind, each from a
    pilot of its own that was drawn from the pilot: they differ from draws of the first kind as
    these differ from new data, by bootstrap's analogy. Expected numbers are corrected by that
    difference, ``2 first - second``: Hall, "The Bootstrap and Edgeworth Expansion" (1992), section
    1.4. Ranges of numbers and the power of single cells, where the uncertainty of the pilot counts,
    come from draws of the second kind.

    Against fresh studies of two real models expected labels were right and `has_not` up to 5 % too
    large; `robust` was too large, from a pilot of a fifth of the documents by 1 to 42 %, and the
    ranges held 80 to 91 % of the studies (benchmarks/power_pilot.py).

    Attributes
    ----------
    draws
        The tests of all corpora.
    pilot
        int64 (role, layer, head), verdict of the pilot: 1, 2, 3 for "has", "has_not", "undecided",
        0 where it was not tested.
    roles
        Name of each role.
    facts
        The entries of the signature of the pilot and its test, with pilot_units, resamples, seed
        and power.
    counts
        Counts of the pilot, with the numbers of its sequences and heads.

    Raises
    ------
    InputError
        The arrays do not fit the roles.
    """

    KIND: ClassVar[str] = "power"
    FACTS: ClassVar = {**OF_UNITS, "pilot_units": COUNT, "resamples": COUNT, "power": SHARE}
    COUNTS = ("sequences", "heads")
    COLUMNS: ClassVar[Columns] = COLUMNS

    draws: Draws
    pilot: Ints
    roles: tuple[str, ...]
    facts: Mapping[str, str]
    counts: Mapping[str, int]

    def __post_init__(self) -> None:
        if len(self.pilot) != len(self.roles) or self.draws.once.shape[-1] != len(STATES):
            raise InputError(
                f"draws must be of {len(self.roles)} roles and {len(STATES)} states, got "
                f"{len(self.pilot)} and {self.draws.once.shape[-1]}"
            )
        sizes = self.draws.documents
        if not len(sizes) or sizes[0] < 1 or (np.diff(sizes) <= 0).any():
            raise InputError(f"documents must be increasing sizes, got {sizes.tolist()}")
        if self.draws.once.shape[1] < 2 or 0 in self.draws.power.shape:
            raise InputError(
                f"draws must be at least 2, of heads, got {self.draws.once.shape[1]} of "
                f"{self.draws.power.shape[2:]}"
            )
        if not np.isin(self.pilot, range(len(VERDICTS) + 1)).all():
            raise InputError(f"pilot must lie in 0..{len(VERDICTS)}, got {self.pilot.max()}")
        if not ((self.draws.power >= 0) & (self.draws.power <= 1)).all():
            raise InputError("power must lie in 0..1, got others")

    def __repr__(self) -> str:
        sizes = ", ".join(map(str, self.draws.documents))
        return f"{type(self).__name__}({self.units} {sizes}; {self.signature})"

    @classmethod
    def from_scores(cls: type[Table], scores: HeadScores, options: PowerOptions) -> Table:
        """Draw corpora from a pilot and test them; raises as `headscore.power_curve`."""
        check_scores(scores)
        # What a table of labels does not need.
        scores = replace(scores, lengths=None, excess=None, position_sums=None)
        criterion = criterion_of(options, scores.roles, scores.attainable)
        clusters = clusters_of(scores, options.clusters)
        n_units = len(scores.values) if clusters.codes is None else int(clusters.codes.max()) + 1
        if n_units < LEAST_SIZE:
            raise InputError(
                f"pilot must have at least {LEAST_SIZE} units, with fewer no head is tested, got "
                f"{n_units}"
            )
        tested = RoleTable.from_scores(scores, options, clusters)
        return cls(
            draws=draw_corpora(scores, clusters, criterion, options),
            pilot=_codes(tested),
            roles=scores.roles,
            facts={
                **tested.facts,
                "pilot_units": str(n_units),
                "resamples": str(options.resamples),
                "seed": str(options.seed),
                "power": f"{options.power:.12g}",
            },
            counts={**tested.counts, "heads": int(tested.heads_per_layer.sum())},
        )

    @property
    def units(self) -> str:
        """What was drawn, as a plural: documents, sequences, or clusters."""
        name = self.facts["clusters"]
        return {"none": "sequences", "document": "documents"}.get(name, "clusters")

    def named(self, n: int) -> str:
        """Return a number of units as text: "60 documents"."""
        return how_many(n, self.units.removesuffix("s"))

    @property
    def table(self) -> pd.DataFrame:
        """What is expected of each role at each size, rows by role.

        Columns role; documents, the units of a corpus; sequences, their mean number; labels, the
        expected number, with its Monte Carlo error, and labels_low and labels_high, a nominal
        range of 90 % of studies; share, of the heads that get a label; robust, has_not and
        undecided, expected numbers with their errors; coverage and deff, means over draws and
        cells.
        """
        tables = []
        for number, role in enumerate(self.roles):
            columns = self._counts(np.s_[:, :, number])
            columns |= {"coverage": self.draws.coverage[:, number]}
            columns |= {"deff": self.draws.deff[:, number]}
            tables.append(COLUMNS.frame({"role": [role] * len(self.draws.documents), **columns}))
        return pd.concat(tables, ignore_index=True)

    @property
    def totals(self) -> pd.DataFrame:
        """What is expected of all roles together at each size; columns as in `table`."""
        columns = self._counts(np.s_[:, :, :])
        return _TOTALS.frame(columns)

    @property
    def cells(self) -> pd.DataFrame:
        """The power of each cell at each size.

        Columns layer, head, role, documents, power (probability of a label, over the uncertainty of
        the pilot and that of a new corpus) and error (Monte Carlo).
        """
        power = self.draws.power
        size, *at = (each.ravel() for each in np.indices(power.shape))
        n_draws = self.draws.twice.shape[1]
        return _POWER.frame(
            {
                **self._names(*at),
                "documents": self.draws.documents[size],
                "power": power.ravel(),
                "error": np.sqrt(power * (1 - power) / n_draws).ravel(),
            }
        )

    @property
    def needed(self) -> pd.DataFrame:
        """How many units each cell needs to get a label.

        Columns layer, head, role, verdict (of the pilot) and needed: the smallest size at which the
        power is reached, between two sizes by interpolation of the power over their logarithm; the
        first size where it suffices already, NaN where more than the last one is needed.
        """
        at = [each.ravel() for each in np.indices(self.pilot.shape)]
        verdicts = np.array(["", *VERDICTS], dtype=object)
        return _NEEDED.frame(
            {
                **self._names(*at),
                "verdict": verdicts[self.pilot.ravel()],
                "needed": _reached(
                    self.draws.documents,
                    self.draws.power.reshape(len(self.draws.documents), -1),
                    float(self.facts["power"]),
                ),
            }
        )

    def _names(self, role: Ints, layer: Ints, head: Ints) -> dict[str, object]:
        return {"layer": layer, "head": head, "role": np.array(self.roles, dtype=object)[role]}

    def _counts(self, roles: tuple[slice | int, ...]) -> dict[str, object]:
        """Return the columns of numbers for one role, or the sums over all."""
        once, twice = (
            each[roles].reshape(*each.shape[:2], -1, len(STATES)).sum(axis=2)
            for each in (self.draws.once, self.draws.twice)
        )
        n_heads = self.counts["heads"] * self.draws.once[:1, :1][roles].size // len(STATES)
        n_draws = once.shape[1]
        expected = np.clip(2 * once.mean(axis=1) - twice.mean(axis=1), 0, n_heads)
        robust = [STATES.index(name) for name in ("robust", "labels")]
        expected[:, robust[0]] = expected[:, robust].min(axis=1)  # a robust label is a label
        error = np.sqrt((4 * once.var(axis=1, ddof=1) + twice.var(axis=1, ddof=1)) / n_draws)
        low, high = np.quantile(twice[..., 0], [(1 - RANGE) / 2, (1 + RANGE) / 2], axis=1)
        columns: dict[str, object] = {
            "documents": self.draws.documents,
            "sequences": self.draws.sequences,
            "labels_low": low,
            "labels_high": high,
            "share": expected[:, 0] / max(n_heads, 1),
        }
        for number, state in enumerate(STATES):
            columns[state] = expected[:, number]
            columns[f"{state}_error"] = error[:, number]
        return columns

    @classmethod
    def layouts(cls) -> dict[tuple[str, int], files.Layout]:
        """Return the layouts of a file of power, by kind and format version."""
        return {(cls.KIND, files.FORMAT_VERSION): {**_ARRAYS, **_PILOT}}

    def stored(self) -> files.Stored:
        """Return the content of a file of this power."""
        arrays = {name: getattr(self.draws, name) for name in _ARRAYS}
        return files.Stored(
            kind=self.KIND,
            roles=self.roles,
            facts=self.facts,
            counts=self.counts,
            arrays={**arrays, "pilot": self.pilot},
        )

    @classmethod
    def from_stored(cls: type[Table], stored: files.Stored) -> Table:
        """Return the power of a file; raise InputError if its parts do not fit together."""
        cls._check_file(stored.roles, stored.facts, stored.counts)
        return cls(
            draws=Draws(**{name: stored.arrays[name] for name in _ARRAYS}),
            pilot=stored.arrays["pilot"],
            roles=stored.roles,
            facts=stored.facts,
            counts=stored.counts,
        )


def _codes(tested: RoleTable) -> Ints:
    """Return the verdict of each cell as a number, int64 (role, layer, head)."""
    verdict = tested.array("verdict")
    return np.asarray(sum((n + 1) * (verdict == name) for n, name in enumerate(VERDICTS)), np.int64)


def _reached(sizes: Ints, power__nc: Floats, wanted: float) -> Floats:
    """Return the size at which each cell first reaches a power, (cell,); NaN where none does."""
    enough = power__nc >= wanted
    first = enough.argmax(axis=0)
    cell = np.arange(power__nc.shape[1])
    before = np.maximum(first - 1, 0)
    low, high = power__nc[before, cell], power__nc[first, cell]
    logs = np.log(sizes)
    share = np.where(high > low, (wanted - low) / np.where(high > low, high - low, 1), 1.0)
    between = np.exp(logs[before] + share * (logs[first] - logs[before]))
    return np.where(enough.any(axis=0), np.where(first == 0, sizes[0] * 1.0, between), np.nan)
