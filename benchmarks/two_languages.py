"""Two languages: which heads of one model have a role in both, on a treebank of each."""

from __future__ import annotations

import argparse
import itertools
import re
from pathlib import Path

import headscore as hs
from headscore.corpus import read

ROLES = "paper,previous,next,punctuation"
_RANGE = re.compile(r"^\d+-\d+\t", re.M)  # a token of several words, such as "da" = "de" + "a"


def encode(corpus: Path, model: str, limit: int | None) -> tuple[hs.Encoded, int]:
    """Return the first sentences of a treebank, and how many tokens of several words they have."""
    sentences = list(itertools.islice(read(corpus), limit))
    encoded = hs.encode(sentences, model, max_length=512)
    blocks = corpus.read_text(encoding="utf-8").split("\n\n")[: len(sentences)]
    return encoded, sum(len(_RANGE.findall(block)) for block in blocks)


def describe(name: str, encoded: hs.Encoded, contractions: int) -> str:
    lost = encoded.counts.get("relations_dropped", 0)
    return (
        f"| {name} | {len(encoded)} | {len(encoded.input_ids)} | {contractions} | "
        f"{len(encoded.pairs.relation)} | {lost} |"
    )


def labelled(report: hs.Report, role: str, label: str) -> set[tuple[int, int]]:
    """Return the heads that have a label in a role."""
    rows = report.heads(role, label=label)
    return set(zip(rows["layer"], rows["head"], strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", help="hub id or folder")
    parser.add_argument("corpora", nargs=2, type=Path, metavar="CORPUS", help="two .conllu files")
    parser.add_argument("--roles", default=ROLES)
    parser.add_argument("--limit", type=int, help="sentences of each corpus (default: all)")
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    arguments = parser.parse_args()
    limit = 8 if arguments.tiny else arguments.limit
    print("| corpus | sentences | tokens | contractions | word pairs | dropped: no pieces |")
    print("|---|---|---|---|---|---|")
    reports = []
    for corpus in arguments.corpora:
        encoded, contractions = encode(corpus, arguments.model, limit)
        print(describe(corpus.stem, encoded, contractions), flush=True)
        reports.append(hs.analyze(arguments.model, encoded, roles=arguments.roles, dtype="float32"))
    names = [corpus.stem for corpus in arguments.corpora]
    for label in ("label", "beyond_position"):
        print(f"\nHeads by {label}\n\n| role | {names[0]} | {names[1]} | both | Jaccard |")
        print("|---|---|---|---|---|")
        for role in reports[0].table["role"].unique():
            one, other = (labelled(report, role, label) for report in reports)
            both, either = len(one & other), len(one | other)
            share = f"{both / either:.2f}" if either else ""
            print(f"| {role} | {len(one)} | {len(other)} | {both} | {share} |")


if __name__ == "__main__":
    main()
