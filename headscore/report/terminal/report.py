"""A report as text for a terminal: maps of layers x heads, strongest heads, counts, times."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import chain
from typing import Any

import pandas as pd

from headscore.report import look_sentences, sentences
from headscore.report.empty_result import why_empty
from headscore.report.role_table import RoleTable, strongest_first
from headscore.report.signs import states_of
from headscore.report.terminal.columns import columns
from headscore.report.terminal.role_maps import role_maps
from headscore.report.terminal.shared_heads import shared_heads
from headscore.report.terminal.style import Style, titled, wrapped
from headscore.report.wording import format_pvalue, how_many, short_model, without_position
from headscore.scores.signature import printable
from headscore.sieves.odds import MARGIN
from headscore.statistics.flags import FEW_DF
from headscore.statistics.status import ABSENT
from headscore.statistics.verdict import HAS

_STRONGEST = 3  # heads listed for each role


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
        role_maps(report, style),
        _strongest(report, style),
        _layers(report, style),
        shared_heads(report, style),
        _profile(report, style, seconds) if profile else [],
        _run(report, style, seconds, saved),
    ]
    return "\n\n".join("\n".join(lines) for lines in parts if lines) + "\n"


def _head(report: RoleTable, style: Style) -> list[str]:
    of = report.heads_per_layer
    # Heads per layer: "12", or "8-12" where layers differ; layers without attention left out.
    heads = "-".join(str(n) for n in sorted({of[of > 0].min(), of.max()})) if of.any() else "0"
    times = "×" if style.unicode else "x"
    model = printable(short_model(str(report.table["model"].iloc[0])))
    facts = report.facts
    lines = [
        f"{how_many(len(of), 'layer')} {times} {heads} head{'' if heads == '1' else 's'}, "
        f"{how_many(report.counts['sequences'], 'sequence')}; "
        f"H0: {_null(report)}, alpha {facts['alpha']}, adjusted by {facts['adjust']}",
        sentences.headline(report),
        "; ".join([*sentences.decided(report), sentences.robustness(report)]),
        *look_sentences.lines(facts),
        *sentences.without_attention(report),
        *_clusters(report),
        *sentences.beyond_controls(report),
        *why_empty(report),
    ]
    return [style.heading(model), *chain.from_iterable(wrapped(line, style) for line in lines)]


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


def _strongest(report: RoleTable, style: Style) -> list[str]:
    """Return the strongest heads of each role, by the bound of the mean."""
    beyond = _beyond_columns(report)
    header = ["role", "head", "mean", "bound", *beyond, "of at most", "adjusted p", "n"]
    rows, none_shown = [], False
    for role in report.roles:
        cells = report.table[report.table["role"] == role]
        tested = strongest_first(cells[cells["pvalue"].notna()])
        if not len(tested):
            why = ", ".join(sorted(set(cells["status"]) - set(ABSENT)))
            blank = [""] * (len(header) - 3)
            rows.append([printable(role), why, *blank, str(int(cells["n"].max()))])
        chosen = tested[tested["label"]].head(_STRONGEST)
        none_shown |= bool(len(tested) and not len(chosen))
        shown = chosen if len(chosen) else tested.head(1)
        signs = [style.signs[state] for state in states_of(shown, beyond=report.control)]
        rows += [
            _strong_row(cell, sign, beyond)
            for cell, sign in zip(shown.to_dict("records"), signs, strict=True)
        ]
    return [
        *titled("Strongest heads", "by bound: the lower confidence bound of the mean", style),
        *chain.from_iterable(wrapped(note, style) for note in _notes(report, none_shown)),
        *columns([header, *rows], style, left=2),
    ]


def _beyond_columns(report: RoleTable) -> list[str]:
    """Return the names of the columns on controls of word pairs, as far as these were computed."""
    known = report.beyond() and not without_position(report.table, report.facts)
    names = ["position", "odds"] if known else []
    return [*names, "matched"] if report.control == "matched" else names


def _notes(report: RoleTable, none_shown: bool) -> list[str]:
    """Return what the columns of the strongest heads are."""
    notes = []
    if lacking := without_position(report.table, report.facts):
        notes.append(lacking)
    elif report.beyond():
        notes.append(
            "position: the mean that position alone gives; odds: times the odds of position, in "
            f"brackets where not shown above {MARGIN:g}"
        )
    if report.control == "matched":
        notes.append(
            "matched: times the odds of entries without an arc that match in offset and labels, in "
            f"brackets where not shown above {MARGIN:g}"
        )
    if none_shown:
        notes.append("where no head is shown to have a role, the one that comes nearest")
    return notes


def _strong_row(cell: Mapping[Hashable, Any], sign: str, beyond: list[str]) -> list[str]:
    position = {
        "position": "" if pd.isna(cell["position_mean"]) else f"{cell['position_mean']:.2f}",
        "odds": _odds(cell["beyond_odds"], cell["beyond_position"]),
        "matched": _odds(cell["matched_ratio"], cell["matched"]),
    }
    return [
        printable(cell["role"]),
        f"{cell['layer']}.{cell['head']} {sign}",
        f"{cell['mean']:.2f}",
        f"{cell['ci_low']:.2f}",
        *(position[name] for name in beyond),
        "-" if pd.isna(cell["attainable"]) else f"{cell['attainable']:.2f}",
        format_pvalue(cell["pvalue_adj"]),
        str(cell["n"]),
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
    note = "trend p: permutation test of the mean depth, Holm-adjusted over the roles"
    return [
        *titled("Heads per layer", "depth: mean, 0 the first layer, 1 the last", style),
        *wrapped(note, style),
        *columns([header, *rows], style, left=1),
    ]


def _profile(report: RoleTable, style: Style, seconds: Mapping[str, float]) -> list[str]:
    whole = sum(seconds.values()) or 1.0
    n = report.counts["sequences"]
    rows = [
        [name, f"{value:.2f} s", f"{value / whole:.0%}", f"{n / value:.0f}" if value else "-"]
        for name, value in seconds.items()
    ]
    header = ["stage", "time", "share", "sequences/s"]
    return [style.heading("Where the time went"), *columns([header, *rows], style, left=1)]


def _run(
    report: RoleTable, style: Style, seconds: Mapping[str, float], saved: str | None
) -> list[str]:
    lines = [style.heading("Run")]
    if seconds:
        times = [f"{name} {value:.1f} s" for name, value in seconds.items()]
        times.append(f"all {sum(seconds.values()):.1f} s")
        lines += wrapped("time: " + ", ".join(times), style)
    lines += chain.from_iterable(wrapped(line, style) for line in sentences.counted(report))
    lines.append(f"signature: {report.signature}")
    lines += (
        [f"saved: {printable(saved)}"]
        if saved is not None
        else wrapped("not saved: add --out FILE.hs to keep the scores and test them again", style)
    )
    return [
        *lines,
        *wrapped("A label says where a head looks, not that the model uses it.", style),
    ]
