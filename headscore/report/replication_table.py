"""ReplicationTable: in how many studies each head has each role, and queries of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
import numpy.typing as npt
import pandas as pd

from headscore import files
from headscore.arrays import Array, Floats
from headscore.errors import InputError, UsageError
from headscore.log import log
from headscore.options import ReplicateOptions
from headscore.report.cell_table import CellTable
from headscore.report.role_table import RoleTable
from headscore.report.stored_facts import COUNT, LABEL, TESTED, TEXT
from headscore.report.study_tables import study_tables
from headscore.scores.align import joined
from headscore.statistics.columns import Columns
from headscore.statistics.replication import COLUMNS, replication_table
from headscore.statistics.study import Study, compared_with_position
from headscore.statistics.verdict import HAS, VERDICTS

Table = TypeVar("Table", bound="ReplicationTable")
STUDIES = Columns(
    {
        "name": "str",
        "model": "str",
        "corpus": "str",
        "sequences": "int64",
        "unit": "str",
        "labels": "int64",
    }
)
_CODES = ("", *VERDICTS)  # of verdicts in a file: uint8 0 .. 3
# Axis letters of `STUDIES` in a file: k (study), W .. Z (packed texts), as the table has c, A ....
_AXES = str.maketrans("cABCD", "kWXYZ")


@dataclass(frozen=True, eq=False, repr=False)
class ReplicationTable(CellTable):
    """In how many studies (corpora, genres, copies of a model) each head has each role.

    Attributes
    ----------
    table
        One row per (layer, head, role), in the order of the roles, then layers, then heads. The
        cell is tested in ``studies`` of the K studies, and has the label in ``labels`` of them, of
        each study on its own. ``pvalue`` is that of H0: the head has the role in fewer than
        ``at_least`` studies (partial conjunction, Benjamini and Heller 2008), ``pvalue_adj``
        adjusted over the cells. ``verdict``: "has", "has_not" (shown to have it in fewer) or
        "undecided". ``replicated`` is the largest number of studies in which the head is shown to
        have the role, ``absent`` in which it is shown not to: with probability 1 - alpha the number
        of studies with the role is at least ``replicated`` in all cells, and with probability 1 -
        alpha it is at most K - ``absent`` in all. ``bound`` is a lower confidence bound of the mean
        score that at least ``at_least`` studies exceed, unadjusted as ``ci_low`` of a report.
        ``mean_low`` and ``mean_high`` are the smallest and the largest mean. ``status`` is "ok";
        "few_studies", tested in fewer than ``at_least``; or why no study tests the cell.
    roles
        Name of each role.
    facts
        The entries of the signature: those of the studies, with studies, at_least, by, label, alpha
        and adjust.
    counts
        Numbers of studies and of sequences of all of them.
    studies
        A row per study: name, model, corpus, sequences, unit of independence, labels.
    means
        float64 (study, cell), NaN where a study does not test the cell.
    codes
        uint8 (study, cell): the verdict of each study, see `per_study`.

    Raises
    ------
    InputError
        If the rows of the table are not all heads of the first role, then of the second, ...
    """

    COLUMNS = COLUMNS
    KIND = "replication"
    FACTS: ClassVar = {**TESTED, "at_least": COUNT, "by": TEXT, "label": LABEL}
    COUNTS = ("studies", "sequences")
    OLDER: ClassVar = {}
    EXTRA: ClassVar = {
        "means": files.Field("float64", "kc"),
        "codes": files.Field("uint8", "kc"),
    }

    studies: pd.DataFrame
    means: Floats
    codes: npt.NDArray[np.uint8]

    def __post_init__(self) -> None:
        super().__post_init__()
        shape = len(self.studies), len(self.table)
        if self.means.shape != shape or self.codes.shape != shape:
            raise InputError(
                f"means and codes must be (study, cell) of shape {shape}, got {self.means.shape} "
                f"and {self.codes.shape}"
            )
        if (self.codes >= len(_CODES)).any():
            raise InputError(f"codes must lie in 0..{len(_CODES) - 1}, got {self.codes.max()}")

    @classmethod
    def from_studies(cls: type[Table], studies: Any, options: ReplicateOptions) -> Table:
        """Test in how many studies each head has each role; raise as `headscore.replicate`."""
        return cls.from_tables(study_tables(studies, options), options)

    @classmethod
    def from_tables(
        cls: type[Table], tables: Mapping[str, RoleTable], options: ReplicateOptions
    ) -> Table:
        """Test over the reports of studies, which are of the same cells and tested alike."""
        at_least = len(tables) if options.at_least is None else options.at_least
        if at_least > len(tables):
            raise UsageError(
                f"at_least must lie in 1..{len(tables)}, the number of studies, got {at_least}"
            )
        reports = list(tables.values())
        _warn_of_older(tables)
        options = replace(options, alpha=float(reports[0].facts["alpha"]))
        compared = compared_with_position([each.table for each in reports], options.label)
        studies = [Study.of_table(each.table, compared, each.facts) for each in reports]
        return cls(
            table=replication_table(reports[0].table, studies, at_least, options),
            roles=reports[0].roles,
            facts=_facts(reports, at_least, options),
            counts={
                "studies": len(reports),
                "sequences": sum(each.counts["sequences"] for each in reports),
            },
            studies=_described(tables, studies),
            means=np.stack([each.tested_mean for each in studies]),
            codes=np.stack([_coded(each.verdict) for each in studies]),
        )

    @property
    def at_least(self) -> int:
        """The number of studies that verdict, p-values and bound are of."""
        return int(self.facts["at_least"])

    @property
    def names(self) -> tuple[str, ...]:
        """Name of each study."""
        return tuple(self.studies["name"])

    def heads(self, role: str, *, at_least: int | None = None) -> pd.DataFrame:
        """Return the rows of the heads that have a role in several studies, the surest first.

        Parameters
        ----------
        role
            One of `roles`.
        at_least
            Rows with ``replicated`` of at least this; None: with the verdict "has".

        Raises
        ------
        UsageError
            There is no such role, or at_least is not in 1..K.
        """
        self.check_role(role)
        if at_least is not None and at_least not in range(1, len(self.studies) + 1):
            raise UsageError(f"at_least must lie in 1..{len(self.studies)}, got {at_least!r}")
        table = self.table
        has = table["verdict"] == HAS if at_least is None else table["replicated"] >= at_least
        rows = table[has & (table["role"] == role)]
        order = ["replicated", "bound"]
        return rows.sort_values(order, ascending=False, kind="stable", ignore_index=True)

    def counted(self) -> pd.DataFrame:
        """Count for each role the heads shown to have it in at least 1, 2, ... K studies.

        Returns
        -------
        pandas.DataFrame
            int, a row per role, a column per number of studies. All counts hold at once.
        """
        numbers = range(1, len(self.studies) + 1)
        replicated = self.table["replicated"].to_numpy().reshape(len(self.roles), -1)
        counts = {number: (replicated >= number).sum(axis=1) for number in numbers}
        index = pd.Index(self.roles, name="role")
        return pd.DataFrame(counts, index=index).rename_axis(columns="studies")

    def per_study(self) -> pd.DataFrame:
        """Return what each study says of each cell, on its own.

        Returns
        -------
        pandas.DataFrame
            Columns study, role, layer, head, mean and verdict: "has", "has_not" or "undecided",
            adjusted over the cells of the study; empty where it does not test the cell.
        """
        n_studies = len(self.studies)
        cells = self.table[["role", "layer", "head"]]
        repeated = pd.concat([cells] * n_studies, ignore_index=True)
        repeated.insert(0, "study", np.repeat(self.studies["name"].to_numpy(), len(cells)))
        verdict = np.array(_CODES, dtype=object)[self.codes.ravel()]
        return repeated.assign(mean=self.means.ravel(), verdict=verdict)

    def differing(self) -> pd.DataFrame:
        """Return the rows of the cells that depend on the study, the largest difference first.

        Such a head is shown to have the role in some study and shown not to in another, at once
        for all studies and cells: ``replicated`` and ``absent`` are both above 0. Either has a
        probability of at most alpha to be too large in any cell.
        """
        rows = self.table[(self.table["replicated"] > 0) & (self.table["absent"] > 0)]
        order = (rows["mean_high"] - rows["mean_low"]).sort_values(ascending=False, kind="stable")
        return rows.loc[order.index].reset_index(drop=True)

    def studies_with(self, cell: int, verdict: str) -> list[str]:
        """Return the names of the studies with a verdict on a cell, by its row in the table."""
        code = _CODES.index(verdict)
        return [
            name for name, each in zip(self.names, self.codes[:, cell], strict=True) if each == code
        ]

    @classmethod
    def layouts(cls) -> dict[tuple[str, int], files.Layout]:
        """Return the layouts of a file of such a table, by kind and format version."""
        return {key: {**layout, **_layout()} for key, layout in super().layouts().items()}

    def stored(self) -> files.Stored:
        """Return the content of a file of this table."""
        stored = super().stored()
        studies = STUDIES.to_arrays(self.studies)
        own = {_of_studies(name): array for name, array in studies.items()}
        return replace(stored, arrays={**stored.arrays, **own})

    @classmethod
    def _extra(cls, stored: files.Stored) -> dict[str, Any]:
        arrays: dict[str, Array] = {
            name: stored.arrays[_of_studies(name)] for name in STUDIES.dtypes
        }
        return {**super()._extra(stored), "studies": STUDIES.from_arrays(arrays)}


def _layout() -> dict[str, files.Field]:
    return {
        _of_studies(name): each._replace(axes=each.axes.translate(_AXES))
        for name, each in STUDIES.layout().items()
    }


def _of_studies(name: str) -> str:
    return f"study.{name}"


def _coded(verdict: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    return np.array([_CODES.index(each) for each in verdict], np.uint8)


def _described(tables: Mapping[str, RoleTable], studies: list[Study]) -> pd.DataFrame:
    reports = tables.values()
    return STUDIES.frame(
        {
            "name": list(tables),
            "model": [each.facts.get("model", "") for each in reports],
            "corpus": [each.facts.get("corpus", "") for each in reports],
            "sequences": [each.counts["sequences"] for each in reports],
            "unit": [each.facts["unit"] for each in reports],
            "labels": [int((each.verdict == HAS).sum()) for each in studies],
        }
    )


def _facts(reports: list[RoleTable], at_least: int, options: ReplicateOptions) -> dict[str, str]:
    by = options.by if options.by is None or isinstance(options.by, str) else "given"
    return {
        **joined([each.facts for each in reports]),
        "studies": str(len(reports)),
        "at_least": str(at_least),
        "by": "none" if by is None else by,
        "label": options.label,
        "alpha": f"{options.alpha:.12g}",
        "adjust": options.adjust,
    }


def _warn_of_older(tables: Mapping[str, RoleTable]) -> None:
    """Log the reports of older versions, without the p-values of the other direction."""
    for name, each in tables.items():
        if each.table["pvalue_below"].isna().all() and each.table["pvalue"].notna().any():
            log.warning(
                "%s: the report has no p-values of the other direction, so no head is shown not to "
                "have a role there; test its scores again to have them",
                name,
            )
