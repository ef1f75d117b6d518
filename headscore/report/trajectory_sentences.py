"""Sentences on trajectories: the summary, the answer, a reading of each role."""

from __future__ import annotations

from typing import Any

import pandas as pd

from headscore.report.sentences import threshold, untested
from headscore.report.trajectory_table import TrajectoryTable, earliest_first
from headscore.report.wording import cell_name, format_pvalue, how_many, listing, some
from headscore.scores.signature import printable

BETWEEN = (
    "Inference is over documents, for these checkpoints; nothing is shown of the steps between "
    "them. A head may have had the role before the step from which on it is shown."
)


def summary(found: TrajectoryTable) -> str:
    """Return the trajectory and its results as a few lines."""
    facts, counts = found.facts, found.counts
    sizes = sorted({counts["sequences_first"], counts["sequences_last"]})
    heads = found.heads_per_layer
    lines = [
        f"{steps(found)}; {listing([str(n) for n in sizes])} sequences, "
        f"unit of independence: {unit(found)}",
        f"{how_many(heads.sum(), 'head')} in {how_many(len(heads), 'layer')}; "
        f"{threshold(found)}, alpha {facts['alpha']}, adjust {facts['adjust']}, "
        f"label {facts['label']}",
        *(f"{printable(role)}: {of_role(found, role)}" for role in found.roles),
        *untested(found.table),
        BETWEEN,
    ]
    return "\n".join(lines)


def answer(found: TrajectoryTable) -> str:
    """Return how many roles are shown to stay, the first of them, and how many are lost."""
    if not found.array("n_steps").any():
        return "No head could be tested in any role."
    kept = found.table[found.table["has_from"].notna()]
    among = (
        f"Among {some(int(found.heads_per_layer.sum()), 'head')} at "
        f"{how_many(len(found.steps), 'checkpoint')}"
    )
    lost = len(found.lost())
    gone = f"{some(lost, 'role')} {'is' if lost == 1 else 'are'} shown to be lost at the last one."
    if kept.empty:
        return f"{among}, no role is shown to be there from some checkpoint to the last; {gone}"
    first = earliest_first(kept).iloc[0]
    are = "is" if len(kept) == 1 else "are"
    return (
        f"{among}, {some(len(kept), 'role')} of heads {are} shown to be there from some checkpoint "
        f"to the last. The earliest: {cell_name(first)} in {printable(first['role'])}, "
        f"from step {step_name(first['has_from'])} on "
        f"(adjusted p {format_pvalue(first['pvalue_adj'])}). {gone[0].upper()}{gone[1:]}"
    )


def of_role(found: TrajectoryTable, role: str) -> str:
    """Return how many heads are shown to have a role at the first and at the last step."""
    if not is_tested(found, role):
        status = found.table.loc[found.table["role"] == role, "status"]
        return f"not tested ({status.iloc[0]})"
    counts = found.by_step()
    first, last = counts[counts["role"] == role].iloc[[0, -1]].to_dict("records")
    n_lost = int((found.lost()["role"] == role).sum())
    shown = f"{last['has']} shown to have it at the end"
    if last["has"]:
        halfway = found.heads(role)["has_from"].to_numpy()[(last["has"] - 1) // 2]
        share = "half of these " if last["has"] > 1 else ""
        shown += f" ({share}from step {step_name(halfway)} on)"
    parts = [
        f"{shown}, at most {last['has'] + last['undecided']} have it",
        f"at first at most {first['has'] + first['undecided']}",
    ]
    if n_lost:
        parts.append(f"{n_lost} shown to be lost")
    return "; ".join(parts)


def is_tested(found: TrajectoryTable, role: str) -> bool:
    """Return whether any head is tested in a role at any step."""
    return bool((found.table.loc[found.table["role"] == role, "n_steps"] > 0).any())


def steps(found: TrajectoryTable) -> str:
    """Return the number of steps and their range."""
    first, last = (step_name(step) for step in found.steps[[0, -1]])
    return f"{how_many(len(found.steps), 'checkpoint')}, steps {first} to {last}"


def unit(found: TrajectoryTable) -> str:
    """Return the unit of independence, at the first and the last step where they differ."""
    facts = found.facts
    names = ["unit"] if "unit" in facts else ["first unit", "last unit"]
    return printable(" and ".join(facts.get(name, "sequences") for name in names))


def span(row: pd.Series[Any]) -> str:
    """Return between which steps a cell came to have its role."""
    low, high = row["absent_until"], row["has_from"]
    if pd.isna(high):
        return "-"
    return f"up to {step_name(high)}" if pd.isna(low) else f"{step_name(low)} to {step_name(high)}"


def step_name(step: float) -> str:
    """Format a step: whole numbers without a point."""
    return f"{step:.12g}"
