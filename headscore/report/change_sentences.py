"""Sentences on comparisons: the summary and the answer."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from headscore.options import ATTAINED, UNKNOWN
from headscore.report import change_lengths, change_position, look_sentences
from headscore.report.change_table import ChangeTable
from headscore.report.sentences import untested
from headscore.report.side_words import SIDES, change_word, places_of, short_outcomes_of
from headscore.report.wording import cell_name, format_pvalue, how_many, listing, number, some
from headscore.scores.head_scores import printable
from headscore.statistics.change import CHANGED
from headscore.statistics.verdict import HAS_NOT, UNDECIDED

_NAMED = 6  # heads at most that a line names


def summary(change: ChangeTable) -> str:
    """Return the comparison and its results as a few lines."""
    heads = change.heads_per_layer
    facts = change.facts
    labels = change.mcnemar().to_dict("records")
    before, after = map(printable, change.names)
    lines = [
        f"{_sequences(change)}, {how_many(int(heads.sum()), 'head')} in "
        f"{how_many(len(heads), 'layer')}; tau {facts['tau']}, "
        f"alpha {facts['alpha']}, adjust {facts['adjust']}; {_design(change)}",
        *filter(None, [look_sentences.level(facts)]),
        *cautions(change),
        f"heads with a role, {before} and {after}: "
        + ", ".join(f"{printable(r['role'])} {r['before']} and {r['after']}" for r in labels),
        _significant(change),
        *_outcomes(change),
        "McNemar p of the labels, as a description: "
        + ", ".join(f"{printable(r['role'])} {format_pvalue(r['pvalue'])}" for r in labels),
        *_spread(change),
        *untested(change.table),
    ]
    return "\n".join(lines)


def cautions(change: ChangeTable) -> list[str]:
    """Return what else than the heads may explain a difference of two samples; none if paired."""
    of_pairs = bool((change.table[["beyond_before", "beyond_after"]] != "").any(axis=None))
    found = [
        change_lengths.sentence(change.facts),
        change_position.sentence(change.facts, of_pairs=of_pairs),
    ]
    return [each for each in found if each]


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
    among = f"Among {some(int(comparison.heads_per_layer.sum()), 'head')}{_named(comparison)}"
    largest = [rows.iloc[0] for name in CHANGED if len(rows := comparison.heads(name))]
    if not largest:
        return f"{among}, no role is shown {_gained_or_lost(comparison)}."
    best = max(largest, key=lambda row: abs(row["change"]))
    words = short_outcomes_of(comparison.facts)
    shown = "shown to be" if comparison.paired else "shown"
    return (
        f"{among}, {some(n['gained'], 'role')} {'is' if n['gained'] == 1 else 'are'} {shown} "
        f"{words['gained']} and {n['lost'] or 'none'} {words['lost']}: "
        f"{_of_outcomes(comparison, n)}. "
        f"The largest {change_word(comparison.facts)}: "
        f"{cell_name(best)} in {printable(best['role'])}, "
        f"{number(best['mean_before'])} to {number(best['mean_after'])} "
        f"{'of what is attainable ' if comparison.scale == ATTAINED else ''}"
        f"(adjusted p {format_pvalue(best['pvalue_adj'])})."
    )


def _named(comparison: ChangeTable) -> str:
    """Return the names of both sides as they follow "heads"; nothing without names."""
    before, after = map(printable, comparison.names)
    if comparison.names == SIDES:
        return ""
    return f", from {before} to {after}" if comparison.paired else f", in {before} and {after}"


def _gained_or_lost(comparison: ChangeTable) -> str:
    return "to be gained or lost" if comparison.paired else "on one side only"


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
        return f"{text}; the role is not shown {_gained_or_lost(comparison)}."
    words = short_outcomes_of(comparison.facts)
    counts = [f"{n} {words[o]}" for o in CHANGED if (n := int((cells["outcome"] == o).sum()))]
    best = changed.iloc[int(np.argmax(changed["change"].abs()))]
    return (
        f"{text}; {listing(counts)}. Largest {change_word(comparison.facts)}: {cell_name(best)}, "
        f"{number(best['mean_before'])} to {number(best['mean_after'])}"
        f"{' of what is attainable' if comparison.scale == ATTAINED else ''}."
    )


def inference(comparison: ChangeTable) -> str:
    """Return over what inference is, and for which texts and models it holds."""
    over = f"Inference is over {printable(comparison.facts.get('unit', 'sequences'))}"
    models = (
        "this checkpoint alone"
        if _is_of_one_model(comparison)
        else "these checkpoints, not over training runs"
    )
    if comparison.paired:
        return f"{over}, for {models}."
    places = places_of(comparison.facts)
    return (
        f"{over}: it holds for texts like those {places['before']} and {places['after']}, and for "
        f"{models}."
    )


def _is_of_one_model(comparison: ChangeTable) -> bool:
    """Return whether both sides are known to be of the same checkpoint."""
    facts, counts = comparison.facts, comparison.counts
    several = any(counts.get(f"checkpoints_{side}", 1) > 1 for side in SIDES)
    same = any(facts.get(name, UNKNOWN) != UNKNOWN for name in ("weights", "model"))
    return same and not several and "before weights" not in facts


def _outcomes(change: ChangeTable) -> list[str]:
    """Return a line for each outcome with a change, with what it means for two samples."""
    means = {} if change.paired else short_outcomes_of(change.facts)
    titles = {o: f"{o} ({means[o]})" if o in means else o for o in (*CHANGED, "unclear")}
    return [f"{title}: {_by_role(change, outcome)}" for outcome, title in titles.items()]


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
        f"significant {change_word(change.facts)}s: {changed.sum()} of {tested}, "
        f"{labelled.sum()} of heads that have the role on a side"
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
    places = places_of(comparison.facts)
    up, down = (
        ("appeared", "vanished") if comparison.paired else (places["after"], places["before"])
    )
    return (
        f"decided on both sides, and {changed_if(comparison)} is significant. "
        f"With one side undecided, {n['appeared'] or 'none'} {up} and {n['vanished'] or 'none'} "
        f"{down}"
    )
