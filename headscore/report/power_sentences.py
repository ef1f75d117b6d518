"""Sentences on power from a pilot: the summary, the answer, a reading of each role."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeAlias

import pandas as pd

from headscore.report.power_curve_table import PowerCurveTable
from headscore.report.wording import how_many, number
from headscore.scores.signature import printable
from headscore.statistics.power_curve import STATES
from headscore.statistics.verdict import HAS, UNDECIDED

Row: TypeAlias = Mapping[Hashable, Any]  # of a table, by column

LIMITS = (
    "Expected where the pilot is a random part of the corpus. What it does not hold cannot be "
    "drawn from it: a few much larger documents make fewer labels robust, and heads of rare texts "
    "stay unknown. The range is nominal: 80 to 91 % of fresh studies lay in it."
)


def summary(curve: PowerCurveTable) -> str:
    """Return what was drawn and what is expected at each size as a few lines."""
    return "\n".join(
        [
            pilot(curve),
            *(f"{_size(curve, row)}: {_expected(row)}" for row in _rows(curve.totals)),
            undecided(curve),
            LIMITS,
        ]
    )


def answer(curve: PowerCurveTable) -> str:
    """Return the numbers of labels of the pilot and of the largest size."""
    last = _rows(curve.totals)[-1]
    if not any(last[state] for state in STATES):
        return "No head of the pilot can be tested in any role, at any of these sizes."
    return (
        f"The pilot has {how_many(_labels(curve), 'label')}. With {_size(curve, last)} a study is "
        f"expected to have {last['labels']:.0f}, of which {last['robust']:.0f} are robust "
        f"(labels: 90 % range {interval(last)})."
    )


def pilot(curve: PowerCurveTable) -> str:
    """Return the size of the pilot, its labels, the draws and the options of the test."""
    facts = curve.facts
    return (
        f"pilot of {curve.named(int(facts['pilot_units']))} "
        f"({how_many(curve.counts['sequences'], 'sequence')}), "
        f"{how_many(_labels(curve), 'label')} in {how_many(curve.pilot.size, 'cell')}; "
        f"{facts['resamples']} corpora drawn of each size, unit of independence: "
        f"{printable(facts['unit'])}; {facts['criterion']} above {printable(facts['tau'])}, alpha "
        f"{facts['alpha']}, adjust {facts['adjust']}"
    )


def undecided(curve: PowerCurveTable) -> str:
    """Return how many of the undecided cells of the pilot reach the power, and how many do not."""
    needed = curve.needed
    rows = needed[needed["verdict"] == UNDECIDED]
    reached, largest = int(rows["needed"].notna().sum()), int(curve.draws.documents[-1])
    if not len(rows):
        return "no cell of the pilot is undecided"
    return (
        f"of {how_many(len(rows), 'undecided cell')} of the pilot {reached} reach a label with "
        f"probability {float(curve.facts['power']):g} within {curve.named(largest)}; for "
        f"{len(rows) - reached} this is not shown"
    )


def of_role(curve: PowerCurveTable, role: str) -> str:
    """Return what is expected of a role at the largest size, and what its heads need."""
    row = _rows(curve.table[curve.table["role"] == role])[-1]
    return f"{_size(curve, row)}: {_expected(row)}."


def interval(row: Row) -> str:
    """Return the range of the labels as text."""
    return f"{row['labels_low']:.0f} to {row['labels_high']:.0f}"


def needed_text(curve: PowerCurveTable, needed: float) -> str:
    """Return how many units a cell needs as text, also where it is fewer or more than drawn."""
    first, last = int(curve.draws.documents[0]), int(curve.draws.documents[-1])
    if pd.isna(needed):
        return f"more than {last}"
    return f"at most {first}" if needed <= first else f"{needed:.0f}"


def _labels(curve: PowerCurveTable) -> int:
    return int((curve.needed["verdict"] == HAS).sum())


def _size(curve: PowerCurveTable, row: Row) -> str:
    n = curve.named(int(row["documents"]))
    if curve.units == "sequences":
        return n
    return f"{n} (about {row['sequences']:.0f} sequences)"


def _expected(row: Row) -> str:
    return (
        f"{row['labels']:.1f} labels (90 % range {interval(row)}), {row['robust']:.1f} "
        f"robust, {row['has_not']:.1f} has_not, {row['undecided']:.1f} undecided (Monte Carlo "
        f"errors {', '.join(number(row[f'{state}_error'], 2) for state in STATES)})"
    )


def _rows(table: pd.DataFrame) -> Sequence[Row]:
    return table.to_dict("records")
