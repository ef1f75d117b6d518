"""Sentences on the looks at which a run could stop."""

from __future__ import annotations

from collections.abc import Mapping

from headscore.report.wording import how_many
from headscore.statistics.looks import looks_of
from headscore.statistics.stopping import trail


def stopped(facts: Mapping[str, str]) -> str:
    """Return where a run stopped, and the level of its tests; empty for a plain run."""
    looks = list(trail(facts))
    if not looks:
        return ""
    planned, last = looks_of(facts), looks[-1]
    read, _, total = facts["read"].partition(" of ")
    where = f"stopped after {read} of" if read != total else "read all"
    return (
        f"{where} {how_many(int(total), 'sequence')}, at look {len(looks)} of {planned}: "
        f"{last.decided} of {how_many(last.tests, 'test')} decided"
    )


def level(facts: Mapping[str, str]) -> str:
    """Return the level of the tests of each look; empty where there is one look."""
    planned = looks_of(facts)
    if planned == 1:
        return ""
    alpha = float(facts["alpha"]) / planned
    return f"tests at each of {planned} looks at alpha / {planned} = {alpha:.3g}"


def lines(facts: Mapping[str, str]) -> list[str]:
    """Return lines on stopping, for a summary; none for a plain run."""
    return [each for each in (stopped(facts), at_looks(facts), level(facts)) if each]


def at_looks(facts: Mapping[str, str]) -> str:
    """Return how many tests were decided at each look, in one line; empty for a plain run."""
    parts = [f"{each.decided} ({each.sequences})" for each in trail(facts)]
    return f"tests decided at each look (sequences read): {', '.join(parts)}" if parts else ""
