"""Sentences on seeds: the summary, the answer, a reading of each role."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any

from headscore.report.seeds_table import SeedsTable
from headscore.report.sentences import threshold
from headscore.report.wording import format_pvalue, how_many, number
from headscore.scores.signature import printable
from headscore.statistics.seeds import ASSIGNED, DEPTH, HEADS, INDEX

MEANING = (
    "An interval is for the expectation over seeds of this recipe and documents of such a corpus: "
    "the number of heads of a seed whose mean score exceeds tau."
)
_NULLS = {
    INDEX: "if the heads of a layer were permuted",
    ASSIGNED: "if each role were permuted on its own within the layers",
}


def summary(found: SeedsTable) -> str:
    """Return the seeds and their results as a few lines."""
    lines = [
        setting(found),
        *(f"{printable(role)}: {of_role(found, role)}" for role in found.roles),
        *(of_test(found, name) for name in (INDEX, ASSIGNED)),
        MEANING,
    ]
    return "\n".join(lines)


def setting(found: SeedsTable) -> str:
    """Return the number of seeds, heads and sequences, and the options."""
    facts = found.facts
    return (
        f"{how_many(len(found.names), 'seed')} of {how_many(int(found.heads.sum()), 'head')} in "
        f"{how_many(len(found.heads), 'layer')}; {found.counts['sequences']} sequences, "
        f"unit of independence: {printable(facts['unit'])}; {threshold(found)}, "
        f"alpha {facts['alpha']}, adjust {facts['adjust']}"
    )


def answer(found: SeedsTable) -> str:
    """Return whether heads of equal index correspond, and whether kinds of heads recur."""
    index, assigned = found.of_test(INDEX), found.of_test(ASSIGNED)
    by_index = (
        "heads of the same layer and number are shown to be alike"
        if index["pvalue"] <= found.alpha
        else "it is not shown that heads of the same layer and number are alike"
    )
    by_kind = (
        "kinds of heads are shown to recur"
        if assigned["pvalue"] <= found.alpha
        else "it is not shown that kinds of heads recur"
    )
    return (
        f"In {how_many(len(found.names), 'seed')}, {by_index} "
        f"(p {format_pvalue(index['pvalue'])}), and {by_kind} "
        f"(p {format_pvalue(assigned['pvalue'])})."
    )


def of_role(found: SeedsTable, role: str) -> str:
    """Return the heads of a role over the seeds, with intervals."""
    heads, depth = (found.interval(role, what) for what in (HEADS, DEPTH))
    if not heads["n_seeds"]:
        return "not tested (no sequence takes part)"
    parts = [
        f"labels {_range(found, role)} in a seed",
        f"heads above tau {estimate(heads)}",
    ]
    if not math.isnan(depth["mean"]):
        parts.append(f"mean depth {estimate(depth)}")
    return "; ".join(parts)


def labels(found: SeedsTable, role: str) -> list[str]:
    """Return the number of labels of each seed as text, ``"-"`` for one that tests none."""
    both = zip(found.labels(role), found.tested(role), strict=True)
    return [str(n) if tested else "-" for n, tested in both]


def of_test(found: SeedsTable, name: str) -> str:
    """Return a test of the correspondence of heads."""
    row = found.of_test(name)
    what = "of the same layer and number" if name == INDEX else "assigned to each other"
    return (
        f"heads {what}: {number(row['distance'])} apart, {number(row['expected'])} "
        f"{_NULLS[name]} (p {format_pvalue(row['pvalue'])})"
    )


def estimate(row: Mapping[Hashable, Any]) -> str:
    """Return a mean with its interval."""
    if math.isnan(row["low"]):
        return number(row["mean"])
    return f"{number(row['mean'])} ({number(row['low'])} to {number(row['high'])})"


def _range(found: SeedsTable, role: str) -> str:
    both = zip(found.labels(role), found.tested(role), strict=True)
    numbers = [n for n, tested in both if tested]
    low, high = min(numbers), max(numbers)
    return str(low) if low == high else f"{low} to {high}"
