"""Damage files at random and read them: nothing but HeadscoreError may come out.

Slowest reading and memory grown are shown.

python benchmarks/robustness/fuzz.py CORPUS.conllu [--tries 20000]
"""

import argparse
import json
import random
import resource
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

import headscore as hs
from headscore.corpus import read
from headscore.corpus.sequence import Segment
from headscore.parsing.store import ParseStore, key_of

BITS = [
    b"",
    b"\t",
    b"\n",
    b"\r\n",
    b"\0",
    b"\xff",
    b"\xc3",
    b"-",
    b".",
    b"_",
    b"9" * 40,
    b"{",
    b'"',
]


def samples(corpus, folder):
    """Small whole files: reader -> (path, content)."""
    text = corpus.read_text().split("\n\n")[:6]
    parsed = [each.segments[0] for each in read(corpus)][:6]
    table = [segment.text.replace("\t", " ") for segment in parsed]
    scores = hs.HeadScores.from_arrays(np.random.default_rng(0).random((6, 2, 2, 2)), ["a", "b"])
    scores.save(folder / "a.hs")
    with ParseStore(folder / "a.hsp", "x") as store:
        store.add({key_of(Segment(each.text), "x"): each for each in parsed})
    (folder / "a.conllu").write_text("\n\n".join(text) + "\n\n")
    (folder / "a.tsv").write_text("\n".join(["sentence\tlabel", *(f"{t}\t1" for t in table)]))
    (folder / "a.jsonl").write_text("\n".join(json.dumps({"sentence": t}) for t in table))
    bare = [Segment(each.text) for each in parsed]

    def look_up(path):
        with ParseStore(path, "x") as store:
            store.find({key_of(each, "x"): each for each in bare})

    readers = {name: lambda path: list(read(path)) for name in ("conllu", "tsv", "jsonl")}
    return {**readers, "hsp": look_up, "hs": hs.load}


def damaged(content, rng):
    """Change, insert, remove or repeat bytes at a few places, or cut the file."""
    content = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        at, length = rng.randrange(len(content) + 1), rng.choice([0, 1, 1, 2, 8, 60])
        new = rng.choice([bytes([rng.randrange(256)]), rng.choice(BITS), content[at : at + length]])
        content[at : at + rng.choice([0, 1, length])] = new
    return bytes(content[: rng.randrange(len(content) + 1)] if rng.random() < 0.1 else content)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", type=Path)
    parser.add_argument("--tries", type=int, default=20_000, help="of each reader")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = random.Random(options.seed)
    print("| reader | tries | read | refused | others | slowest ms | memory grown MB |")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for ending, reader in samples(options.corpus, folder).items():
            path = folder / f"a.{ending}"
            content = path.read_bytes()
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            outcomes, slowest = Counter(), 0.0
            for _ in range(options.tries):
                path.write_bytes(damaged(content, rng))
                started = time.perf_counter()
                try:
                    reader(path)
                    outcomes["read"] += 1
                except hs.HeadscoreError:
                    outcomes["refused"] += 1
                except Exception as error:
                    outcomes["others"] += 1
                    print(type(error).__name__, error)
                slowest = max(slowest, time.perf_counter() - started)
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
            counts = (outcomes[kind] for kind in ("read", "refused", "others"))
            cells = [ending, options.tries, *counts, f"{1000 * slowest:.0f}", f"{grown:.0f}"]
            print(f"| {' | '.join(map(str, cells))} |")


if __name__ == "__main__":
    main()
