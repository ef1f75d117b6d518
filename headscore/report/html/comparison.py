"""The page of a comparison: before, after and change side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from headscore.arrays import Bools, Floats
from headscore.options import ATTAINED
from headscore.report import change_sentences
from headscore.report.change_table import ChangeTable
from headscore.report.html import cells, paths
from headscore.report.html.cells import Column
from headscore.report.html.page import render, short_model
from headscore.statistics.change import CHANGED

if TYPE_CHECKING:
    import pandas as pd

_COLUMNS = (
    Column("role", "role", "text"),
    Column("layer", "layer", "int"),
    Column("head", "head", "int"),
    Column("n", "n", "int"),
    Column("mean_before", "mean before", "number"),
    Column("mean_after", "mean after", "number"),
    Column("change", "change", "number"),
    Column("ci_low", "from", "number"),
    Column("ci_high", "to", "number"),
    Column("pvalue_adj", "adjusted p", "p", 3),
    Column("d_z", "d_z", "number", 3),
    Column("label_after", "label after", "bool"),
    Column("verdict_before", "verdict before", "verdict"),
    Column("verdict_after", "verdict after", "verdict"),
    Column("outcome", "outcome", "text"),
    Column("status", "status", "text"),
)
_SIDES = ("before", "after")
_ORDER = (*CHANGED, "unclear", "kept", "absent")


def comparison_page(comparison: ChangeTable) -> str:
    """Return a comparison as one self-contained HTML page.

    Parameters
    ----------
    comparison
        The comparison.
    """
    table, facts = comparison.table, comparison.facts
    columns = cells.present(_titled(comparison), table)
    shown, left_out = _rows(table)
    models = comparison.titles
    context = {
        "title": " → ".join(short_model(model) for model in models),
        "names": comparison.names,
        "shades": "the mean score above 1"
        if comparison.scale == "mean"
        else "the share of what is attainable",
        "changed_if": change_sentences.changed_if(comparison),
        "models": models,
        "answer": change_sentences.answer(comparison),
        "summary": change_sentences.summary(comparison).splitlines(),
        "roles": comparison.roles,
        "layers": int(table["layer"].max()) + 1,
        "heads": int(table["head"].max()) + 1,
        "maps": _maps(comparison),
        "layer_table": _layer_table(comparison),
        "mcnemar": comparison.mcnemar().to_dict("records"),
        "columns": columns,
        "rows": cells.rows(shown, columns),
        "left_out": left_out,
        "facts": facts,
        "counts": comparison.counts,
        "signature": comparison.signature,
    }
    return render("comparison.html", context, cells.data(table, columns, comparison.roles))


def _titled(comparison: ChangeTable) -> tuple[Column, ...]:
    """Return the columns, with the names of the sides in their titles."""
    names = dict(zip(_SIDES, comparison.names, strict=True))
    what = "attained" if comparison.scale == ATTAINED else "mean"

    def title(column: Column) -> str:
        words = [names.get(word, word) for word in column.title.split()]
        return " ".join(what if word == "mean" else word for word in words)

    return tuple(replace(each, title=title(each)) for each in _COLUMNS)


def _rows(table: pd.DataFrame) -> tuple[pd.DataFrame, int]:
    """Return the rows of the page, changed ones first, and the number left out."""
    rank = table["outcome"].map(_ORDER.index)
    size = -table["change"].abs()
    ordered = table.assign(_rank=rank, _size=size).sort_values(["_rank", "_size"], kind="stable")
    shown = ordered.head(cells.MOST_ROWS)
    return shown, len(table) - len(shown)


def _maps(comparison: ChangeTable) -> list[dict[str, Any]]:
    """Return three maps per role: before and after on one scale, and the change."""
    before, after, difference = (
        comparison.array(name).astype(float) for name in ("mean_before", "mean_after", "change")
    )
    outcome = comparison.array("outcome")
    uniform = 0 if comparison.scale == ATTAINED else 1  # the mean of uniform attention
    found = []
    for number, role in enumerate(comparison.roles):
        # Effects above uniform attention, relative to the larger of both sides.
        most = _largest(np.maximum(before[number], after[number]) - uniform)
        sides = [
            {
                "side": name,
                "shades": paths.shades(np.clip((mean[number] - uniform) / most, 0, 1)),
                "label": paths.dots(comparison.array(f"label_{side}")[number]),
            }
            for side, name, mean in zip(_SIDES, comparison.names, (before, after), strict=True)
        ]
        change = difference[number] / _largest(np.abs(difference[number]))
        found.append(
            {
                "role": role,
                "number": number,
                "sides": sides,
                "up": paths.shades(np.clip(change, 0, 1)),
                "down": paths.shades(np.clip(-change, 0, 1)),
                "gained": _triangles(np.isin(outcome[number], ("gained", "appeared")), up=True),
                "lost": _triangles(np.isin(outcome[number], ("lost", "vanished")), up=False),
                "counts": {name: int((outcome[number] == name).sum()) for name in _ORDER},
            }
        )
    return found


def _largest(values: Floats) -> float:
    # 1.0 in place of 0, so that an all-zero map is divided by something.
    return float(np.nanmax(values, initial=0.0, where=np.isfinite(values))) or 1.0


def _triangles(where: Bools, *, up: bool) -> str:
    shape = "l2.5 5h-5z" if up else "l2.5 -5h-5z"
    y = 2 if up else 7
    return "".join(
        f"M{h * paths.CELL + 4.5} {k * paths.CELL + y}{shape}" for k, h in np.argwhere(where)
    )


def _layer_table(comparison: ChangeTable) -> list[dict[str, Any]]:
    counts = comparison.layers()
    return [
        {
            "layer": layer,
            "cells": [
                {name: int(counts.loc[layer, (role, name)]) for name in (*_SIDES, "change")}
                for role in comparison.roles
            ],
        }
        for layer in counts.index
    ]
