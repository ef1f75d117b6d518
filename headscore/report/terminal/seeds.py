"""Seeds as text for a terminal: heads of each seed, intervals, correspondence of heads."""

from __future__ import annotations

from headscore.report import seeds_sentences as sentences
from headscore.report.seeds_table import SeedsTable
from headscore.report.terminal.columns import columns
from headscore.report.terminal.style import Style, joined, run_lines, short, titled, wrapped
from headscore.report.wording import how_many, number
from headscore.statistics.seeds import ASSIGNED, DEPTH, HEADS, INDEX

_MOST_SEEDS = 8  # columns that fit a terminal of 80 columns
_LONGEST = 14  # columns of a name


def render_seeds(found: SeedsTable, style: Style, *, saved: str | None) -> str:
    """Return seeds as text.

    Parameters
    ----------
    found
        The seeds.
    style
        Width, signs and colours.
    saved
        Where the seeds were saved, if they were.
    """
    parts = [
        _head(found, style),
        _labels(found, style),
        _intervals(found, style),
        _correspondence(found, style),
        run_lines([], found.signature, saved, style),
    ]
    return joined(parts)


def _head(found: SeedsTable, style: Style) -> list[str]:
    return [
        style.heading(f"{len(found.names)} seeds of one recipe"),
        *wrapped(sentences.setting(found), style),
        *wrapped(sentences.answer(found), style),
    ]


def _labels(found: SeedsTable, style: Style) -> list[str]:
    shown = found.names[:_MOST_SEEDS]
    header = ["role", *(str(n + 1) for n in range(len(shown)))]
    rows = [
        [short(role, _LONGEST), *sentences.labels(found, role)[:_MOST_SEEDS]]
        for role in found.roles
    ]
    title = titled("Heads with each role", "labels, a column for each seed", style)
    names = ", ".join(f"{n + 1} {short(name, _LONGEST)}" for n, name in enumerate(shown))
    left_out = len(found.names) - len(shown)
    more = f"; {how_many(left_out, 'seed')} left out" if left_out else ""
    return [
        *title,
        *columns([header, *rows], style, left=1),
        *wrapped(f"seeds: {names}{more}", style),
    ]


def _intervals(found: SeedsTable, style: Style) -> list[str]:
    header = ["role", "heads above tau", "sd of seeds", "of documents", "mean depth"]
    listed = [
        [
            short(role, _LONGEST),
            sentences.estimate(found.interval(role, HEADS)),
            number(found.interval(role, HEADS)["sd_seeds"]),
            number(found.interval(role, HEADS)["se_documents"]),
            sentences.estimate(found.interval(role, DEPTH)),
        ]
        for role in found.roles
    ]
    note = f"intervals of level {1 - found.alpha:g}"
    title = titled("Over seeds and documents", note, style)
    return [*title, *columns([header, *listed], style, left=1), *wrapped(sentences.MEANING, style)]


def _correspondence(found: SeedsTable, style: Style) -> list[str]:
    lines = [style.heading("Do heads correspond?")]
    for name in (INDEX, ASSIGNED):
        lines += wrapped(sentences.of_test(found, name), style)
    return lines
