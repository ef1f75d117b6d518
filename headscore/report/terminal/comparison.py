"""A comparison as text for a terminal: counts per layer, heads that gained or lost a role."""

from __future__ import annotations

from itertools import chain
from typing import Any

import pandas as pd

from headscore.report import change_sentences
from headscore.report.change_table import ChangeTable
from headscore.report.terminal.columns import columns
from headscore.report.terminal.style import Style, joined, run_lines, titled, wrapped
from headscore.report.wording import format_pvalue
from headscore.scores.head_scores import printable
from headscore.statistics.change import CHANGED

_MOST_LISTED = 20  # heads listed for each outcome


def render_comparison(comparison: ChangeTable, style: Style, *, saved: str | None) -> str:
    """Return a comparison as text.

    Parameters
    ----------
    comparison
        The comparison.
    style
        Width, signs and colours.
    saved
        Where the comparison was saved, if it was.
    """
    parts = [
        _head(comparison, style),
        _layers(comparison, style),
        *(_changed(comparison, style, outcome) for outcome in CHANGED),
        _labels(comparison, style),
        run_lines([change_sentences.inference(comparison)], comparison.signature, saved, style),
    ]
    return joined(parts)


def _head(comparison: ChangeTable, style: Style) -> list[str]:
    facts = comparison.facts
    sides = [printable(facts.get(f"{side} model", facts.get("model", side))) for side in _SIDES]
    return [
        style.heading(" -> ".join(sides)),
        *chain.from_iterable(
            wrapped(line, style) for line in change_sentences.summary(comparison).splitlines()
        ),
    ]


def _layers(comparison: ChangeTable, style: Style) -> list[str]:
    counts = comparison.layers()
    header = ["role", "layer", *(str(layer) for layer in counts.index), "all"]
    rows = []
    for role in comparison.roles:
        for what in ("before", "after", "change"):
            numbers = counts[(role, what)]
            form = "{:+d}" if what == "change" else "{:d}"
            cells = [form.format(n) if n else "0" for n in [*numbers, numbers.sum()]]
            rows.append([printable(role) if what == "before" else "", what, *cells])
    return [style.heading("Heads per layer"), *columns([header, *rows], style, left=2)]


def _changed(comparison: ChangeTable, style: Style, outcome: str) -> list[str]:
    found = comparison.heads(outcome)
    lines = [style.heading(f"{_TITLES[outcome]}: {len(found)}")]
    if not len(found):
        return lines
    header = ["role", "layer.head", "before", "after", "change", "interval", "adjusted p", "n"]
    rows = [_row(cell) for _, cell in found.head(_MOST_LISTED).iterrows()]
    lines += columns([header, *rows], style, left=2)
    if len(found) > len(rows):
        lines.append(f"  and {len(found) - len(rows)} more")
    return lines


def _row(cell: pd.Series[Any]) -> list[str]:
    return [
        printable(cell["role"]),
        f"{cell['layer']}.{cell['head']}",
        f"{cell['mean_before']:.2f}",
        f"{cell['mean_after']:.2f}",
        f"{cell['change']:+.2f}",
        f"{cell['ci_low']:+.2f}..{cell['ci_high']:+.2f}",
        format_pvalue(cell["pvalue_adj"]),
        str(cell["n"]),
    ]


def _labels(comparison: ChangeTable, style: Style) -> list[str]:
    header = ["role", "before", "after", "only before", "only after", "McNemar p"]
    rows = [
        [printable(role), *map(str, counts), format_pvalue(pvalue)]
        for role, *counts, pvalue in comparison.mcnemar().itertuples(index=False)
    ]
    note = "a description: the heads of a model are no random sample"
    return [*titled("Labels", note, style), *columns([header, *rows], style, left=1)]


_SIDES = ("before", "after")
_TITLES = {
    "gained": "Heads that gained a role",
    "appeared": "Heads that have a role, undecided before",
    "lost": "Heads that lost a role",
    "vanished": "Heads that had a role, undecided after",
}
