"""Roles that share heads, as text for a terminal."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from itertools import chain
from typing import Any, TypeAlias

import pandas as pd

from headscore.report.role_table import RoleTable
from headscore.report.terminal.style import Style, titled, wrapped
from headscore.report.wording import also_local, explained_by, format_pvalue, how_many
from headscore.scores.signature import printable

_MOST_LISTED = 3  # pairs of roles
_Row: TypeAlias = Mapping[Hashable, Any]
_Pairs: TypeAlias = dict[tuple[str, str], _Row]


def shared_heads(report: RoleTable, style: Style) -> list[str]:
    """Return the pairs of roles that share most heads, with the test of co-location.

    Below a pair with a role of word pairs stands the same for labels that go beyond the strongest
    control of word pairs that was computed.
    """
    pairs, beyond = _by_roles(report.colocation()), _beyond(report)
    by = explained_by(report.control, report.facts)
    several = int((report.labels().sum(axis=1) > 1).sum())
    lines = [
        "p is exact and not adjusted; roles of which one is a part of the other are not tested",
        f"{how_many(several, 'head')} {'has' if several == 1 else 'have'} more than one role",
    ]
    local = pairs.get(("syntactic", "local"))
    if local is not None and local["both"]:
        lines += [
            f"{also_local(local)}; {_chance(local)}{_overlap(local)}",
            *_second(beyond, local, by),
        ]
    for row in _strongest(pairs):
        names = f"{printable(row['a'])} and {printable(row['b'])}"
        lines += [f"{names}: {_counts(row)}{_overlap(row)}", *_second(beyond, row, by)]
    note = "expected, p: when labels are shuffled within each layer"
    return [
        *titled("Roles that share heads", note, style),
        *chain.from_iterable(_wrapped(line, style) for line in lines),
    ]


def _wrapped(line: str, style: Style) -> list[str]:
    text = line.lstrip()
    return wrapped(text, style, indent=len(line) - len(text))


def _strongest(pairs: _Pairs) -> list[_Row]:
    """Return the pairs with the largest share of heads in common, each in one of its orders."""
    once = [row for (a, b), row in pairs.items() if a < b and row["both"] and not row["nested"]]
    chosen = sorted(once, key=lambda row: (-row["jaccard"], row["a"]))[:_MOST_LISTED]
    # The role with the larger share of its sieve in that of the other one comes first.
    turned = [pairs[row["b"], row["a"]] for row in chosen]
    return [
        other if other["overlap"] > row["overlap"] else row
        for row, other in zip(chosen, turned, strict=True)
    ]


def _beyond(report: RoleTable) -> _Pairs:
    """Return the co-location of labels beyond a control, for pairs with a role of word pairs."""
    compared = report.beyond(control=report.control)
    if not compared:
        return {}
    pairs = _by_roles(report.colocation(label=report.control))
    return {roles: row for roles, row in pairs.items() if compared.keys() & {*roles}}


def _by_roles(pairs: pd.DataFrame) -> _Pairs:
    return {(row["a"], row["b"]): row for row in pairs.to_dict("records")}


def _second(beyond: _Pairs, pair: _Row, by: str) -> list[str]:
    """Return the line of a pair for labels beyond a control; none where these are unknown."""
    row = beyond.get((pair["a"], pair["b"]))
    return [] if row is None else [f"  beyond {by}: {_counts(row)}"]


def _counts(row: _Row) -> str:
    both = how_many(row["both"], "head")
    return f"{both} of {row['heads_a']} and {row['heads_b']}; {_chance(row)}"


def _chance(row: _Row) -> str:
    return f"{row['expected']:.1f} expected, p {format_pvalue(row['pvalue'])}"


def _overlap(row: _Row) -> str:
    """Return the overlap of the sieves, where it is known."""
    if pd.isna(row["overlap"]):
        return ""
    a, b = printable(row["a"]), printable(row["b"])
    return f"; {row['overlap']:.0%} of the {a} sieve lies in that of {b}"
