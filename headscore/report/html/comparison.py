"""The page of a comparison: before, after and change side by side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from headscore.arrays import Floats, Texts
from headscore.options import ATTAINED
from headscore.report import change_counts, change_sentences
from headscore.report.change_table import ChangeTable
from headscore.report.html import cells, marks, paths
from headscore.report.html.cells import Column
from headscore.report.html.page import render
from headscore.report.side_words import (
    SIDES,
    change_word,
    directions_of,
    outcomes_of,
    places_of,
    scale_name,
    short_outcomes_of,
)
from headscore.report.signs import states
from headscore.statistics.change import CHANGED

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
_ORDER = (*CHANGED, "unclear", "kept", "absent")


def comparison_page(comparison: ChangeTable) -> str:
    """Return a comparison as one self-contained HTML page.

    Parameters
    ----------
    comparison
        The comparison.
    """
    facts, outcomes = comparison.facts, short_outcomes_of(comparison.facts)
    ordered = _ordered(comparison)
    table = comparison.table.replace({"outcome": outcomes})
    columns = cells.present(_titled(comparison), table)
    shown = table.loc[ordered[: cells.MOST_ROWS]]
    context = {
        "title": " → ".join(comparison.titles),
        "names": comparison.names,
        "paired": comparison.paired,
        "places": places_of(facts),
        "change": change_word(facts),
        "directions": directions_of(facts),
        "cautions": change_sentences.cautions(comparison),
        "inference": change_sentences.inference(comparison),
        "scale_name": scale_name(facts),
        "changed_if": change_sentences.changed_if(comparison),
        "answer": change_sentences.answer(comparison),
        "summary": change_sentences.summary(comparison).splitlines(),
        "roles": comparison.roles,
        "layers": int(table["layer"].max()) + 1,
        "heads": int(table["head"].max()) + 1,
        "maps": _maps(comparison),
        "state_keys": marks.state_keys(_present(comparison), "position"),
        "outcome_keys": marks.outcome_keys(outcomes_of(facts)),
        "layer_table": _layer_table(comparison),
        "mcnemar": comparison.mcnemar().to_dict("records"),
        "counts_titles": change_counts.titles(comparison),
        "taking_part": change_counts.taking_part(comparison),
        "intervals": change_sentences.intervals(comparison),
        "columns": columns,
        "rows": cells.rows(shown, columns),
        "left_out": len(table) - len(shown),
        "facts": facts,
        "counts": comparison.counts,
        "signature": comparison.signature,
    }
    data = cells.data(table, columns, comparison.roles, ordered)
    return render("comparison.html", context, data)


def _titled(comparison: ChangeTable) -> tuple[Column, ...]:
    """Return the columns, with the names of the sides in their titles."""
    words = dict(zip(SIDES, comparison.names, strict=True))
    words["mean"] = "attained" if comparison.scale == ATTAINED else "mean"
    words["change"] = change_word(comparison.facts)

    def title(column: Column) -> str:
        return " ".join(words.get(word, word) for word in column.title.split())

    return tuple(replace(each, title=title(each)) for each in _COLUMNS)


def _ordered(comparison: ChangeTable) -> pd.Index[Any]:
    """Return the rows: significant ones first, then by the outcome and the size of the change."""
    table = comparison.table
    keys = pd.DataFrame(
        {
            "other": ~(table["pvalue_adj"] <= float(comparison.facts["alpha"])),
            "outcome": table["outcome"].map(_ORDER.index),
            "size": -table["change"].abs(),
        }
    )
    return keys.sort_values(["other", "outcome", "size"], kind="stable").index


def _maps(comparison: ChangeTable) -> list[dict[str, Any]]:
    """Return three maps per role: before and after on one scale, and the change."""
    before, after, difference = (
        comparison.array(name).astype(float) for name in ("mean_before", "mean_after", "change")
    )
    outcome, state = comparison.array("outcome"), _states(comparison)
    uniform = 0 if comparison.scale == ATTAINED else 1  # the mean of uniform attention
    found = []
    for number, role in enumerate(comparison.roles):
        # Effects above uniform attention, relative to the larger of both sides.
        most = _largest(np.maximum(before[number], after[number]) - uniform)
        sides = [
            {
                "side": name,
                "shades": paths.shades(np.clip((mean[number] - uniform) / most, 0, 1)),
                "marks": marks.state_marks(state[side][number]),
            }
            for side, name, mean in zip(SIDES, comparison.names, (before, after), strict=True)
        ]
        largest = _largest(np.abs(difference[number]))
        change = difference[number] / largest
        found.append(
            {
                "role": role,
                "number": number,
                "sides": sides,
                "means": paths.steps(uniform, uniform + most),
                "changes": paths.steps(0.0, largest),
                "up": paths.shades(np.clip(change, 0, 1)),
                "down": paths.shades(np.clip(-change, 0, 1)),
                "marks": marks.outcome_marks(outcome[number]),
                "counts": _counts(outcome[number], comparison),
            }
        )
    return found


def _counts(outcome: Texts, comparison: ChangeTable) -> str:
    """Return how many heads have each outcome with a label on a side."""
    words = short_outcomes_of(comparison.facts)
    words |= {"kept": "kept" if comparison.paired else "on both sides", "unclear": "unclear"}
    counts = [f"{n} {text}" for name, text in words.items() if (n := int((outcome == name).sum()))]
    return ", ".join(counts) or "no heads"


def _states(comparison: ChangeTable) -> dict[str, Texts]:
    """Return the state of each cell (role, layer, head) on both sides."""
    status = comparison.array("status")
    return {
        side: states(
            comparison.array(f"verdict_{side}"), comparison.array(f"beyond_{side}"), status
        )
        for side in SIDES
    }


def _present(comparison: ChangeTable) -> set[str]:
    return {state for each in _states(comparison).values() for state in each.ravel().tolist()}


def _largest(values: Floats) -> float:
    # 1.0 in place of 0, so that an all-zero map is divided by something.
    return float(np.nanmax(values, initial=0.0, where=np.isfinite(values))) or 1.0


def _layer_table(comparison: ChangeTable) -> list[dict[str, Any]]:
    counts = comparison.layers()
    return [
        {
            "layer": layer,
            "cells": [
                {name: int(counts.loc[layer, (role, name)]) for name in (*SIDES, "change")}
                for role in comparison.roles
            ],
        }
        for layer in counts.index
    ]
