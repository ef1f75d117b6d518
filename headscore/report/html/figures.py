"""Data of the figures of a report, for the HTML templates."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from headscore.options import TAUS
from headscore.report import sentences
from headscore.report.html import marks, paths
from headscore.report.maps import maps
from headscore.report.retest import by_holm, tau_counts
from headscore.report.role_table import RoleTable

# Figures are SVG in units of the view box: x to the right, y downwards.
WIDTH, HEIGHT = 460, 240  # of a chart, in units
_BINS = 20


def role_maps(report: RoleTable) -> list[dict[str, Any]]:
    """Return the map of each role: shades of the effect, and marks of the states."""
    found = maps(report)
    return [
        {
            "role": role,
            "number": number,
            "count": int(found.label[number].sum()),
            "reading": sentences.of_role(report, role),
            "shades": paths.shades(found.effect[number]),
            "untested": paths.cells(~found.tested[number]),
            "marks": marks.state_marks(found.state[number]),
        }
        for number, role in enumerate(report.roles)
    ]


def combined(report: RoleTable) -> list[str]:
    """Return a path per role for the map of all roles."""
    return paths.squares(maps(report).label)


def places(n_roles: int) -> list[str]:
    """Return a path per role for a cell that has only this role."""
    return paths.squares(np.ones((n_roles, 1, 1), dtype=bool))


def layer_table(report: RoleTable) -> list[dict[str, Any]]:
    """Return the counts of each layer, with a shade for each."""
    counts = report.layers()
    heads = np.maximum(report.heads_per_layer, 1)
    return [
        {"layer": layer, "cells": [{"n": int(n), "shade": shade(n / of)} for n in row]}
        for layer, row, of in zip(counts.index, counts.to_numpy(), heads, strict=True)
    ]


def colocation_table(
    report: RoleTable, pairs: pd.DataFrame, beyond: pd.DataFrame | None
) -> list[dict[str, Any]]:
    """Return a row per role: the heads that it shares with each other role, with the tests.

    A test is "sure" where its adjusted p-value is at most alpha. Pairs with a role of word pairs
    have a second one, of the labels `beyond` a control.
    """
    found, second = _by_roles(pairs), {} if beyond is None else _by_roles(beyond)
    of_pairs, alpha = report.beyond(control=report.control).keys(), float(report.facts["alpha"])
    heads = report.labels().sum()
    rows = []
    for a in report.roles:
        cells: list[dict[str, Any]] = []
        for b in report.roles:
            if a == b:
                cells.append({"own": int(heads[a])})
                continue
            tests = [found[a, b]] + ([second[a, b]] if second and of_pairs & {a, b} else [])
            share = found[a, b]["share_of_a"]
            cells.append(
                {
                    "shade": 0 if np.isnan(share) else shade(share),
                    "tests": [{**row, "sure": row["pvalue_adj"] <= alpha} for row in tests],
                }
            )
        rows.append({"role": a, "cells": cells})
    return rows


def _by_roles(pairs: pd.DataFrame) -> dict[tuple[str, str], dict[Any, Any]]:
    return {(row["a"], row["b"]): row for row in pairs.to_dict("records")}


def shade(share: float) -> int:
    """Return the shade 0 .. 9 of a share."""
    # Only a share of 0 has shade 0: a single head must not look like none.
    return min(9, int(np.ceil(9 * share)))


def tau_chart(report: RoleTable) -> dict[str, Any] | None:
    """Return the curves of heads by threshold; None where the report has no single scale."""
    if report.facts.get("criterion", "mean") != "mean":
        return None
    counts = tau_counts(by_holm(report))
    most = max(1, int(counts.to_numpy().max()))

    def at(tau: float, count: float) -> tuple[float, float]:
        # Margins: 34 left for the numbers, 136 right for the names, 30 below, 20 above.
        share = (tau - TAUS[0]) / (TAUS[-1] - TAUS[0])
        return 34 + share * (WIDTH - 170), HEIGHT - 30 - count / most * (HEIGHT - 50)

    curves = [
        {
            "role": role,
            "number": number,
            "points": [at(tau, n) for tau, n in zip(TAUS, row, strict=True)],
            "path": paths.line([at(tau, n) for tau, n in zip(TAUS, row, strict=True)]),
        }
        for number, (role, row) in enumerate(zip(counts.index, counts.to_numpy(), strict=True))
    ]
    paths.spread(curves, lowest=HEIGHT - 20)
    steps = sorted({0, most // 2, most})
    return {
        "counts": [
            (role, row.tolist()) for role, row in zip(counts.index, counts.to_numpy(), strict=True)
        ],
        "taus": list(TAUS),
        "curves": curves,
        "x": [(at(tau, 0)[0], f"{tau:g}") for tau in TAUS],
        "y": [(at(TAUS[0], n)[1], str(n)) for n in steps],
        "reading": sentences.of_tau(report, counts),
    }


def pvalue_chart(report: RoleTable) -> dict[str, Any]:
    """Return the bars of the histogram of unadjusted p-values; heights by the logarithm."""
    p = report.table["pvalue"].dropna().to_numpy()
    counts = np.histogram(p, bins=np.linspace(0, 1, _BINS + 1))[0]
    most = max(1, int(counts.max()))
    # log10(count + 1): an empty bin has height 0, a single cell is still visible.
    scale = (HEIGHT - 60) / np.log10(most + 1) if most else 0.0
    wide = (WIDTH - 50) / _BINS
    bars = [
        {
            "x": round(40 + n * wide, 1),
            "height": round(float(np.log10(count + 1) * scale), 1),
            "count": int(count),
            "low": f"{n / _BINS:g}",
            "high": f"{(n + 1) / _BINS:g}",
        }
        for n, count in enumerate(counts)
    ]
    ticks = [10**k for k in range(7) if 10**k <= most]
    y = [(round(HEIGHT - 30 - float(np.log10(n + 1) * scale), 1), str(n)) for n in ticks]
    return {"bars": bars, "wide": wide - 1, "y": y, "reading": sentences.of_pvalues(report)}
