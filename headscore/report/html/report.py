"""The page of a report."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from headscore.errors import InputError
from headscore.options import UNKNOWN
from headscore.report import sentences
from headscore.report.effect_table import EffectTable
from headscore.report.html import cells, figures, looks, marks, paths
from headscore.report.html.cells import Column
from headscore.report.html.effect import section
from headscore.report.html.page import render
from headscore.report.maps import maps
from headscore.report.retest import by_holm, level_of, standard_errors
from headscore.report.role_table import RoleTable
from headscore.report.sensitivity import sensitivity
from headscore.report.signs import POSITION
from headscore.report.wording import explained_by, short_model, without_position
from headscore.statistics.verdict import HAS

_COLUMNS = (
    Column("role", "role", "text"),
    Column("layer", "layer", "int"),
    Column("head", "head", "int"),
    Column("n", "n", "int"),
    Column("n_clusters", "units", "int"),
    Column("mean", "mean", "number", 7),
    Column("position_mean", "of which position gives", "number"),
    Column("ci_low", "bound", "number"),
    Column("attainable", "of at most", "number", 7),
    Column("attained", "attained", "number", 3),
    Column("pvalue", "p", "p", 3),
    Column("pvalue_adj", "adjusted p", "p", 3),
    Column("label", "label", "bool"),
    Column("verdict", "verdict", "verdict"),
    Column("robust", "robust", "bool"),
    Column("beyond_odds", "× odds of position", "number", 3),
    Column("beyond_pvalue", "p beyond", "p", 3),
    Column("beyond_position", "beyond position", "verdict"),
    Column("matched_ratio", "× odds of matched entries", "number", 3),
    Column("matched_pvalue", "p matched", "p", 3),
    Column("matched", "beyond matched entries", "verdict"),
    Column("matched_share", "share matched", "number", 3),
    Column("deff", "design effect", "number", 3),
    Column("status", "status", "text"),
    Column("flags", "flags", "text"),
)
# What the script needs to test again at another threshold.
_SE = Column("se", "standard error", "number", 7)
_DF = Column("df", "degrees of freedom", "number", 7)


def report_page(report: RoleTable, effect: EffectTable | None = None) -> str:
    """Return a report as one self-contained HTML page.

    Parameters
    ----------
    report
        The report.
    effect
        What its model loses without the edges of its roles, for a section of its own.

    Raises
    ------
    InputError
        The effect is of another model.
    """
    if effect is not None:
        _check_same_model(report, effect)
    table = report.table
    pairs, choices = report.colocation(), sensitivity(report)
    control = report.control
    beyond = report.colocation(label=control) if report.beyond(control=control) else None
    columns = cells.present(_COLUMNS, table)
    if table["n_clusters"].equals(table["n"]):
        columns = [each for each in columns if each.name not in ("n_clusters", "deff")]
    ordered = _ordered(table)
    shown = _shown(ordered)
    model = str(table["model"].iloc[0])
    by, found = explained_by(control, report.facts), maps(report)
    context = {
        "title": short_model(model),
        "answer": sentences.answer(report),
        "effect": None if effect is None else section(effect),
        "roles": report.roles,
        "layers": int(table["layer"].max()) + 1,
        "heads": int(table["head"].max()) + 1,
        "looks": looks.section(report.facts),
        "by": by,
        "without_position": without_position(table, report.facts),
        "state_keys": marks.state_keys(found.state.ravel().tolist(), by),
        "steps": paths.steps(0.0, 1.0),
        "sensitivity": _sensitivity(choices),
        "sensitivity_reading": sentences.of_sensitivity(report, choices),
        "unit": found.unit,
        "maps": figures.role_maps(report),
        "combined": figures.combined(report),
        "places": figures.places(len(report.roles)),
        "combined_reading": sentences.of_combined(report),
        "layer_table": figures.layer_table(report),
        "layer_reading": sentences.of_layers(report),
        "colocation": figures.colocation_table(report, pairs, beyond),
        "colocation_reading": sentences.of_colocation(report, pairs),
        "beyond_reading": "" if beyond is None else sentences.of_colocation(report, beyond),
        "tau": figures.tau_chart(report),
        "slider": slider(report),
        "pvalues": figures.pvalue_chart(report),
        "columns": columns,
        "rows": cells.rows(shown, columns),
        "left_out": len(table) - len(shown),
        "coverage": _coverage(report),
        "coverage_reading": sentences.of_coverage(report),
        "facts": report.facts,
        "signature": report.signature,
    }
    return render("report.html", context, _data(report, columns, ordered.index))


def _check_same_model(report: RoleTable, effect: EffectTable) -> None:
    """Raise InputError unless the weights agree, or the names where no weights are known."""
    for fact in ("weights", "model"):
        own, other = (each.facts.get(fact) for each in (report, effect))
        if not own or not other or UNKNOWN in (own, other):
            continue
        if own != other:
            raise InputError(f"effect must be of the {fact} of the report, {own}, got {other}")
        return


def slider(report: RoleTable) -> float | None:
    """Return the initial threshold of the slider; None for another criterion or several taus."""
    tau = report.facts["tau"]
    # Thresholds by role are written "local=2,nsubj=3": one slider cannot stand for them.
    usable = report.facts.get("criterion", "mean") == "mean" and "=" not in tau
    return float(tau) if usable else None


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows by role; in each the labelled heads first, then by the bound of the mean."""
    # The table is sorted by role already: number the roles in that order, so that sorting keeps it.
    n_roles = table["role"].nunique()
    numbered = table.assign(_role=np.repeat(range(n_roles), len(table) // n_roles))
    order = ["_role", "label", "ci_low"]
    return numbered.sort_values(order, ascending=[True, False, False], kind="stable")


def _shown(ordered: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that are in the page itself."""
    if len(ordered) <= cells.MOST_ROWS:
        return ordered
    # Too many: labels only, an equal share of the rows for each role.
    labelled = ordered[ordered["label"]].groupby("_role")
    return labelled.head(cells.MOST_ROWS // ordered["role"].nunique())


def _data(report: RoleTable, columns: list[Column], order: pd.Index[Any]) -> dict[str, Any]:
    """Return the cells for the script, with standard errors and options for other taus."""
    table, more = report.table, dict[str, Any]()
    if slider(report) is not None:
        table = table.assign(se=standard_errors(report).ravel())
        columns = [*columns, _SE, _DF]
        more = {key: by_holm(report).facts[key] for key in ("tau", "adjust")}
        more["alpha"] = repr(level_of(report))
        more["shapes"] = {state: marks.shape(state) for state in (HAS, POSITION)}
    data = cells.data(table, columns, report.roles, order)
    return {**data, **more, "control": report.control}


def _sensitivity(counts: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the labels of each role where one choice is made differently, and their sum."""
    return [
        {
            "choice": choice,
            "value": value,
            "counts": ["not tested" if pd.isna(n) else n for n in row],
            "all": int(sum(n for n in row if not pd.isna(n))),
        }
        for (choice, value), row in zip(counts.index, counts.to_numpy(), strict=True)
    ]


def _coverage(report: RoleTable) -> list[dict[str, Any]]:
    """Return n, coverage and mean attainable of each role."""
    grouped = report.table.groupby("role", sort=False)
    return [
        {
            "role": role,
            "n": int(cells["n"].max()),
            "coverage": f"{cells['coverage'].max():.0%}",
            "attainable": float(cells["attainable"].mean()),
            "label": int(cells["label"].sum()),
            "robust": int(cells["robust"].sum()),
            "status": ", ".join(sorted(set(cells["status"]))),
        }
        for role, cells in grouped
    ]
