"""Sentences on effects: the summary, the answer, a reading of each role."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import Any, TypeAlias

import numpy as np

from headscore.causal.values import HEADS, KEEP, KNOCKOUT, MATCHED, PLACEBO
from headscore.report.effect_table import EffectTable
from headscore.report.wording import format_pvalue, how_many, listing, number
from headscore.scores.signature import printable
from headscore.statistics.arm_rows import BEYOND
from headscore.statistics.effects import LOSES, NOT_SHOWN, NOT_TESTED, USED

Row: TypeAlias = Mapping[Hashable, Any]  # of the table, by column
ByArm: TypeAlias = Mapping[Hashable, Row]  # rows of a role, by arm

ARMS = {
    KNOCKOUT: "knock-out",
    PLACEBO: "placebo",
    KEEP: "edges alone",
    HEADS: "heads",
    MATCHED: "matched sets",
}
# Metric -> what depends on the edges. The others are functions, which name themselves.
_SUBJECTS = {
    "nll": "the loss",
    "masked_nll": "the loss",
    "kl": "the model's prediction",
    "cosine": "the model's output",
}
_DISTANCES = ("kl", "cosine")  # metrics that no change can lower
REPAIR = (
    "An effect is a lower bound: other layers repair part of what is removed (McGrath et al. 2023, "
    "Rushing and Nanda 2024), so sets of heads are tested before single ones."
)
_REASONS = {
    "not_tried": "not tried",
    "nonfinite": "a difference is not finite",
    "no_prediction": "nothing is predicted",
    "insufficient_n": "fewer than 8 independent units",
}


def summary(effect: EffectTable) -> str:
    """Return the experiment and its results as a few lines."""
    lines = [
        experiment(effect),
        *(_line(effect, role) for role in effect.roles),
        meaning(effect),
        REPAIR,
        *untried(effect),
        *_counted(effect),
    ]
    return "\n".join(lines)


def experiment(effect: EffectTable) -> str:
    """Return the size of the experiment, its metric and the options of its tests."""
    facts, values = effect.facts, effect.values.clean
    mean = math.nan if np.isnan(values).all() else float(np.nanmean(values))
    clean = f"{_amount(effect, mean)} in the model as it is"
    if facts.get("metric") in _DISTANCES:
        clean = f"in {printable(effect.values.unit)} from the model as it is"
    return (
        f"{how_many(effect.counts['sequences'], 'sequence')}, unit of independence: "
        f"{printable(facts['unit'])}; metric {printable(facts.get('metric', 'unknown'))}, {clean}; "
        f"alpha {facts['alpha']}, adjust {facts['adjust']}"
    )


def answer(effect: EffectTable) -> str:
    """Return of how many roles the model uses the edges, and what is not shown of the others."""
    verdicts = effect.used()["verdict"].tolist()
    n_used, untested = verdicts.count(USED), verdicts.count(NOT_TESTED)
    if untested == len(verdicts):
        return f"{depends(effect)}: none could be tested."
    parts = [f"{depends(effect)}."]
    if n_used:
        parts = [
            f"{depends(effect)}: it {_grows(effect)} without them, and more than without as many "
            f"other entries of these heads (adjusted p ≤ {effect.facts['alpha']})."
        ]
    parts += _open(effect)
    if untested:
        parts.append(f"{how_many(untested, 'role')} could not be tested.")
    return " ".join(parts)


def _open(effect: EffectTable) -> list[str]:
    """Return the bounds of the roles of which nothing is shown."""
    left = [_arms(effect, role) for role in effect.roles if _verdict(effect, role) == NOT_SHOWN]
    alone = [arms[KNOCKOUT] for arms in left if arms[KNOCKOUT]["verdict"] == NOT_SHOWN]
    beyond = [arms[BEYOND] for arms in left if arms[KNOCKOUT]["verdict"] != NOT_SHOWN]
    what = (
        (alone, "it is not shown", "without the edges"),
        (beyond, "it is not shown beyond the placebo", "than without others"),
    )
    return [
        f"Of {how_many(len(rows), 'role')} {sentence}: {_most(effect, rows)} {than} (upper bound)."
        for rows, sentence, than in what
        if rows
    ]


def _most(effect: EffectTable, rows: list[Row]) -> str:
    return _bound(effect, max(float(row["ci_high"]) for row in rows))


def _bound(effect: EffectTable, high: float) -> str:
    """Return an upper bound as text."""
    if high < 0:
        return f"at least {_amount(effect, -high)} less"
    return f"at most {_amount(effect, high)} more"


def depends(effect: EffectTable) -> str:
    """Return of how many of the roles it is shown that the model depends on their edges."""
    n = int((effect.used()["verdict"] == USED).sum())
    what, roles = subject(effect), how_many(len(effect.roles), "role")
    shown = "is shown to depend on the edges of" if n else "is not shown to depend on the edges of"
    return f"{what[0].upper()}{what[1:]} {shown} {n or 'any'} of {roles}"


def meaning(effect: EffectTable) -> str:
    """Return what an effect says and what not."""
    what = subject(effect)
    text = f"Shown is that {what} depends on these edges, not what a head is for."
    if effect.facts.get("metric") in _DISTANCES:
        text += f" Any change moves {what}, so only the difference from the placebo is a test."
    return text


def subject(effect: EffectTable) -> str:
    """Return what depends on the edges, as text."""
    metric = effect.facts.get("metric", "the metric")
    return _SUBJECTS.get(metric, printable(metric) or "the metric")


def of_role(effect: EffectTable, role: str) -> str:
    """Return what is shown of a role in sentences."""
    arms = _arms(effect, role)
    parts = [_edges(effect, role, arms), _heads(effect, arms), _explained(arms)]
    return " ".join(part for part in parts if part)


def untried(effect: EffectTable) -> list[str]:
    """Return a line for each role or arm that was asked for and not tried, with the reason."""
    return [
        f"not tried: {printable(name)}: {printable(reason)}"
        for name, reason in effect.values.not_tried.items()
    ]


def interval(row: Row) -> str:
    """Return the bounds of a row as text."""
    if np.isnan(row["ci_low"]):
        return "-"
    return f"{signed(row['ci_low'])} to {signed(row['ci_high'])}"


def signed(value: float) -> str:
    """Format a difference with its sign, ``"-"`` for NaN."""
    if math.isnan(value):
        return "-"
    return "0" if value == 0 else f"{value:+.3g}"


def _grows(effect: EffectTable) -> str:
    return "changes" if effect.facts.get("metric") in _DISTANCES else "grows"


def _line(effect: EffectTable, role: str) -> str:
    """Return the numbers of a role in a line."""
    arms = _arms(effect, role)
    parts = [_state(effect, role, arms)]
    for arm in (KNOCKOUT, PLACEBO, BEYOND, HEADS):
        if arms[arm]["status"] != "not_tried":
            name = ARMS.get(arm, arm)
            parts.append(f"{name} {signed(arms[arm]['delta'])} ({interval(arms[arm])})")
    if not np.isnan(arms[HEADS]["p_sets"]):
        rank = format_pvalue(arms[HEADS]["p_sets"])
        parts.append(
            f"{how_many(arms[HEADS]['sets'], 'matched set')} "
            f"{signed(arms[MATCHED]['delta'])}, rank p {rank}"
        )
    if not np.isnan(arms[KEEP]["explained"]) and arms[HEADS]["verdict"] == LOSES:
        parts.append(f"explained {arms[KEEP]['explained']:.0%}")
    heads = how_many(_n_heads(arms), "head")
    return f"{printable(role)} ({heads}): {'; '.join(parts)}"


def _state(effect: EffectTable, role: str, arms: ByArm) -> str:
    verdict, knockout = _verdict(effect, role), arms[KNOCKOUT]
    if verdict == NOT_SHOWN and knockout["verdict"] == NOT_SHOWN:
        return f"not shown: {_null(effect, knockout)}"
    if verdict == NOT_SHOWN:
        return "loses, not shown beyond placebo"
    if verdict == NOT_TESTED:
        return f"not tested ({_reason(arms)})"
    return verdict


def _edges(effect: EffectTable, role: str, arms: ByArm) -> str:
    """Return what is shown of the edges of a role."""
    knockout, placebo, beyond = (arms[arm] for arm in (KNOCKOUT, PLACEBO, BEYOND))
    if knockout["verdict"] == NOT_TESTED:
        return f"Not tested: {_reason(arms)}."
    if knockout["verdict"] == NOT_SHOWN:
        return f"Not shown: without the edges {_null(effect, knockout)}."
    without = (
        f"without the edges of {how_many(_n_heads(arms), 'head')} {signed(knockout['delta'])} "
        f"{_unit(effect)} (at least {number(knockout['ci_low'])})"
    )
    others = f"without as many others{_offsets(placebo)} {signed(placebo['delta'])}"
    if _verdict(effect, role) == USED:
        what = subject(effect)
        return f"{what[0].upper()}{what[1:]} depends on these edges: {without}, {others}."
    if beyond["verdict"] == NOT_TESTED:
        return f"W{without[1:]}; not compared with a placebo."
    return f"W{without[1:]}, {others}. Not shown beyond this placebo: {_null(effect, beyond)}."


def _offsets(placebo: Row) -> str:
    share = placebo["same_offset"]
    return "" if np.isnan(share) else f" ({share:.0%} of them at the same offsets)"


def _heads(effect: EffectTable, arms: ByArm) -> str:
    """Return what is shown of the heads as a whole, among matched sets."""
    heads, matched = arms[HEADS], arms[MATCHED]
    if heads["status"] == "not_tried":
        return ""
    if heads["verdict"] == NOT_SHOWN:
        text = f"Without the heads, not shown: {_null(effect, heads)}"
    else:
        text = f"Without the heads: {signed(heads['delta'])}"
    if np.isnan(heads["p_sets"]):
        return f"{text}."
    return (
        f"{text}; {how_many(heads['sets'], 'matched set')} of heads: "
        f"{signed(matched['delta'])} on average (rank p {format_pvalue(heads['p_sets'])})."
    )


def _explained(arms: ByArm) -> str:
    """Return which share of what the heads do the edges alone do, where the heads do anything."""
    keep = arms[KEEP]
    if np.isnan(keep["explained"]) or arms[HEADS]["verdict"] != LOSES:
        return ""
    bounds = ""
    if not np.isnan(keep["explained_low"]):
        bounds = f" (bounds {keep['explained_low']:.0%} and {keep['explained_high']:.0%})"
    return f"These edges alone explain {keep['explained']:.0%} of what the heads do{bounds}."


def _arms(effect: EffectTable, role: str) -> ByArm:
    return effect.arms(role).to_dict("index")


def _n_heads(arms: ByArm) -> int:
    return max(int(arms[arm]["n_heads"]) for arm in (KNOCKOUT, HEADS))


def _verdict(effect: EffectTable, role: str) -> str:
    return str(effect.used()["verdict"].iloc[effect.roles.index(role)])


def _reason(arms: ByArm) -> str:
    """Return why a role could not be tested: its knock-out, or the comparison with the placebo."""
    for arm in (KNOCKOUT, PLACEBO):
        if (status := arms[arm]["status"]) in _REASONS:
            return f"{ARMS[arm]}: {_REASONS[status]}"
    return "nothing to compare"


def _null(effect: EffectTable, row: Row) -> str:
    """Return what is known of a row in which nothing is shown: its upper bound."""
    if row["status"] == "zero_variance" and row["delta"] == 0:
        return f"no difference in any of {how_many(row['n'], 'sequence')}"
    return f"{_bound(effect, row['ci_high'])} (upper bound)"


def _unit(effect: EffectTable) -> str:
    unit = effect.values.unit
    return "of cosine distance" if unit == "1 - cosine" else printable(unit)


def _amount(effect: EffectTable, value: float) -> str:
    return f"{number(value)} {_unit(effect)}"


def _counted(effect: EffectTable) -> list[str]:
    found = [f"{printable(name)} {n}" for name, n in effect.values.counts.items() if n]
    return [f"counted: {listing(found)}"] if found else []
