"""Sentences on comparisons: the summary and the answer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from headscore.options import ATTAINED
from headscore.report import change_lengths, look_sentences
from headscore.report.change_table import SIDES, ChangeTable
from headscore.report.sentences import cell_name, untested
from headscore.report.wording import format_pvalue, listing, number, some
from headscore.scores.head_scores import printable
from headscore.statistics.change import CHANGED
from headscore.statistics.verdict import HAS_NOT, UNDECIDED

_NAMED = 6  # heads at most that a line names


def summary(change: ChangeTable) -> str:
    """Return the comparison and its results as a few lines."""
    n_heads = int(change.heads_per_layer.sum())
    facts = change.facts
    labels = change.mcnemar().to_dict("records")
    before, after = map(printable, change.names)
    lines = [
        f"{_sequences(change)}, {n_heads} heads in "
        f"{change.table['layer'].nunique()} layers; tau {facts['tau']}, "
        f"alpha {facts['alpha']}, adjust {facts['adjust']}; {_design(change)}",
        *filter(None, [look_sentences.level(facts), change_lengths.sentence(facts)]),
        f"heads with a role, {before} and {after}: "
        + ", ".join(f"{printable(r['role'])} {r['before']} and {r['after']}" for r in labels),
        _significant(change),
        *(f"{outcome}: {_by_role(change, outcome)}" for outcome in (*CHANGED, "unclear")),
        "McNemar p of the labels, as a description: "
        + ", ".join(f"{printable(r['role'])} {format_pvalue(r['pvalue'])}" for r in labels),
        *_spread(change),
        *untested(change.table),
    ]
    return "\n".join(lines)


def _sequences(change: ChangeTable) -> str:
    counts = change.counts
    if change.paired:
        return some(counts["sequences"], "sequence")
    numbers = [counts[f"sequences_{side}"] for side in ("before", "after")]
    before, after = (
        f"{n} ({printable(name)})" for n, name in zip(numbers, change.names, strict=True)
    )
    return f"sequences: {before} and {after}"


def _design(change: ChangeTable) -> str:
    """Return how the sides were compared."""
    if change.paired:
        return f"paired by {change.facts['paired_by']}"
    shared = change.counts["shared_units"]
    unit = printable(change.facts["unit"])
    both = f", {shared} of them on both sides" if shared else ""
    return f"not paired: the difference of {_what(change)} over {unit}{both}"


def _what(change: ChangeTable) -> str:
    return "what is attained" if change.scale == ATTAINED else "mean scores"


def changed_if(change: ChangeTable) -> str:
    """Return what is significant where a role was gained or lost."""
    return "the paired change" if change.paired else f"the difference of {_what(change)}"


def answer(comparison: ChangeTable) -> str:
    """Return the number of roles gained and lost, and the largest change."""
    n = {name: len(comparison.heads(name)) for name in CHANGED}
    before, after = map(printable, comparison.names)
    named = "" if (before, after) == SIDES else f", from {before} to {after}"
    among = f"Among {some(int(comparison.heads_per_layer.sum()), 'head')}{named}"
    largest = [rows.iloc[0] for name in CHANGED if len(rows := comparison.heads(name))]
    if not largest:
        return f"{among}, no role is shown to be gained or lost."
    best = max(largest, key=lambda row: abs(row["change"]))
    return (
        f"{among}, {some(n['gained'], 'role')} "
        f"{'is' if n['gained'] == 1 else 'are'} shown to be gained and {n['lost'] or 'none'} lost: "
        f"{_of_outcomes(comparison, n)}. "
        f"The largest change: {cell_name(best)} in {printable(best['role'])}, "
        f"{number(best['mean_before'])} to {number(best['mean_after'])} "
        f"{'of what is attainable ' if comparison.scale == ATTAINED else ''}"
        f"(adjusted p {format_pvalue(best['pvalue_adj'])})."
    )


def of_role(comparison: ChangeTable, role: str) -> str:
    """Return how many heads have a role on each side, and the largest change that is shown."""
    cells = comparison.table[comparison.table["role"] == role]
    before, after = (
        f"{printable(name)} {some(int(cells[f'label_{side}'].sum()), 'head')}"
        for side, name in zip(SIDES, comparison.names, strict=True)
    )
    text = f"{before}, {after}"
    changed = cells[cells["outcome"].isin(CHANGED)]
    if not len(changed):
        return f"{text}; the role is not shown to be gained or lost."
    counts = [f"{n} {name}" for name in CHANGED if (n := int((cells["outcome"] == name).sum()))]
    best = changed.iloc[int(np.argmax(changed["change"].abs()))]
    return (
        f"{text}; {listing(counts)}. Largest change: {cell_name(best)}, "
        f"{number(best['mean_before'])} to {number(best['mean_after'])}"
        f"{' of what is attainable' if comparison.scale == ATTAINED else ''}."
    )


def inference(comparison: ChangeTable) -> str:
    """Return over what inference is."""
    unit = printable(comparison.facts.get("unit", "sequences"))
    return f"Inference is over {unit}, for these checkpoints, not over training runs."


def _by_role(change: ChangeTable, outcome: str) -> str:
    """Return the number of cells with an outcome, in all and by role; few are named instead."""
    cells = change.heads(outcome)
    names: dict[str, list[str]] = {role: [] for role in change.roles}
    for _, row in cells.iterrows():
        names[row["role"]].append(cell_name(row))
    few = len(cells) <= _NAMED
    shown = [
        f"{printable(role)} {', '.join(heads) if few else len(heads)}"
        for role, heads in names.items()
        if heads
    ]
    return f"{len(cells)}" + (f" ({'; '.join(shown)})" if shown else "")


def _significant(change: ChangeTable) -> str:
    """Return how many means changed significantly, with the label or without it."""
    table = change.table
    changed = table["pvalue_adj"] <= float(change.facts["alpha"])
    labelled = changed & (table["label_before"] | table["label_after"])
    tested = some(int(table["pvalue_adj"].count()), "cell")
    return (
        f"significant changes: {changed.sum()} of {tested}, {labelled.sum()} of heads that have "
        f"the role on a side"
    )


def _spread(change: ChangeTable) -> list[str]:
    """Compare the change of heads that gained or lost a role with the checkpoints' spread."""
    # The larger side; missing for a side of a single checkpoint, which max skips.
    spread = change.table[["spread_before", "spread_after"]].max(axis=1)
    if spread.isna().all():
        return []
    changed = change.table["outcome"].isin(CHANGED)
    within = changed & (change.table["change"].abs() <= spread)
    return [
        f"checkpoints: {change.counts['checkpoints_before']} before, "
        f"{change.counts['checkpoints_after']} after; {int(within.sum())} of "
        f"{int(changed.sum())} changed scores moved by no more than the spread "
        "(sd of the means) of a side's checkpoints"
    ]


def _of_outcomes(comparison: ChangeTable, n: Mapping[str, int]) -> str:
    """Return what gained and lost mean, and the number of roles with an undecided side."""
    verdicts = comparison.table[["verdict_before", "verdict_after"]]
    if not verdicts.isin((HAS_NOT, UNDECIDED)).any(axis=None):  # format 1 has none
        return f"the label changed, and {changed_if(comparison)} is significant"
    return (
        f"decided on both sides, and {changed_if(comparison)} is significant. "
        "With one side undecided, "
        f"{n['appeared'] or 'none'} appeared and {n['vanished'] or 'none'} vanished"
    )
