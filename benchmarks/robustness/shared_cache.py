"""Parse one corpus in eight processes at once with one parse cache, some of them killed.

    python benchmarks/robustness/shared_cache.py CORPUS PIPELINE [--processes 8] [--kills 8]

Every process parses the same texts, each in an order of its own, and adds what it parsed to the
same file. Processes are killed at random, and started again. All parses must equal those made
without a cache, and the file must hold each once and pass SQLite's check of its integrity.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sqlite3
import sys
import tempfile
import time
from pathlib import Path

from headscore.corpus import read
from headscore.corpus.sequence import Sequence
from headscore.parsing.parse import parse
from headscore.parsing.pipelines import find_parser
from headscore.parsing.store import ParseStore


def texts_of(corpus: str) -> list[Sequence]:
    texts = (each.segments[0].text for each in read(corpus))
    return [Sequence.from_text(text, id=str(n)) for n, text in enumerate(dict.fromkeys(texts))]


def parsed(texts: list[Sequence], pipeline: str, path: Path | None, seed: int) -> dict[str, str]:
    """Return the parse of every text by its id, as a text."""
    parser = find_parser(pipeline)
    order = random.Random(seed).sample(texts, len(texts))
    if path is None:
        return {each.id: repr(each) for each in parse(order, parser)}
    found = {}
    with ParseStore(path, parser.identity) as store:
        for start in range(0, len(order), 16):  # small steps: the processes take turns
            some = parse(order[start : start + 16], parser, store=store)
            found.update({each.id: repr(each) for each in some})
    return found


def work(texts: list[Sequence], pipeline: str, path: Path, seed: int, results: Path) -> None:
    found = parsed(texts, pipeline, path, seed)
    (results / str(seed)).write_text(repr(sorted(found.items())), encoding="utf-8")


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    options.add_argument("corpus")
    options.add_argument("pipeline")
    options.add_argument("--processes", type=int, default=8)
    options.add_argument("--kills", type=int, default=8)
    options.add_argument("--seed", type=int, default=0)
    asked = options.parse_args()
    texts = texts_of(asked.corpus)
    right = repr(sorted(parsed(texts, asked.pipeline, None, 0).items()))
    rng = random.Random(asked.seed)
    context = multiprocessing.get_context("spawn")
    with tempfile.TemporaryDirectory() as name:
        folder, path = Path(name), Path(name) / "parses.hsp"

        def started(seed: int) -> multiprocessing.process.BaseProcess:
            process = context.Process(
                target=work, args=(texts, asked.pipeline, path, seed, folder), name=str(seed)
            )
            process.start()
            return process

        running = {seed: started(seed) for seed in range(asked.processes)}
        kills = 0
        while any(each.is_alive() for each in running.values()):
            time.sleep(rng.expovariate(0.5))
            seed = rng.randrange(asked.processes)
            if kills < asked.kills and path.exists() and running[seed].is_alive():
                running[seed].kill()
                running[seed].join()
                running[seed] = started(seed)
                kills += 1
        equal = sum((folder / str(seed)).read_text(encoding="utf-8") == right for seed in running)
        with sqlite3.connect(path) as file:
            whole = file.execute("PRAGMA integrity_check").fetchone()[0]
            rows = file.execute("SELECT count(*) FROM parses").fetchone()[0]
        codes = [each.exitcode for each in running.values()]
        print(
            f"{asked.processes} processes, {kills} killed and started again, exit codes {codes}; "
            f"{equal} have the parses made without a cache; the file: {rows} parses of "
            f"{len(texts)} texts, integrity {whole}"
        )
        if equal < asked.processes or rows != len(texts) or whole != "ok":
            sys.exit(1)


if __name__ == "__main__":
    main()
