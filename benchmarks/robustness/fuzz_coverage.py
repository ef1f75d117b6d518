"""Read inputs that are changed towards new branches of a reader, by atheris (libFuzzer).

    python benchmarks/robustness/fuzz_coverage.py READER CORPUS.conllu [-atheris_runs=20000]

What follows goes to libFuzzer. READER is conllu, tsv, jsonl, hsp or hs. Anything but a
HeadscoreError ends it with a traceback; so does an input that takes more than 10 s, or more than
2 GB of memory.
"""

import contextlib
import sys
import tempfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["headscore"]):
    import headscore as hs
    import headscore.corpus.conllu.reader
    import headscore.corpus.jsonl
    import headscore.corpus.tsv
    import headscore.parsing.store

import fuzz


def main():
    name, corpus, *flags = sys.argv[1:]
    with tempfile.TemporaryDirectory() as folder:
        readers = fuzz.samples(Path(corpus), Path(folder))
        path = Path(folder) / f"a.{name}"
        seeds = Path(folder) / "seeds"
        seeds.mkdir()
        (seeds / "whole").write_bytes(path.read_bytes())

        def read_one(data):
            path.write_bytes(data)
            with contextlib.suppress(hs.HeadscoreError):
                readers[name](path)

        limits = ["-timeout=10", "-rss_limit_mb=2048", "-max_len=20000", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *limits, *flags, str(seeds)], read_one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
