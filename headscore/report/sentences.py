"""Sentences on reports: summaries, answers, and captions of figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Protocol

import numpy as np
import pandas as pd

from headscore.options import MAXT
from headscore.report import look_sentences
from headscore.report.empty_result import why_empty
from headscore.report.role_table import CONTROLS, RoleTable
from headscore.report.wording import (
    also_local,
    cell_name,
    explain,
    explained_by,
    format_pvalue,
    how_many,
    listing,
    number,
    some,
)
from headscore.scores.signature import printable
from headscore.statistics.status import ABSENT, TESTABLE
from headscore.statistics.verdict import HAS, HAS_NOT, UNDECIDED, VERDICTS


class HasFacts(Protocol):
    """What has the facts of a test."""

    @property
    def facts(self) -> Mapping[str, str]:
        """The entries of the signature."""
        ...


_ADJUSTED = {
    "holm": "Holm-adjusted p",
    "bh": "Benjamini-Hochberg-adjusted p",
    "by": "Benjamini-Yekutieli-adjusted p",
    "maxt": "maxT-adjusted p",
    "none": "unadjusted p",
}


# Roles that most heads of most models have: attention on tokens that mean nothing.
_SPECIAL = ("delimiter", "delimiter_cls", "delimiter_sep", "sink")


def summary(report: RoleTable) -> str:
    """Return the test and its results as a few lines."""
    counts = report.labels().sum()
    heads = report.heads_per_layer
    facts = report.facts
    lines = [
        f"{how_many(report.counts['sequences'], 'sequence')}, {unit(report)}; "
        f"{how_many(heads.sum(), 'head')} in {how_many(len(heads), 'layer')}; "
        f"{threshold(report)}, alpha {facts['alpha']}, adjust {facts['adjust']}",
        headline(report),
        *look_sentences.lines(facts),
        *without_attention(report),
        "heads with a role: " + _listed({role: counts[role] for role in report.roles}),
        robustness(report),
        *decided(report),
        *beyond_controls(report),
        *_colocation(report),
        *untested(report.table),
        *why_empty(report),
        *counted(report),
    ]
    return "\n".join(lines)


def unit(report: RoleTable) -> str:
    """Return the unit of independence as text, with the reason for it."""
    return f"unit of independence: {printable(report.facts.get('unit', 'sequences'))}"


def threshold(report: HasFacts) -> str:
    """Return the threshold of a report as text."""
    what = "tau on attained" if report.facts.get("criterion") == "attained" else "tau"
    return f"{what} {report.facts['tau']}"


def robustness(report: RoleTable) -> str:
    """Return the number of robust labels as text."""
    labelled, agreed = int(report.table["label"].sum()), int(report.table["robust"].sum())
    share = f" ({agreed / labelled:.0%})" if labelled else ""
    return f"robust: {agreed} of {labelled} labels{share}"


def decided(report: RoleTable) -> list[str]:
    """Return a line on the number of cells of each verdict; none where these are unknown."""
    n = _verdicts(report)
    return [f"verdicts: has {n[HAS]}, has not {n[HAS_NOT]}, undecided {n[UNDECIDED]}"] if n else []


def _verdicts(report: RoleTable) -> dict[str, int]:
    """Return the number of cells of each verdict; empty where a tested cell has none (format 1)."""
    verdict = report.table["verdict"]
    if (verdict[report.table["status"].isin(TESTABLE)] == "").any():
        return {}
    return {state: int((verdict == state).sum()) for state in VERDICTS}


def without_attention(report: RoleTable) -> list[str]:
    """Return a line that names the layers without attention; none where all have it."""
    numbers = np.flatnonzero(report.heads_per_layer == 0)
    return [f"no attention in layers {', '.join(map(str, numbers))}"] if len(numbers) else []


def beyond_controls(report: RoleTable) -> list[str]:
    """Return a line on the labels beyond each control of word pairs; none where not tested."""
    lines = []
    for control in CONTROLS[: CONTROLS.index(report.control) + 1]:
        counts = report.beyond(control=control).items()
        parts = [f"{printable(role)} {n} of {of}" for role, (of, n) in counts]
        what = explained_by(control, report.facts)
        lines += [f"heads with a role beyond {what}: {', '.join(parts)}"] if parts else []
    return lines


def counted(report: RoleTable) -> list[str]:
    """Return a line of the counts of the run, such as skipped inputs; none where all are 0."""
    found = {key: n for key, n in report.counts.items() if n and key != "sequences"}
    return [f"counted: {_listed(found)}"] if found else []


def _colocation(report: RoleTable) -> list[str]:
    """Return a line on the heads of the role syntactic that are also local, and on chance."""
    if not {"local", "syntactic"} <= set(report.roles):
        return []
    pairs = report.colocation().to_dict("records")
    row = next(each for each in pairs if (each["a"], each["b"]) == ("syntactic", "local"))
    line = f"co-location: {also_local(row)}"
    if not np.isnan(row["pvalue"]):
        line += (
            f"; {row['expected']:.1f} expected from the counts in each layer, "
            f"exact p {format_pvalue(row['pvalue'])}"
        )
    if not np.isnan(row["overlap"]):
        line += f"; {row['overlap']:.0%} of the syntactic sieve lies in the local one"
    return [line]


def untested(table: pd.DataFrame) -> list[str]:
    """Return a line on the cells not tested, by status; none where all were tested."""
    status = table["status"][~table["status"].isin(TESTABLE)]
    if not len(status):
        return []
    return [
        f"not tested: {len(status)} of {len(table)} cells ({_listed(Counter(status.tolist()))})"
    ]


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{printable(name)} {count}" for name, count in counts.items())


def answer(report: RoleTable) -> str:
    """Return the answer of a report: heads with a role, its meaning, verdicts and robust labels."""
    return (
        f"{headline(report)}. A head has a role where {_meaning(report)}. {_decided(report)}"
        f"{_position(report, report.table[report.table['label']], 'label', ' of word pairs')}"
    )


def headline(report: RoleTable) -> str:
    """Return how many heads have a role, of special tokens alone, and of word pairs."""
    labels, roles = report.labels(), report.roles
    has_any = labels.any(axis=1)
    role, one = "a role", "a role of word pairs"
    if len(roles) == 1:
        role, one = f"the role {printable(roles[0])}", "it"
    n, of = int(has_any.sum()), some(int(report.heads_per_layer.sum()), "head")
    text = f"{n} of {of} {'has' if n == 1 else 'have'} {role}"
    others = [each for each in roles if each not in _SPECIAL]
    if 0 < len(others) < len(roles):
        alone = int((has_any & ~labels[others].any(axis=1)).sum())
        text += f" ({alone or 'none'} only roles of special tokens)"
    if pairs := list(report.beyond(control=report.control)):
        n = int(report.labels(label=report.control)[pairs].any(axis=1).sum())
        by = explained_by(report.control, report.facts)
        text += f"; {n or 'none'} {'has' if n == 1 else 'have'} {one} beyond {by}"
    return text


def _decided(report: RoleTable) -> str:
    """Return how many tests show a role, robustly or not, and what the others show."""
    labelled, robust = (int(report.table[name].sum()) for name in ("label", "robust"))
    n = _verdicts(report)
    if not n:
        return f"{robust} of {some(labelled, 'label')} {'is' if robust == 1 else 'are'} robust."
    tested = sum(n.values())
    return (
        f"Of {how_many(tested, 'test')} of a head in a role, {n[HAS]} "
        f"{'shows' if n[HAS] == 1 else 'show'} that it has the role ({robust} robustly), "
        f"{n[HAS_NOT]} that it has not, and {n[UNDECIDED]} "
        f"{'is' if n[UNDECIDED] == 1 else 'are'} undecided."
    )


def _meaning(report: RoleTable) -> str:
    tau, level = report.facts["tau"], f"{_ADJUSTED[report.facts['adjust']]} ≤ "
    level += report.facts["alpha"]
    if report.facts.get("criterion") == "attained":
        return (
            f"on average more than {tau} of the attention above uniform that could go to the "
            f"role's tokens does ({level})"
        )
    times = f"more than {tau} times" if "=" not in tau else f"more than tau ({tau}) times"
    block = "in block, times the entropy of the row; " if "block" in report.roles else ""
    return (
        f"on average the role's tokens get {times} the attention that uniform attention gives "
        f"({block}{level})"
    )


def of_role(report: RoleTable, role: str) -> str:
    """Return the number of heads with a role, and the strongest head."""
    heads = report.heads(role)
    cells = report.table[(report.table["role"] == role) & ~report.table["status"].isin(ABSENT)]
    if not len(heads):
        untested = cells["status"][~cells["status"].isin(TESTABLE)]
        if len(untested) == len(cells):
            return f"Not tested: {listing(sorted(set(untested)))}."
        return "No head is shown to have the role."
    best = heads.iloc[0]
    text = (
        f"{len(heads)} of {len(cells)} heads, {int(heads['robust'].sum())} robust. Strongest "
        f"by bound: {cell_name(best)}, mean {number(best['mean'])}"
    )
    if not np.isnan(best["attainable"]):
        text += f" of at most {number(best['attainable'])}"
    text += f", bound {number(best['ci_low'])}"
    return f"{text}.{_position(report, heads, 'head')}"


def _position(report: RoleTable, rows: pd.DataFrame, what: str, of: str = "") -> str:
    """Return how many labels go beyond each control of word pairs that was computed."""
    text = ""
    for control in CONTROLS:
        states = rows[control][rows[control] != ""]
        if not len(states):
            continue
        n = {state: int((states == state).sum()) for state in VERDICTS}
        by = explained_by(control, report.facts)
        text += f" Beyond {by}: {n[HAS]} of {how_many(len(states), what)}{of}"
        if n[HAS_NOT]:
            text += f"; {explain(by)} {n[HAS_NOT]}"
        if n[UNDECIDED]:
            text += f"; undecided {n[UNDECIDED]}"
        text += "."
    return text


def of_combined(report: RoleTable) -> str:
    """Return the number of heads with several roles, and the head with most."""
    roles = report.labels().sum(axis=1)
    if not (roles > 1).any():
        return "No head is shown to have more than one role."
    layer, head = roles.index[int(np.argmax(roles.to_numpy()))]
    names = listing([printable(role) for role in report.roles_of(int(layer), int(head))])
    n_heads = report.heads_per_layer.sum()
    return (
        f"{some(int((roles > 1).sum()), 'head')} of {n_heads} have more than one role; "
        f"{layer}.{head} has most, {int(roles.max())}: {names}."
    )


def of_layers(report: RoleTable) -> str:
    """Return the roles of the smallest and largest mean depth, and those with a trend."""
    depths = report.depths()
    known = depths[depths["heads"] > 0]
    if not len(known):
        return "No head is shown to have a role."
    early = known.iloc[int(np.argmin(known["depth"].to_numpy()))]
    late = known.iloc[int(np.argmax(known["depth"].to_numpy()))]
    trends = known[known["pvalue_adj"] <= float(report.facts["alpha"])]
    text = (
        f"Earliest: {printable(early['role'])} (mean depth {number(early['depth'], 2)}, 0 the "
        f"first layer, 1 the last); latest: {printable(late['role'])} "
        f"({number(late['depth'], 2)})."
    )
    if len(trends):
        names = listing([printable(role) for role in trends["role"]])
        level = f"Holm-adjusted permutation p ≤ {report.facts['alpha']}"
        return f"{text} Depth matters ({level}) for {names}."
    return f"{text} No trend over the layers is shown."


def of_colocation(report: RoleTable, pairs: pd.DataFrame) -> str:
    """Return the number of role pairs that share more heads than by chance, and the first."""
    # Each unordered pair once: names are unique, so one of the two orders has a < b.
    once = pairs[(pairs["a"] < pairs["b"]) & (pairs["both"] > 0)]
    alpha = float(report.facts["alpha"])
    sure = once[once["pvalue_adj"] <= alpha].sort_values("jaccard", ascending=False)
    if not len(sure):
        return (
            "No two roles are shown to share more heads than the counts in each layer let expect."
        )
    best = sure.iloc[0]
    return (
        f"{some(len(sure), 'pair')} of roles share more heads than the counts in each layer let "
        f"expect (Holm-adjusted exact p ≤ {alpha:g}); most: {printable(best['a'])} and "
        f"{printable(best['b'])}, {best['both']} heads, {number(best['expected'], 2)} expected."
    )


def of_tau(report: RoleTable, counts: pd.DataFrame) -> str:
    """Return the number of labels at the lowest and highest threshold."""
    first, last = counts.columns[0], counts.columns[-1]
    total = counts.sum()
    return (
        f"{int(total[first])} labels at tau {first:g}, {int(total[last])} at tau {last:g}"
        f"{' (by Holm)' if _is_maxt(report) else ''}. Where a "
        "curve is steep, labels are a matter of the threshold."
    )


def by_holm(report: RoleTable) -> str:
    """Return that labels are counted by Holm where other ones need the scores, else nothing."""
    return " What follows is by Holm, as maxT needs the scores." if _is_maxt(report) else ""


def _is_maxt(report: RoleTable) -> bool:
    return bool(report.facts["adjust"] == MAXT)


def of_sensitivity(report: RoleTable, counts: pd.DataFrame) -> str:
    """Return the number of labels where one choice is made differently."""
    total = counts.sum(axis=1)
    choices = set(counts.index.get_level_values("choice"))
    text = f"{some(int(report.table['label'].sum()), 'label')} as tested.{by_holm(report)}"
    if "tau" in choices:
        at = total.loc["tau"]
        text += f" {at.iloc[0]} at tau {at.index[0]}, {at.iloc[-1]} at tau {at.index[-1]}."
    if "length" in choices:
        found = [
            (third, total[choice, third], counts.loc[(choice, third)].isna().all())
            for choice, third in counts.index
            if choice == "length"
        ]
        parts = [f"{'not tested' if no else n} ({printable(third)})" for third, n, no in found]
        text += f" In the thirds of the sequences by length, each tested alone: {listing(parts)}."
    for unit_, n in total.loc["unit"].iloc[1:].items():  # the first is the unit of the run
        text += f" {n} with other units ({printable(unit_)})."
    return (
        f"{text} Labels at a threshold that was chosen after looking at such counts are "
        "exploratory."
    )


def of_pvalues(report: RoleTable) -> str:
    """Return the share of p-values between 0.05 and 0.95."""
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


def of_coverage(report: RoleTable) -> str:
    """Return the number of sequences scored, and the counts of the run."""
    skipped = {name: n for name, n in report.counts.items() if n and name != "sequences"}
    text = f"{some(report.counts['sequences'], 'sequence')} were scored"
    text += "".join(f"; {line}" for line in without_attention(report))
    if not skipped:
        return f"{text}; nothing was skipped, cut or dropped."
    return (
        f"{text}; on the way were counted: "
        + listing([f"{printable(name)} {n}" for name, n in skipped.items()])
        + "."
    )
