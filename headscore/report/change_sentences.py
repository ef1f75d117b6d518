"""Sentences on comparisons: the summary and the answer."""

from __future__ import annotations

from typing import Any

import pandas as pd

from headscore.options import ATTAINED, UNKNOWN
from headscore.report import (
    change_counts,
    change_lengths,
    change_outcomes,
    change_position,
    look_sentences,
)
from headscore.report.change_outcomes import NAMED
from headscore.report.change_table import ChangeTable, largest_first
from headscore.report.sentences import untested
from headscore.report.side_words import SIDES, change_word, places_of, short_outcomes_of
from headscore.report.wording import cell_name, format_pvalue, how_many, listing, number, some
from headscore.scores.signature import printable
from headscore.statistics.change import CHANGED
from headscore.statistics.verdict import HAS_NOT, UNDECIDED


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
        answer(change),
        change_counts.line(change),
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


def intervals(change: ChangeTable) -> str:
    """Return what the intervals of a comparison are, and what they are not adjusted for."""
    before, after = map(printable, change.names)
    level = 100 * (1 - float(change.facts["alpha"]))
    return (
        f"{level:.6g} % confidence interval of {after} - {before} in one cell, not adjusted for "
        "the number of cells"
    )


def answer(comparison: ChangeTable) -> str:
    """Return which heads gained or lost a role, what is open, and the largest changes."""
    significant = comparison.significant()
    of_labels = significant["outcome"].isin(CHANGED)
    parts = [
        change_outcomes.shown(comparison),
        _of_labels(comparison),
        change_outcomes.still_open(comparison),
        _largest(comparison, significant[of_labels]),
        _besides(comparison, significant[~of_labels]),
    ]
    return " ".join(filter(None, parts))


def _largest(comparison: ChangeTable, rows: pd.DataFrame) -> str:
    heads = how_many(int(comparison.heads_per_layer.sum()), "head")
    word = change_word(comparison.facts)
    return (
        f"The largest {word} of these, among {heads}: {_cell(comparison, rows)}."
        if len(rows)
        else ""
    )


def _besides(comparison: ChangeTable, rows: pd.DataFrame) -> str:
    """Return how many cells changed significantly although their labels did not."""
    if not len(rows):
        return ""
    one = len(rows) == 1
    verb = "changed" if comparison.paired else "differs" if one else "differ"
    what = "another cell" if one else f"{len(rows)} other cells"
    return (
        f"{what[0].upper()}{what[1:]} {verb} significantly without a "
        f"{change_word(comparison.facts)} of the label{'' if one else ', most of all'}: "
        f"{_cell(comparison, rows)}."
    )


def _cell(comparison: ChangeTable, rows: pd.DataFrame) -> str:
    """Return the first of some rows."""
    best = rows.iloc[0]
    return (
        f"{cell_name(best)} in {printable(best['role'])}, {_from_to(comparison, best)} (adjusted p "
        f"{format_pvalue(best['pvalue_adj'])})"
    )


def _from_to(comparison: ChangeTable, row: pd.Series[Any]) -> str:
    """Return what a head has on both sides."""
    before, after = (number(row[f"mean_{side}"]) for side in SIDES)
    if comparison.paired:
        return f"{before} to {after}"
    of = " of what is attainable" if comparison.scale == ATTAINED else ""
    places = places_of(comparison.facts)
    return f"{before}{of} {places['before']}, {after} {places['after']}"


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
    best = largest_first(changed).iloc[0]
    return (
        f"{text}; {listing(counts)}. Largest {change_word(comparison.facts)}: {cell_name(best)}, "
        f"{_from_to(comparison, best)}."
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
    has = (
        f" A head has a role here above {comparison.facts['tau']} of what is attainable, in a "
        "report above a mean score."
    )
    return (
        f"{over}: it holds for texts like those {places['before']} and {places['after']}, and for "
        f"{models}.{has if comparison.scale == ATTAINED else ''}"
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
    counts = {o: len(change.heads(o)) for o in titles}
    named = {o: change_outcomes.by_role(change, o) for o in titles}
    return [
        f"{title}: {counts[o]}" + (f" ({named[o]})" if named[o] else "")
        for o, title in titles.items()
    ]


def _significant(change: ChangeTable) -> str:
    """Return how many means changed significantly, with a label or without, and the largest."""
    rows = change.significant()
    labelled = rows["label_before"] | rows["label_after"]
    tested = some(int(change.table["pvalue_adj"].count()), "cell")
    text = (
        f"significant {change_word(change.facts)}s: {len(rows)} of {tested}, "
        f"{labelled.sum()} of heads that have the role on a side"
    )
    if not len(rows):
        return text
    largest = ", ".join(
        f"{printable(row['role'])} {cell_name(row)} {row['change']:+.3g} "
        f"({format_pvalue(row['pvalue_adj'])})"
        for _, row in rows.head(NAMED).iterrows()
    )
    which = "the largest" if len(rows) > NAMED else "these"
    return f"{text}; {which}, with adjusted p: {largest}"


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


def _of_labels(comparison: ChangeTable) -> str:
    """Return what gained and lost mean in a file of format 1, which has no verdicts; else ""."""
    verdicts = comparison.table[["verdict_before", "verdict_after"]]
    changed = comparison.table["outcome"].isin(CHANGED)
    if not changed.any() or verdicts.isin((HAS_NOT, UNDECIDED)).any(axis=None):
        return ""
    return f"Gained and lost: the label changed, and {changed_if(comparison)} is significant."
