"""A trajectory as text for a terminal: counts by step, heads that have or lost a role."""

from __future__ import annotations

import numpy as np
import pandas as pd

from headscore.report import trajectory_sentences as sentences
from headscore.report.sentences import threshold
from headscore.report.terminal.columns import columns
from headscore.report.terminal.style import Style, joined, run_lines, titled, wrapped
from headscore.report.trajectory_table import TrajectoryTable, earliest_first
from headscore.report.wording import cell_name, format_pvalue, how_many, number, short_model
from headscore.scores.signature import printable

_MOST_LISTED = 20  # heads of each list
_MOST_STEPS = 6  # columns of counts that fit a terminal of 80 columns


def render_trajectory(found: TrajectoryTable, style: Style, *, saved: str | None) -> str:
    """Return a trajectory as text.

    Parameters
    ----------
    found
        The trajectory.
    style
        Width, signs and colours.
    saved
        Where the trajectory was saved, if it was.
    """
    kept = earliest_first(found.table[found.table["has_from"].notna()])
    parts = [
        _head(found, style),
        _counts(found, style),
        _kept(kept, style),
        _lost(found, style),
        run_lines([sentences.BETWEEN], found.signature, saved, style),
    ]
    return joined(parts)


def _head(found: TrajectoryTable, style: Style) -> list[str]:
    facts = found.facts
    model = printable(short_model(facts.get("model", facts.get("last model", "trajectory"))))
    setting = (
        f"{sentences.steps(found)}; unit of independence: {sentences.unit(found)}; "
        f"{threshold(found)}, alpha {facts['alpha']}, adjust {facts['adjust']}"
    )
    return [
        style.heading(model),
        *wrapped(setting, style),
        *wrapped(sentences.answer(found), style),
    ]


def _counts(found: TrajectoryTable, style: Style) -> list[str]:
    counts = found.by_step().set_index("step")
    # Evenly spaced steps, the first and the last among them.
    last = len(found.steps) - 1
    shown = found.steps[np.unique(np.linspace(0, last, _MOST_STEPS).round().astype(int))]
    header = ["role", "step", *map(sentences.step_name, shown)]
    rows = []
    for role in found.roles:
        of_role = counts[counts["role"] == role].loc[shown]
        most = of_role["has"] + of_role["undecided"]
        rows.append([printable(role), "shown", *map(str, of_role["has"])])
        known = sentences.is_tested(found, role)
        rows.append(["", "at most", *(str(n) if known else "-" for n in most)])
    left_out = last + 1 - len(shown)
    more = f", {how_many(left_out, 'step')} left out" if left_out else ""
    title = titled("Heads with each role", f"shown from the step on{more}", style)
    return [*title, *columns([header, *rows], style, left=2)]


def _kept(rows: pd.DataFrame, style: Style) -> list[str]:
    header = ["role", "head", "came at steps", "first mean", "last mean", "adjusted p"]
    listed = [
        [
            printable(row["role"]),
            cell_name(row),
            sentences.span(row),
            number(row["mean_first"]),
            number(row["mean_last"]),
            format_pvalue(row["pvalue_adj"]),
        ]
        for _, row in rows.head(_MOST_LISTED).iterrows()
    ]
    title = "Heads that have a role from a step on"
    return _listed(title, len(rows), header, listed, style)


def _lost(found: TrajectoryTable, style: Style) -> list[str]:
    rows, highest = found.lost(), found.means.max(axis=0)
    header = ["role", "head", "highest mean", "last mean"]
    listed = [
        [
            printable(row["role"]),
            cell_name(row),
            number(highest[found.roles.index(row["role"]), row["layer"], row["head"]]),
            number(row["mean_last"]),
        ]
        for _, row in rows.head(_MOST_LISTED).iterrows()
    ]
    return _listed("Heads that lost a role", len(rows), header, listed, style)


def _listed(
    title: str, count: int, header: list[str], rows: list[list[str]], style: Style
) -> list[str]:
    lines = [style.heading(f"{title}: {count}")]
    if rows:
        lines += columns([header, *rows], style, left=2)
    if count > len(rows):
        lines.append(f"  and {count - len(rows)} more")
    return lines
