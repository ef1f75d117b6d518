"""A report as text for a terminal: maps of layers x heads, strongest heads, counts, times."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from textwrap import wrap
from typing import Any

import pandas as pd

from headscore.report import look_sentences, sentences
from headscore.report.empty_result import why_empty
from headscore.report.role_table import RoleTable
from headscore.report.terminal.shared_heads import shared_heads
from headscore.report.terminal.style import Style, columns
from headscore.report.wording import explain, explained_by, format_pvalue, how_many
from headscore.scores.head_scores import printable
from headscore.sieves.odds import MARGIN
from headscore.statistics.flags import FEW_DF
from headscore.statistics.status import ABSENT, TESTABLE
from headscore.statistics.verdict import HAS, HAS_NOT, UNDECIDED

_STRONGEST = 3  # heads listed for each role
_GAP = "   "


def render_report(
    report: RoleTable,
    style: Style,
    *,
    seconds: Mapping[str, float],
    saved: str | None,
    profile: bool = False,
) -> str:
    """Return a report as text.

    Parameters
    ----------
    report
        The report.
    style
        Width, signs and colours.
    seconds
        Seconds of each stage.
    saved
        Where the scores were saved, if they were.
    profile
        Show the share of each stage in the time.
    """
    parts = [
        _head(report, style),
        _maps(report, style),
        _strongest(report, style),
        _layers(report, style),
        shared_heads(report, style),
        _profile(report, style, seconds) if profile else [],
        _run(report, style, seconds, saved),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _head(report: RoleTable, style: Style) -> list[str]:
    labels = report.labels()
    of = report.heads_per_layer
    # Heads per layer: "12", or "8-12" where layers differ; layers without attention left out.
    heads = "-".join(str(n) for n in sorted({of[of > 0].min(), of.max()})) if of.any() else "0"
    times = "×" if style.unicode else "x"
    model = printable(str(report.table["model"].iloc[0])).rstrip("/")
    facts = report.facts
    any_role = int(labels.any(axis=1).sum())
    return [
        style.heading(model),
        f"{how_many(len(of), 'layer')} {times} {heads} head{'' if heads == '1' else 's'}, "
        f"{how_many(report.counts['sequences'], 'sequence')}; "
        f"H0: {_null(report)}, alpha {facts['alpha']}, adjusted by {facts['adjust']}",
        f"{any_role} of {of.sum()} heads have at least one role; {sentences.robustness(report)}",
        *sentences.decided(report),
        *chain.from_iterable(wrap(line, style.width) for line in look_sentences.lines(facts)),
        *sentences.without_attention(report),
        *_clusters(report),
        *sentences.beyond_controls(report),
        *why_empty(report),
    ]


def _null(report: RoleTable) -> str:
    """Return the null hypothesis."""
    if report.facts.get("criterion") == "attained":
        return f"attained share of the sieve bias score <= {report.facts['tau']}"
    return f"mean sieve bias score <= tau {report.facts['tau']}"


def _clusters(report: RoleTable) -> list[str]:
    df = report.table["df"].min()
    few = report.facts.get("clusters", "none") != "none" and df < FEW_DF
    rough = f"; down to {df:.3g} degrees of freedom, so p-values are rough" if few else ""
    return [f"{sentences.unit(report)}{rough}"]


def _maps(report: RoleTable, style: Style) -> list[str]:
    """Return the maps side by side, one per role, as many as fit into the width."""
    signs, explains = style.signs, explain(explained_by(report.control, report.facts))
    lines = [
        style.heading("Heads of each role")
        + f"   {signs['label']} has it   {signs['undecided']} undecided   "
        f"{signs['not']} has it not   {signs['untested']} not tested",
        f"{signs['position']} has it, but is not shown to look there more than {explains}",
        "rows are layers, columns are heads, both counted from 0",
    ]
    states = {*_states(report, report.table)}
    if "absent" in states:
        lines.append(f"{signs['absent']} the model has no such head")
    if "unknown" in states:
        lines.append(f"{signs['unknown']} no label, and no verdict: a report of format 1")
    panels = [_panel(report, role, style) for role in report.roles]
    size = max(len(line) for line in chain.from_iterable(panels))
    # n panels need n * size + (n - 1) * gap columns, so n <= (width + gap) / (size + gap).
    across = max(1, (style.width + len(_GAP)) // (size + len(_GAP)))
    for start in range(0, len(panels), across):
        row = [[line.ljust(size) for line in panel] for panel in panels[start : start + across]]
        # zip turns panels of lines into lines of panels; only lines of signs are coloured.
        name, *rows = (_GAP.join(parts).rstrip() for parts in zip(*row, strict=True))
        lines += ["", name, *map(style.painted, rows)]
    return lines


def _panel(report: RoleTable, role: str, style: Style) -> list[str]:
    rows = report.table[report.table["role"] == role]
    layers = rows["layer"].nunique()
    heads = len(rows) // layers
    # Up to 16 heads fit with blanks between the signs; heads are numbered by their last digit.
    space = " " if heads <= 16 else ""
    margin = len(str(layers - 1)) + 1
    numbers = space.join(str(head % 10) for head in range(heads))
    states = _states(report, rows)
    lines = [f"{printable(role)}: {int(rows['label'].sum())}", " " * margin + numbers]
    for layer in range(layers):
        signs = [style.signs[state] for state in states[layer * heads : (layer + 1) * heads]]
        lines.append(f"{layer:>{margin - 1}} " + space.join(signs))
    return lines


def _states(report: RoleTable, rows: pd.DataFrame) -> list[str]:
    """Return the name of the sign of each row."""
    columns = ["verdict", "status", report.control]
    return [_state(*row) for row in rows[columns].itertuples(index=False)]


def _state(verdict: str, status: str, beyond: str) -> str:
    if verdict == HAS:
        return "label" if beyond in (HAS, "") else "position"
    if verdict == UNDECIDED:
        return "undecided"
    if status in ABSENT:
        return "absent"
    if verdict == HAS_NOT:
        return "not"
    return "unknown" if status in TESTABLE else "untested"


def _strongest(report: RoleTable, style: Style) -> list[str]:
    """Return the strongest heads of each role, by statistic."""
    header = [
        "role",
        "layer.head",
        "mean",
        "bound",
        "of at most",
        "adjusted p",
        "n",
        "position",
        "odds",
        *(["matched"] if report.control == "matched" else []),
    ]
    rows = []
    for role in report.roles:
        cells = report.table[report.table["role"] == role]
        tested = cells[cells["pvalue"].notna()].sort_values("statistic", ascending=False)
        if not len(tested):
            why = ", ".join(sorted(set(cells["status"]) - set(ABSENT)))
            rows.append([printable(role), why, "", "", "", "", str(int(cells["n"].max()))])
        chosen = tested[tested["label"]].head(_STRONGEST)
        rows += [_strong_row(role, cell) for _, cell in chosen.iterrows()]
        if len(tested) and not len(chosen):
            rows.append([f"{printable(role)} (none shown)", *_strong_row(role, tested.iloc[0])[1:]])
    # As many columns as the header has: the last one only where there is a matched control.
    rows = [(row + [""] * len(header))[: len(header)] for row in rows]
    title = (
        style.heading("Strongest heads") + "   bound: one-sided lower confidence bound of the mean"
    )
    notes = [
        "position: the mean that position alone gives; odds: times the odds of position, in "
        f"brackets where not shown above {MARGIN:g}"
    ]
    if report.control == "matched":
        notes.append("matched: likewise, of entries without an arc that match in offset and labels")
    return [title, *notes, *columns([header, *rows], left=2)]


def _strong_row(role: str, cell: pd.Series[Any]) -> list[str]:
    return [
        printable(role),
        f"{cell['layer']}.{cell['head']}",
        f"{cell['mean']:.2f}",
        f"{cell['ci_low']:.2f}",
        "-" if pd.isna(cell["attainable"]) else f"{cell['attainable']:.2f}",
        format_pvalue(cell["pvalue_adj"]),
        str(cell["n"]),
        *_position(cell),
    ]


def _position(cell: pd.Series[Any]) -> list[str]:
    """Return the mean that position gives, and the odds of each control."""
    return [
        "" if pd.isna(cell["position_mean"]) else f"{cell['position_mean']:.2f}",
        _odds(cell["beyond_odds"], cell["beyond_position"]),
        _odds(cell["matched_ratio"], cell["matched"]),
    ]


def _odds(odds: float, state: str) -> str:
    if pd.isna(odds):
        return ""
    return f"{odds:.2f}" if state == HAS else f"({odds:.2f})"


def _layers(report: RoleTable, style: Style) -> list[str]:
    counts = report.layers()
    header = ["layer", *(str(layer) for layer in counts.index), "all", "depth", "trend p"]
    rows = [
        [
            printable(row["role"]),
            *(str(n) for n in counts[row["role"]]),
            str(row["heads"]),
            "-" if pd.isna(row["depth"]) else f"{row['depth']:.2f}",
            format_pvalue(row["pvalue_adj"]),
        ]
        for row in report.depths().to_dict("records")
    ]
    title = style.heading("Heads per layer") + "   depth: mean, 0 the first layer, 1 the last"
    note = "trend p: permutation test of the mean depth, Holm-adjusted over the roles"
    return [title, note, *columns([header, *rows], left=1)]


def _profile(report: RoleTable, style: Style, seconds: Mapping[str, float]) -> list[str]:
    whole = sum(seconds.values()) or 1.0
    n = report.counts["sequences"]
    rows = [
        [name, f"{value:.2f} s", f"{value / whole:.0%}", f"{n / value:.0f}" if value else "-"]
        for name, value in seconds.items()
    ]
    header = ["stage", "time", "share", "sequences/s"]
    return [style.heading("Where the time went"), *columns([header, *rows], left=1)]


def _run(
    report: RoleTable, style: Style, seconds: Mapping[str, float], saved: str | None
) -> list[str]:
    lines = [style.heading("Run")]
    if seconds:
        times = [f"{name} {value:.1f} s" for name, value in seconds.items()]
        lines.append("time: " + ", ".join([*times, f"all {sum(seconds.values()):.1f} s"]))
    lines += sentences.counted(report)
    lines.append(f"signature: {report.signature}")
    lines.append(
        f"saved: {printable(saved)}"
        if saved is not None
        else "not saved: add --out FILE.hs to keep the scores and test them again"
    )
    lines.append("A label says where a head looks, not that the model uses it.")
    return lines
