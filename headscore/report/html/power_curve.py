"""The page of power from a pilot."""

from __future__ import annotations

import math
from typing import Any

import pandas as pd

from headscore.report import power_sentences as sentences
from headscore.report.html import cells, paths
from headscore.report.html.cells import Column
from headscore.report.html.effect_bars import ticks
from headscore.report.html.page import render
from headscore.report.power_curve_table import PowerCurveTable
from headscore.report.wording import short_model
from headscore.statistics.power_curve import STATES
from headscore.statistics.verdict import UNDECIDED

WIDTH, HEIGHT = 460, 260  # of the chart, in units of its view box
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 90, 14, 44
_NUMBERS = (
    *(Column("labels", "labels", "number"), Column("labels_low", "from", "number")),
    *(Column("labels_high", "to", "number"), Column("labels_error", "error", "number")),
    *(Column("share", "share of heads", "number"), Column("robust", "robust", "number")),
    *(Column("has_not", "has not", "number"), Column("undecided", "undecided", "number")),
)
_MORE = (Column("coverage", "coverage", "number"), Column("deff", "design effect", "number"))
_NEEDED = ("role", "layer.head", "needed")
_DIGITS = {"share": 3, "coverage": 2, "deff": 2, "labels_error": 2}  # after the point; else 1


def power_page(curve: PowerCurveTable) -> str:
    """Return power from a pilot as one self-contained HTML page.

    Parameters
    ----------
    curve
        The power.
    """
    sizes = [Column("documents", curve.units, "int")]
    if curve.units != "sequences":
        sizes.append(Column("sequences", "sequences", "number"))
    totals = [*sizes, *_NUMBERS]
    of_roles = [Column("role", "role", "text"), *totals, *_MORE]
    context = {
        "title": short_model(str(curve.facts.get("model", ""))),
        "answer": sentences.answer(curve),
        "chart": _chart(curve),
        "totals": (totals, cells.rows(_rounded(curve.totals), totals)),
        "of_roles": (of_roles, cells.rows(_rounded(curve.table), of_roles)),
        "undecided": sentences.undecided(curve),
        "needed": (_NEEDED, _needed(curve)),
        "limits": sentences.LIMITS,
        "units": curve.units,
        "power": curve.facts["power"],
        "summary": sentences.summary(curve).splitlines(),
        "facts": curve.facts,
        "signature": curve.signature,
    }
    return render("power_curve.html", context)


def _rounded(table: pd.DataFrame) -> pd.DataFrame:
    return table.round({name: _DIGITS.get(name, 1) for name in table.columns})


def _needed(curve: PowerCurveTable) -> list[list[str]]:
    """Return the undecided cells of the pilot, those that need fewest units first."""
    needed = curve.needed
    rows = needed[needed["verdict"] == UNDECIDED].sort_values("needed", kind="stable")
    return [
        [
            str(row["role"]),
            f"{row['layer']}.{row['head']}",
            sentences.needed_text(curve, float(row["needed"])),
        ]
        for row in rows.head(cells.MOST_ROWS).to_dict("records")
    ]


def _chart(curve: PowerCurveTable) -> dict[str, Any]:
    """Return the curves of expected numbers over the size, on a logarithmic axis, and the range."""
    totals = curve.totals
    sizes = totals["documents"].to_numpy()
    most = max(1.0, float(totals[[*STATES, "labels_high"]].to_numpy().max()))
    first, last = math.log(sizes[0]), math.log(sizes[-1])

    def at(size: float, n: float) -> tuple[float, float]:
        share = (math.log(size) - first) / (last - first) if last > first else 0.5
        x = _LEFT + share * (WIDTH - _LEFT - _RIGHT)
        return round(x, 1), round(HEIGHT - _BOTTOM - n / most * (HEIGHT - _TOP - _BOTTOM), 1)

    def along(name: str) -> list[tuple[float, float]]:
        return [at(size, n) for size, n in zip(sizes, totals[name], strict=True)]

    curves: list[dict[str, Any]] = [
        {
            "name": name.replace("_", " "),
            "number": number,
            "points": along(name),
            "path": paths.line(along(name)),
        }
        for number, name in enumerate(STATES)
    ]
    paths.spread(curves, lowest=HEIGHT - _BOTTOM)
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": _LEFT,
        "right": WIDTH - _RIGHT,
        "bottom": HEIGHT - _BOTTOM,
        "curves": curves,
        "range": paths.line([*along("labels_low"), *along("labels_high")[::-1]]) + "z",
        "x": [(at(size, 0)[0], str(size)) for size in sizes],
        "y": [(at(sizes[0], n)[1], text) for n, text in ticks(0.0, most)],
    }
