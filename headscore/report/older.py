"""Tables in files of older formats: their columns, and how they become those of today."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from headscore.statistics import change, table
from headscore.statistics.columns import Columns
from headscore.statistics.verdict import HAS

_FILLED = {"float64": np.nan, "Int64": pd.NA, "str": "", "bool": False}
_MOVED = {"label_paper": "label_unadjusted"}  # old name: new name
_BEYOND = "boolean"  # was true, false or missing; of a ratio that was biased, so it is dropped


@dataclass(frozen=True)
class Older:
    """A table as an older format has it.

    Attributes
    ----------
    columns
        Its columns.
    facts
        The facts of today, made of the old ones.
    fill
        Known values of columns that it lacks, made of the old table and facts.
    lacks
        What it lacks, in words.
    """

    columns: Columns
    facts: Callable[[Mapping[str, str]], dict[str, str]]
    fill: Callable[[pd.DataFrame, Mapping[str, str]], dict[str, Any]]
    lacks: str

    def renewed(
        self, old: pd.DataFrame, facts: Mapping[str, str], columns: Columns
    ) -> pd.DataFrame:
        """Return an old table with the columns of today; what is not known is NaN, "" or False."""
        kept = [name for name, dtype in self.columns.dtypes.items() if dtype != _BEYOND]
        known: dict[str, Any] = {name: old[name] for name in kept}
        known |= {new: old[name] for name, new in _MOVED.items() if name in old}
        known |= self.fill(old, facts)
        missing = {
            name: [_FILLED[dtype]] * len(old)
            for name, dtype in columns.dtypes.items()
            if name not in known
        }
        return columns.frame({**missing, **known})


def _columns(today: Columns, since: tuple[str, ...], old: Mapping[str, str]) -> Columns:
    """Return the columns of today without those added since, with the old ones."""
    kept = {name: dtype for name, dtype in today.dtypes.items() if name not in {*since, *old}}
    allowed = {name: texts for name, texts in today.allowed.items() if name in kept}
    return Columns({**kept, **old}, allowed=allowed)


def _report_facts(facts: Mapping[str, str]) -> dict[str, str]:
    name = facts.get("clusters", "none")
    return {**facts, "unit": "sequences" if name == "none" else f"clusters ({name})"}


def _report_columns(old: pd.DataFrame, facts: Mapping[str, str]) -> dict[str, Any]:
    """Return verdicts and design effects; the latter from the test, whose error is that of units.

    ``statistic = (mean - tau) / se``, and ``deff = se^2 / (sd^2 / n)``.
    """
    known = {
        "verdict": np.where(old["label"], HAS, ""),
        "beyond_pvalue": np.full(len(old), np.nan),
    }
    if facts.get("clusters", "none") == "none":
        return {
            **known,
            "n_effective": old["n"].astype(np.float64),
            "deff": np.where(old["sd"] > 0, 1.0, np.nan),
        }
    statistic, sd = (old[name].where(old[name] != 0) for name in ("statistic", "sd"))
    return {**known, "deff": ((old["mean"] - old["tau"]) / statistic) ** 2 * old["n"] / sd**2}


def _change_columns(old: pd.DataFrame, facts: Mapping[str, str]) -> dict[str, Any]:
    """Return the units, which always were sequences, and verdicts."""
    del facts
    sides = ("before", "after")
    return {
        "n_clusters": old["n"],
        **{f"verdict_{side}": np.where(old[f"label_{side}"], HAS, "") for side in sides},
    }


REPORT_1 = Older(
    columns=_columns(
        table.COLUMNS,
        (
            *("n_effective", "deff", "attained_low", "attained_high", "verdict"),
            *("label_unadjusted", "position_mean", "beyond_odds"),
            *table.COLUMNS.optional,
        ),
        {
            "label_paper": "bool",
            "beyond_ratio": "float64",
            "beyond_pvalue": "float64",
            "beyond_position": _BEYOND,
        },
    ),
    facts=_report_facts,
    fill=_report_columns,
    lacks="verdicts other than of labels, intervals of attained and position control by odds",
)
COMPARISON_1 = Older(
    columns=_columns(
        change.COLUMNS,
        (
            *("n_clusters", "pvalue_skew", "verdict_before", "verdict_after"),
            *change.COLUMNS.optional,
        ),
        {"beyond_before": _BEYOND, "beyond_after": _BEYOND},
    ),
    facts=lambda facts: {**facts, "unit": "sequences"},
    fill=_change_columns,
    lacks="verdicts other than of labels, p-values after Hall's transformation and position "
    "control by odds",
)
