"""The page of a replication: maps of the number of studies, counts, studies, all cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from headscore.report import replication_sentences as sentences
from headscore.report.html import cells, marks, paths
from headscore.report.html.cells import Column
from headscore.report.html.figures import shade
from headscore.report.html.page import render
from headscore.report.replication_table import ReplicationTable
from headscore.report.signs import states
from headscore.report.wording import short_model
from headscore.statistics.verdict import HAS, HAS_NOT

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = (
    Column("role", "role", "text"),
    Column("layer", "layer", "int"),
    Column("head", "head", "int"),
    Column("verdict", "verdict", "verdict"),
    Column("replicated", "shown in", "int"),
    Column("absent", "shown absent in", "int"),
    Column("studies", "tested in", "int"),
    Column("pvalue_adj", "adjusted p", "p", 3),
    Column("bound", "mean at least", "number"),
    Column("mean_low", "lowest mean", "number"),
    Column("mean_high", "highest mean", "number"),
    Column("has_in", "label in", "text"),
    Column("has_not_in", "not in", "text"),
    Column("status", "status", "text"),
)
_LABEL = Column("label", "has", "bool")  # read by the script, which filters by it


def replication_page(replication: ReplicationTable) -> str:
    """Return a replication as one self-contained HTML page.

    Parameters
    ----------
    replication
        The replication.
    """
    table = _named(replication)
    columns = cells.present(_COLUMNS, table)
    columns = [each for each in columns if each.name != "status" or (table["status"] != "ok").any()]
    ordered = _ordered(table)
    shown = ordered.head(cells.MOST_ROWS)
    context = {
        "title": ", ".join(replication.names),
        "answer": sentences.answer(replication),
        "guarantee": sentences.guarantee(replication),
        "depending": sentences.depending(replication),
        "wanted": sentences.wanted(replication),
        "studies": replication.studies.assign(
            model=replication.studies["model"].map(short_model)
        ).to_dict("records"),
        "roles": replication.roles,
        "layers": int(table["layer"].max()) + 1,
        "heads": int(table["head"].max()) + 1,
        "steps": [_opacity(n, replication) for n in range(len(replication.studies) + 1)],
        "maps": _maps(replication),
        "state_keys": marks.state_keys((), "", sentences.words(replication)),
        "numbers": sentences.shown_numbers(replication),
        "counts": _counts(replication),
        "columns": columns,
        "rows": cells.rows(shown, columns),
        "left_out": len(table) - len(shown),
        "summary": sentences.summary(replication).splitlines(),
        "facts": replication.facts,
        "signature": replication.signature,
    }
    data = cells.data(table, [*columns, _LABEL], replication.roles, ordered.index)
    return render("replication.html", context, data)


def _named(replication: ReplicationTable) -> pd.DataFrame:
    """Return the table with the names of the studies that say either of a cell."""
    table = replication.table
    found = {
        name: [
            sentences.listed_studies(replication.studies_with(cell, verdict))
            for cell in range(len(table))
        ]
        for name, verdict in (("has_in", HAS), ("has_not_in", HAS_NOT))
    }
    return table.assign(label=table["verdict"] == HAS, **found)


def _ordered(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows, those shown in most studies first."""
    return table.sort_values(["label", "replicated", "bound"], ascending=False, kind="stable")


def _maps(replication: ReplicationTable) -> list[dict[str, Any]]:
    """Return the map of each role: a shade for each number of studies, marks of the verdicts."""
    replicated, verdict, status = (
        replication.array(name) for name in ("replicated", "verdict", "status")
    )
    state = states(verdict, np.full_like(verdict, ""), status)
    numbers = range(1, len(replication.studies) + 1)
    return [
        {
            "role": role,
            "number": at,
            "count": int((verdict[at] == HAS).sum()),
            "reading": sentences.of_role(replication, role),
            "shades": [
                (_opacity(n, replication), paths.cells(replicated[at] == n))
                for n in numbers
                if (replicated[at] == n).any()
            ],
            "untested": paths.cells(status[at] != "ok"),
            "marks": marks.state_marks(state[at]),
        }
        for at, role in enumerate(replication.roles)
    ]


def _opacity(number: int, replication: ReplicationTable) -> float:
    return round(number / len(replication.studies), 3)


def _counts(replication: ReplicationTable) -> list[dict[str, Any]]:
    """Return the heads of each role shown in at least so many studies, with a shade for each."""
    heads = max(int(replication.heads_per_layer.sum()), 1)
    return [
        {"role": role, "cells": [{"n": n, "shade": shade(n / heads)} for n in row]}
        for role, row in sentences.shown_counts(replication).items()
    ]
