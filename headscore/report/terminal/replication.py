"""A replication as text for a terminal: studies, counts of each role, heads that differ, run."""

from __future__ import annotations

from headscore.report import replication_sentences as sentences
from headscore.report.replication_table import ReplicationTable
from headscore.report.terminal.columns import columns
from headscore.report.terminal.style import Style, joined, run_lines, short, titled, wrapped
from headscore.report.wording import number
from headscore.scores.signature import printable

_MOST_LISTED = 10
_LONGEST = 18  # columns of a name in a table


def render_replication(replication: ReplicationTable, style: Style, *, saved: str | None) -> str:
    """Return a replication as text.

    Parameters
    ----------
    replication
        The replication.
    style
        Width, signs and colours.
    saved
        Where it was saved, if it was.
    """
    parts = [
        _head(replication, style),
        _studies(replication, style),
        _roles(replication, style),
        _differing(replication, style),
        run_lines([sentences.guarantee(replication)], replication.signature, saved, style),
    ]
    return joined(parts)


def _head(replication: ReplicationTable, style: Style) -> list[str]:
    return [
        style.heading("Roles over several studies"),
        *wrapped(sentences.experiment(replication), style),
        *wrapped(sentences.answer(replication), style),
    ]


def _studies(replication: ReplicationTable, style: Style) -> list[str]:
    header = ["study", "sequences", "labels", "unit"]
    rows = [
        [
            short(row["name"], _LONGEST),
            str(row["sequences"]),
            str(row["labels"]),
            printable(row["unit"]),
        ]
        for row in replication.studies.to_dict("records")
    ]
    return [style.heading("Studies"), *columns([header, *rows], style, left=1)]


def _roles(replication: ReplicationTable, style: Style) -> list[str]:
    numbers = sentences.shown_numbers(replication)
    counts = sentences.shown_counts(replication)
    table = replication.table
    header = ["role", *map(str, numbers), "has", "has not", "undecided"]
    rows = []
    for role in replication.roles:
        verdicts = sentences.verdicts(table[table["role"] == role])
        row = [*counts[role], *verdicts.values()]
        rows.append([short(role, _LONGEST), *map(str, row)])
    note = f"verdict: {sentences.wanted(replication)}"
    return [
        *titled("Heads shown in at least so many studies", note, style),
        *columns([header, *rows], style, left=1),
    ]


def _differing(replication: ReplicationTable, style: Style) -> list[str]:
    found = replication.differing()
    lines = [
        style.heading("Depends on the study"),
        *wrapped(sentences.depending(replication), style),
    ]
    if not len(found):
        return lines
    n_studies = len(replication.studies)
    header = ["role", "head", "shown in", "shown absent in", "means"]
    rows = [
        [
            short(row["role"], _LONGEST),
            f"{row['layer']}.{row['head']}",
            f"{row['replicated']} of {n_studies}",
            f"{row['absent']} of {n_studies}",
            f"{number(row['mean_low'])} to {number(row['mean_high'])}",
        ]
        for row in found.head(_MOST_LISTED).to_dict("records")
    ]
    lines += columns([header, *rows], style, left=2)
    if len(found) > len(rows):
        lines.append(f"  and {len(found) - len(rows)} more")
    return lines
