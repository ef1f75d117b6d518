"""Format numbers, p-values and counts as text."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from headscore.demo import NAME, is_demo
from headscore.options import LabelOptions
from headscore.scores.signature import printable

if TYPE_CHECKING:
    import pandas as pd


def short_model(model: str) -> str:
    """Return the last two parts of a path or hub id, or the name of the demo's model."""
    if is_demo(model):
        return NAME
    return "/".join(PurePath(model.rstrip("/")).parts[-2:]) or "report"


def format_pvalue(pvalue: float) -> str:
    """Format a p-value with three digits, ``"< 1e-300"`` where it underflows, ``"-"`` for NaN."""
    if math.isnan(pvalue):
        return "-"
    return "< 1e-300" if pvalue < 1e-300 else f"{pvalue:.3g}"


def number(value: float, digits: int = 3) -> str:
    """Format a number with significant digits, ``"-"`` for NaN."""
    return "-" if math.isnan(value) else f"{value:.{digits}g}"


def some(count: int, what: str) -> str:
    """Format a count: ``"no heads"``, ``"1 head"``, ``"2 heads"``."""
    return how_many(count, what) if count else f"no {what}s"


def how_many(count: int, what: str, plural: str | None = None) -> str:
    """Format a count in digits: ``"0 heads"``, ``"1 head"``, ``"2 heads"``."""
    return f"{count} {what if count == 1 else plural or f'{what}s'}"


def cell_name(row: pd.Series[Any]) -> str:
    """Return the head of a row of a table as text, ``"1.8"``."""
    return f"{row['layer']}.{row['head']}"


def no_head_has(role: str, label: str, cells: pd.DataFrame) -> str:
    """Return that no head has a kind of label in a role, and which of its cells comes nearest."""
    by = "" if label == LabelOptions.label else f" ({label})"
    text = f"no head is shown to have {printable(role)}{by}"
    tested = cells[cells["mean"].notna()]
    if not len(tested):
        return f"{text}: {', '.join(cells['status'].unique())}"
    best = tested.nlargest(1, "mean").iloc[0]
    return f"{text}: the highest mean is {number(best['mean'])}, of head {cell_name(best)}"


def also_local(row: Mapping[Hashable, Any]) -> str:
    """Return the share of heads of the role syntactic that are also local, from a co-location row.

    Whether these heads are syntactic is another question, see `explained_by`.
    """
    share = f" ({row['share_of_a']:.0%})" if row["heads_a"] else ""
    are = "is" if row["heads_a"] == 1 else "are"
    heads = how_many(row["heads_a"], "head")
    return f"{row['both']} of {heads} of the role syntactic{share} {are} also local"


def explained_by(control: str, facts: Mapping[str, str]) -> str:
    """Return what a control of word pairs keeps equal, ``"position and word classes"``.

    Parameters
    ----------
    control
        A column of states, see `headscore.report.role_table.CONTROLS`.
    facts
        Of the report.
    """
    if control == "beyond_position":
        return "position"
    _, *columns = facts.get("control", "").split(",")
    if not columns:
        return "position and labels"
    if {*columns} <= {"upos", "xpos"}:
        return "position and word classes"
    return f"position and labels ({', '.join(map(printable, columns))})"


def without_position(table: pd.DataFrame, facts: Mapping[str, str]) -> str:
    """Return why selected sequences lack what position alone gives, or "" where nothing is lacking.

    Parameters
    ----------
    table
        Of a report.
    facts
        Of the report.
    """
    lacking = table["position_mean"].isna().all() and (table["beyond_position"] != "").any()
    if not lacking or "selected" not in facts:
        return ""
    return (
        "position and odds are known of whole corpora only: score these sequences on their own to "
        "have them"
    )


def explain(by: str) -> str:
    """Put what `explained_by` returns before its verb, ``"position explains"``."""
    return f"{by} {'explain' if ' and ' in by else 'explains'}"


def listing(parts: list[str]) -> str:
    """Join names as in a sentence: ``"a, b and c"``."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)
