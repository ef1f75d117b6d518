"""Power from a pilot as text for a terminal: what is expected at each size, and of each role."""

from __future__ import annotations

from headscore.report import power_sentences as sentences
from headscore.report.power_curve_table import PowerCurveTable
from headscore.report.terminal.columns import columns
from headscore.report.terminal.style import Style, joined, run_lines, titled, wrapped
from headscore.report.wording import number, short_model
from headscore.scores.signature import printable
from headscore.statistics.power_curve import STATES

_HEADER = ["labels", "range", "robust", "has not", "undecided"]


def render_power(curve: PowerCurveTable, style: Style, *, saved: str | None) -> str:
    """Return power from a pilot as text.

    Parameters
    ----------
    curve
        The power.
    style
        Width, signs and colours.
    saved
        Where it was saved, if it was.
    """
    parts = [
        _head(curve, style),
        _totals(curve, style),
        _roles(curve, style),
        run_lines([sentences.undecided(curve), sentences.LIMITS], curve.signature, saved, style),
    ]
    return joined(parts)


def _head(curve: PowerCurveTable, style: Style) -> list[str]:
    model = printable(short_model(curve.facts.get("model", "power")))
    return [
        style.heading(model),
        *wrapped(sentences.pilot(curve), style),
        *wrapped(sentences.answer(curve), style),
    ]


def _totals(curve: PowerCurveTable, style: Style) -> list[str]:
    sizes = curve.units != "sequences"
    header = [curve.units, *(["sequences"] if sizes else []), *_HEADER, "error"]
    rows = [
        [
            str(row["documents"]),
            *([f"{row['sequences']:.0f}"] if sizes else []),
            *_numbers(row),
            number(row["labels_error"], 2),
        ]
        for row in curve.totals.to_dict("records")
    ]
    note = "range: of 90 % of studies, error: Monte Carlo, of labels"
    return [*titled("Expected", note, style), *columns([header, *rows], style, left=0)]


def _roles(curve: PowerCurveTable, style: Style) -> list[str]:
    last = int(curve.draws.documents[-1])
    rows = [
        [printable(row["role"]), *_numbers(row), number(row["coverage"], 2), number(row["deff"])]
        for row in curve.table[curve.table["documents"] == last].to_dict("records")
    ]
    title = style.heading(f"Roles with {curve.named(last)}")
    return [title, *columns([["role", *_HEADER, "coverage", "deff"], *rows], style, left=1)]


def _numbers(row: sentences.Row) -> list[str]:
    expected = [f"{row[state]:.1f}" for state in STATES]
    return [expected[0], sentences.interval(row), *expected[1:]]
