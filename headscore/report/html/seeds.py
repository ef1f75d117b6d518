"""The page of seeds: heads of each role by seed, intervals, and whether heads correspond."""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import pandas as pd

from headscore.report import seeds_sentences as sentences
from headscore.report.html import cells
from headscore.report.html.cells import Column
from headscore.report.html.effect_bars import ticks
from headscore.report.html.page import render
from headscore.report.seeds_table import SeedsTable
from headscore.report.wording import short_model
from headscore.statistics.seeds import ASSIGNED, HEADS, INDEX

_INTERVALS = (
    Column("role", "role", "text"),
    Column("what", "of", "text"),
    Column("n_seeds", "seeds", "int"),
    Column("mean", "mean", "number"),
    Column("low", "from", "number"),
    Column("high", "to", "number"),
    Column("sd_seeds", "sd of seeds", "number"),
    Column("se_documents", "se by documents", "number"),
)
_PAIRS = (
    Column("seed", "seed", "text"),
    Column("other", "other seed", "text"),
    Column("index_distance", "same index", "number"),
    Column("index_expected", "permuted", "number"),
    Column("assigned_distance", "assigned", "number"),
    Column("assigned_expected", "roles permuted", "number"),
    Column("same_index", "share assigned to the same index", "number"),
)
# The figure is an SVG in units of its view box: roles on the left, an axis below.
WIDTH, ROW = 620, 26
_LEFT, _RIGHT = 130, 20
_STEP = 2.8  # between the dots of seeds with equal numbers


def seeds_page(found: SeedsTable) -> str:
    """Return seeds as one self-contained HTML page.

    Parameters
    ----------
    found
        The seeds.
    """
    model = found.facts.get("model")
    title = f"{len(found.names)} seeds" + (f" of {short_model(model)}" if model else "")
    context = {
        "title": title,
        "answer": sentences.answer(found),
        "setting": sentences.setting(found),
        "meaning": sentences.MEANING,
        "figure": _figure(found),
        "level": f"{1 - found.alpha:.6g}",
        "names": found.names,
        "counts": [{"role": role, "labels": sentences.labels(found, role)} for role in found.roles],
        "tests": [sentences.of_test(found, name) for name in (INDEX, ASSIGNED)],
        "intervals": _table(found.intervals, _INTERVALS),
        "pairs": _table(found.pairs, _PAIRS),
        "summary": sentences.summary(found).splitlines(),
        "facts": found.facts,
        "signature": found.signature,
    }
    return render("seeds.html", context)


def _table(table: pd.DataFrame, columns: tuple[Column, ...]) -> dict[str, Any]:
    return {"columns": columns, "rows": cells.rows(table, list(columns))}


def _figure(found: SeedsTable) -> dict[str, Any]:
    """Return a row for each role: a dot for each seed, the mean and its interval."""
    intervals = {role: found.interval(role, HEADS) for role in found.roles}
    ends = (each["high"] for each in intervals.values())
    most = max(1, *found.table["above"], *(end for end in ends if not math.isnan(end)))
    scale = (WIDTH - _LEFT - _RIGHT) / most

    def at(value: float) -> float:
        return round(float(_LEFT + value * scale), 1)

    return {
        "width": WIDTH,
        "left": _LEFT,
        "bottom": ROW * len(found.roles),
        "ticks": [(at(value), text) for value, text in ticks(0.0, most)],
        "rows": [
            {
                "role": role,
                "y": ROW * n + ROW // 2,
                "reading": sentences.of_role(found, role),
                "dots": [(at(above), y) for above, y in _stacked(_above(found, role))],
                "mean": at(intervals[role]["mean"]),
                "low": at(intervals[role]["low"]),
                "high": at(intervals[role]["high"]),
                "estimated": not math.isnan(intervals[role]["low"]),
            }
            for n, role in enumerate(found.roles)
        ],
    }


def _above(found: SeedsTable, role: str) -> list[int]:
    both = zip(found.above(role), found.tested(role), strict=True)
    return [n for n, tested in both if tested]


def _stacked(numbers: list[int]) -> list[tuple[int, float]]:
    """Return each number with the height of its dot, so that equal ones lie side by side."""
    times, left, stacked = Counter(numbers), Counter(numbers), []
    for number in numbers:
        left[number] -= 1
        step = min(_STEP, (ROW - 4) / times[number])
        stacked.append((number, round((left[number] - (times[number] - 1) / 2) * step, 1)))
    return stacked
