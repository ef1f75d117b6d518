"""What each figure of a report says, as a sentence that a person can read first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from headscore.report.maps import heads_per_layer
from headscore.report.wording import format_pvalue, listing, number, some
from headscore.scores.head_scores import printable
from headscore.statistics.t_test import ABSENT, TESTABLE

if TYPE_CHECKING:
    import pandas as pd

    from headscore.report.comparison import Comparison
    from headscore.report.report import Report

_ADJUSTED = {
    "holm": "Holm-adjusted p",
    "bh": "Benjamini-Hochberg-adjusted p",
    "by": "Benjamini-Yekutieli-adjusted p",
    "none": "unadjusted p",
}


def answer(report: Report) -> str:
    """Say how many heads have a role, what that means, and how many of the labels are robust."""
    labels = report.labels()
    labelled, robust = (int(report.table[name].sum()) for name in ("label", "robust"))
    with_role = int(labels.any(axis=1).sum())
    verb = "has" if with_role == 1 else "have"
    return (
        f"{with_role} of {some(int(heads_per_layer(report).sum()), 'head')} {verb} at least one of "
        f"{some(len(report.roles), 'role')}: {_meaning(report)} "
        f"({_ADJUSTED[report.facts['adjust']]} ≤ {report.facts['alpha']}). "
        f"{robust} of {some(labelled, 'label')} {'is' if robust == 1 else 'are'} robust."
        f"{_position(report.table[report.table['label']], 'labels of word pairs')}"
    )


def _meaning(report: Report) -> str:
    tau = report.facts["tau"]
    if report.facts.get("criterion") == "attained":
        return (
            f"on average more than {tau} of the attention above uniform that could go to the "
            "role's tokens does"
        )
    times = f"more than {tau} times" if "=" not in tau else f"more than tau ({tau}) times"
    return f"on average the role's tokens get {times} the attention that uniform attention gives"


def of_role(report: Report, role: str) -> str:
    """Say how many heads have a role, and which is the strongest."""
    heads = report.heads(role)
    cells = report.table[(report.table["role"] == role) & ~report.table["status"].isin(ABSENT)]
    if not len(heads):
        untested = cells["status"][~cells["status"].isin(TESTABLE)]
        if len(untested) == len(cells):
            return f"Not tested: {listing(sorted(set(untested)))}."
        return "No head has the role."
    best = heads.iloc[0]
    text = (
        f"{len(heads)} of {len(cells)} heads, {int(heads['robust'].sum())} robust. Strongest: "
        f"{_cell(best)}, mean {number(best['mean'])}"
    )
    if not np.isnan(best["attainable"]):
        text += f" of at most {number(best['attainable'])}"
    return f"{text}.{_position(heads, 'heads')}"


def _position(rows: pd.DataFrame, what: str) -> str:
    """Say how many labels are more than position, where that was computed."""
    beyond = rows["beyond_position"].dropna()
    if not len(beyond):
        return ""
    return f" Beyond position alone: {int(beyond.sum())} of {len(beyond)} {what}."


def of_combined(report: Report) -> str:
    """Say how many heads have several roles, and which has most."""
    roles = report.labels().sum(axis=1)
    if not (roles > 1).any():
        return "No head has more than one role."
    layer, head = roles.index[int(np.argmax(roles.to_numpy()))]
    names = listing([printable(role) for role in report.roles_of(int(layer), int(head))])
    n_heads = heads_per_layer(report).sum()
    return (
        f"{some(int((roles > 1).sum()), 'head')} of {n_heads} have more than one role; "
        f"{layer}.{head} has most, {int(roles.max())}: {names}."
    )


def of_layers(report: Report) -> str:
    """Say where in the model the roles are."""
    depths = report.depths()
    known = depths[depths["heads"] > 0]
    if not len(known):
        return "No head has a role."
    early = known.iloc[int(np.argmin(known["depth"].to_numpy()))]
    late = known.iloc[int(np.argmax(known["depth"].to_numpy()))]
    trends = known[known["pvalue"] <= float(report.facts["alpha"])]
    text = (
        f"Earliest: {printable(early['role'])} (mean depth {number(early['depth'], 2)}, 0 the "
        f"first layer, 1 the last); latest: {printable(late['role'])} "
        f"({number(late['depth'], 2)})."
    )
    if len(trends):
        names = listing([printable(role) for role in trends["role"]])
        return f"{text} Depth matters (permutation p ≤ {report.facts['alpha']}) for {names}."
    return f"{text} No role has a trend over the layers."


def of_colocation(report: Report, pairs: pd.DataFrame) -> str:
    """Say which roles share more heads than their layers would make them."""
    once = pairs[(pairs["a"] < pairs["b"]) & (pairs["both"] > 0)]
    alpha = float(report.facts["alpha"])
    sure = once[once["pvalue_adj"] <= alpha].sort_values("jaccard", ascending=False)
    if not len(sure):
        return "No two roles share more heads than the counts in each layer let expect."
    best = sure.iloc[0]
    return (
        f"{some(len(sure), 'pair')} of roles share more heads than the counts in each layer let "
        f"expect (adjusted permutation p ≤ {alpha:g}); most: {printable(best['a'])} and "
        f"{printable(best['b'])}, {best['both']} heads, {number(best['expected'], 2)} expected."
    )


def of_tau(counts: pd.DataFrame) -> str:
    """Say how much the number of labels depends on the threshold."""
    first, last = counts.columns[0], counts.columns[-1]
    total = counts.sum()
    return (
        f"{int(total[first])} labels at tau {first:g}, {int(total[last])} at tau {last:g}. Where a "
        "curve is steep, labels are a matter of the threshold."
    )


def of_pvalues(report: Report) -> str:
    """Say how many tests were close."""
    p = report.table["pvalue"].dropna()
    if not len(p):
        return "Nothing could be tested."
    between = int(((p > 0.05) & (p < 0.95)).sum())
    return (
        f"{between} of {len(p)} unadjusted p-values ({between / len(p):.1%}) lie between 0.05 and "
        "0.95: few tests are close."
        if between / len(p) < 0.2
        else f"{between} of {len(p)} unadjusted p-values ({between / len(p):.1%}) lie between "
        "0.05 and 0.95: many tests are close, so more sequences may change the labels."
    )


def of_coverage(report: Report) -> str:
    """Say what took part."""
    skipped = {name: n for name, n in report.counts.items() if n and name != "sequences"}
    text = f"{some(report.counts['sequences'], 'sequence')} were scored"
    text += "".join(f"; {line}" for line in report.without_attention)
    if not skipped:
        return f"{text}; nothing was skipped, cut or dropped."
    return (
        f"{text}; on the way were counted: "
        + listing([f"{printable(name)} {n}" for name, n in skipped.items()])
        + "."
    )


def of_comparison(comparison: Comparison) -> str:
    """Say how many roles were gained and lost, and where most."""
    table = comparison.table
    counts = {name: int((table["outcome"] == name).sum()) for name in ("gained", "lost", "unclear")}
    n_heads = int(heads_per_layer(comparison).sum())
    text = (
        f"Among {some(n_heads, 'head')}, {some(counts['gained'], 'role')} gained and "
        f"{counts['lost'] or 'none'} lost: label and paired change both significant"
    )
    changed = comparison.heads("gained"), comparison.heads("lost")
    largest = [rows.iloc[0] for rows in changed if len(rows)]
    if largest:
        best = max(largest, key=lambda row: abs(row["change"]))
        text += (
            f"; the largest change: {_cell(best)} in {printable(best['role'])}, "
            f"{number(best['mean_before'])} to {number(best['mean_after'])} "
            f"(adjusted p {format_pvalue(best['pvalue_adj'])})"
        )
    return f"{text}."


def _cell(row: pd.Series[Any]) -> str:
    return f"{row['layer']}.{row['head']}"
