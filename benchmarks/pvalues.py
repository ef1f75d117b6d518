"""The p-values of a real model: a map for each role, and what each adjustment leaves of them."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator

import numpy as np
import pandas as pd

import headscore as hs
from headscore.demo import demo_corpus, demo_model

ALPHA = 0.05
ADJUSTMENTS = {"raw": "none", "Holm": "holm", "BH": "bh"}
MOST = 300  # digits that are written


def maps(reports: dict[str, hs.Report]) -> Iterator[str]:
    """Write -log10 p of each head, a row for each layer, with a mark for what it passes."""
    raw, holm, bh = (reports[name].table for name in ADJUSTMENTS)
    passed = [holm["robust"], holm["label"], bh["label"], raw["label"]]
    marks = np.select(passed, ["*", "h", "b", "r"], " ")
    cells = [f"{_written(p)}{mark}" for p, mark in zip(raw["pvalue"], marks, strict=True)]
    heads = len(raw) // len(reports["raw"].roles)
    layers = raw["layer"].nunique()
    for index, role in enumerate(reports["raw"].roles):
        rows = np.reshape(cells[index * heads : (index + 1) * heads], (layers, -1))
        yield f"{role}, n {raw['n'][index * heads]}"
        yield from ("  " + "".join(row) for row in rows)


def _written(pvalue: float) -> str:
    if np.isnan(pvalue):
        return "    -"
    digits = -math.log10(pvalue) if pvalue > 0 else math.inf
    if digits > MOST:
        return f" >{MOST}"
    return f"{abs(digits):5.{0 if digits >= 10 else 1}f}"


def labels(reports: dict[str, hs.Report]) -> Iterator[str]:
    """Count what each adjustment leaves, and how many of those are robust."""
    yield "| p-values | labels | robust | share |"
    yield "|---|---|---|---|"
    for name, report in reports.items():
        label, robust = (int(report.table[column].sum()) for column in ("label", "robust"))
        yield f"| {name} | {label} | {robust} | {robust / max(label, 1):.1%} |"


def roles(reports: dict[str, hs.Report]) -> Iterator[str]:
    """Count the same for each role, with the sequences that take part."""
    yield "| role | n | raw | Holm | BH | robust | p in the middle | largest p of a label |"
    yield "|---|---|---|---|---|---|---|---|"
    for role in reports["raw"].roles:
        raw, holm, bh = (report.table[report.table["role"] == role] for report in reports.values())
        counts = [int(table["label"].sum()) for table in (raw, holm, bh)]
        largest = holm.loc[holm["label"], "pvalue"].max()
        weakest = "none" if np.isnan(largest) else f"{largest:.2g}"
        yield (
            f"| {role} | {raw['n'].iloc[0]} | {' | '.join(map(str, counts))} | "
            f"{int(holm['robust'].sum())} | {int(middle(raw).sum())} | {weakest} |"
        )


def middle(table: pd.DataFrame) -> pd.Series:
    """Say which p-values are neither near 0 nor near 1."""
    return table["pvalue"].between(ALPHA, 1 - ALPHA)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", nargs="?", help="a .conllu file (default: the demo corpus)")
    parser.add_argument("--tiny", action="store_true", help="as it is: there is nothing to shorten")
    arguments = parser.parse_args()
    scores = hs.score(
        demo_model(), arguments.corpus or demo_corpus(), pairs="consecutive", progress=False
    )
    reports = {
        name: hs.test(scores, adjust=adjust, alpha=ALPHA) for name, adjust in ADJUSTMENTS.items()
    }
    table = reports["Holm"].table
    print("-log10 p; r: raw p at most 0.05, b: BH too, h: Holm too, *: and robust\n")
    print("\n".join(maps(reports)), "\n")
    print("\n".join(labels(reports)), "\n")
    print("\n".join(roles(reports)), "\n")
    tested = table["pvalue"].notna()
    share = middle(table).sum() / tested.sum()
    print(
        f"{len(scores.sequence_ids)} sequences, {tested.sum()} p-values, {share:.2%} of them "
        f"between {ALPHA:g} and {1 - ALPHA:g}."
    )
    pairs = reports["Holm"].colocation()
    row = pairs[(pairs["a"] == "syntactic") & (pairs["b"] == "local")].iloc[0]
    print(
        f"Syntactic heads also local: {row['both']} of {row['heads_a']}, by chance "
        f"{row['expected']:.2f}, exact p {row['pvalue']:.2g}."
    )


if __name__ == "__main__":
    main()
