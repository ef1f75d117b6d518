"""A comparison as text for a terminal: counts per layer, heads that gained or lost a role."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import chain
from typing import Any

import pandas as pd

from headscore.report import change_sentences
from headscore.report.change_table import ChangeTable
from headscore.report.side_words import SIDES, change_word, outcomes_of, places_of
from headscore.report.signs import legend, states_of
from headscore.report.terminal.columns import columns
from headscore.report.terminal.style import Style, flowed, joined, run_lines, titled, wrapped
from headscore.report.wording import format_pvalue, how_many
from headscore.scores.signature import printable
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
        _key(comparison, style),
        *(_changed(comparison, style, outcome) for outcome in CHANGED),
        _labels(comparison, style),
        run_lines([change_sentences.inference(comparison)], comparison.signature, saved, style),
    ]
    return joined([lines for lines in parts if lines])


def _head(comparison: ChangeTable, style: Style) -> list[str]:
    return [
        style.heading(" -> ".join(map(printable, comparison.titles))),
        *chain.from_iterable(
            wrapped(line, style) for line in change_sentences.summary(comparison).splitlines()
        ),
    ]


def _layers(comparison: ChangeTable, style: Style) -> list[str]:
    counts = comparison.layers()
    header = ["role", "layer", *(str(layer) for layer in counts.index), "all"]
    names = [*map(printable, comparison.names), change_word(comparison.facts)]
    rows = []
    for role in comparison.roles:
        for what, name in zip((*SIDES, "change"), names, strict=True):
            numbers = counts[(role, what)]
            form = "{:+d}" if what == "change" else "{:d}"
            cells = [form.format(n) if n else "0" for n in [*numbers, numbers.sum()]]
            rows.append([printable(role) if what == "before" else "", name, *cells])
    return [style.heading("Heads per layer"), *columns([header, *rows], style, left=2)]


def _changed(comparison: ChangeTable, style: Style, outcome: str) -> list[str]:
    found = comparison.heads(outcome)
    words = f"{outcomes_of(comparison.facts)[outcome]}: {how_many(len(found), 'head')}"
    lines = [style.heading(f"{style.signs[outcome]} {words[0].upper()}{words[1:]}")]
    if not len(found):
        return lines
    names = map(printable, comparison.names)
    header = ["role", "head", *names, change_word(comparison.facts), "interval", "adjusted p", "n"]
    digits = 2 if comparison.scale == "mean" else 3
    shown = found.head(_MOST_LISTED)
    sides = [[style.signs[state] for state in _states(shown, side)] for side in SIDES]
    cells = shown.to_dict("records")
    rows = [_row(cell, digits, signs) for cell, *signs in zip(cells, *sides, strict=True)]
    lines += columns([header, *rows], style, left=2)
    if len(found) > len(rows):
        lines.append(f"  and {len(found) - len(rows)} more")
    return lines


def _row(cell: Mapping[Hashable, Any], digits: int, signs: list[str]) -> list[str]:
    low, high = (f"{cell[name]:+.{digits}f}" for name in ("ci_low", "ci_high"))
    means = [
        f"{cell[f'mean_{side}']:.{digits}f} {sign}" for side, sign in zip(SIDES, signs, strict=True)
    ]
    return [
        printable(cell["role"]),
        f"{cell['layer']}.{cell['head']}",
        *means,
        f"{cell['change']:+.{digits}f}",
        f"{low}..{high}",
        format_pvalue(cell["pvalue_adj"]),
        str(cell["n"]),
    ]


def _states(rows: pd.DataFrame, side: str) -> list[str]:
    """Return the state of each row on a side."""
    states = states_of(rows, verdict=f"verdict_{side}", beyond=f"beyond_{side}")
    return list(map(str, states))


def _key(comparison: ChangeTable, style: Style) -> list[str]:
    """Return the legend of the signs beside the means of the heads that changed, and intervals."""
    changed = comparison.table[comparison.table["outcome"].isin(CHANGED)]
    present = {state for side in SIDES for state in _states(changed, side)}
    if not present:
        return []
    signs = [f"{style.signs[state]} {words}" for state, words in legend(present).items()]
    return [
        *flowed(signs, style),
        *wrapped(f"interval: {change_sentences.intervals(comparison)}", style),
    ]


def _labels(comparison: ChangeTable, style: Style) -> list[str]:
    only = [f"only {place}" for place in places_of(comparison.facts).values()]
    header = ["role", *map(printable, comparison.names), *only, "McNemar p"]
    rows = [
        [printable(role), *map(str, counts), format_pvalue(pvalue)]
        for role, *counts, pvalue in comparison.mcnemar().itertuples(index=False)
    ]
    note = "a description: the heads of a model are no random sample"
    return [*titled("Labels", note, style), *columns([header, *rows], style, left=1)]
