"""What the host does beside the tokenizer, the forward pass and the kernel, on one core.

Whole runs through the public door, by the stages of the stopwatch, so that nothing is left out:
host = wall time - tokenizer alone - forward - kernel - what a run costs before its first sequence.
Once from CoNLL-U, once from plain text whose parses lie in the parse store. Then the planning of a
batch of 256 x 128 tokens, and two host workers against one.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import tempfile
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

ONE_CORE = {
    "OMP_NUM_THREADS": "1",
    "RAYON_NUM_THREADS": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "HF_HUB_OFFLINE": "1",
}
if __name__ == "__main__" and any(os.environ.get(name) != ONE_CORE[name] for name in ONE_CORE):
    # These are read when the libraries are loaded: start again with them.
    os.execve(sys.executable, [sys.executable, *sys.argv], {**os.environ, **ONE_CORE})

import numpy as np  # noqa: E402
import torch  # noqa: E402
from bench_analyze import of_length  # noqa: E402
from machine import watched  # noqa: E402
from tokenizers import Tokenizer  # noqa: E402
from transformers import AutoModel, AutoTokenizer, BertConfig, BertModel  # noqa: E402
from trees import make_pipeline  # noqa: E402

from headscore import runs  # noqa: E402
from headscore.corpus import read  # noqa: E402
from headscore.demo import demo_corpus, demo_model  # noqa: E402
from headscore.options import ReadOptions, ScoreOptions  # noqa: E402
from headscore.parsing.source import Source  # noqa: E402
from headscore.scores import host  # noqa: E402
from headscore.scores.stream import make_scorer  # noqa: E402
from headscore.stopwatch import Stopwatch  # noqa: E402

DEVICE = ("forward", "kernel")  # what a GPU would do
BEFORE = ("load model", "import")
REST = "not in a stage"


def seconds_of(model: Any, corpus: Any, options: ScoreOptions) -> Counter[str]:
    """Seconds of each stage of a run, and of all of it as "wall"."""
    stopwatch = Stopwatch()
    begun = time.perf_counter()
    runs.score_with(model, corpus, options, stopwatch)
    wall = time.perf_counter() - begun
    rest = wall - sum(stopwatch.seconds.values())
    return Counter({**stopwatch.seconds, REST: rest, "wall": wall})


def fastest(runs: list[Counter[str]]) -> Counter[str]:
    """Return the fewest seconds of each stage over several runs."""
    return Counter({name: min(run[name] for run in runs) for name in runs[0]})


def host_stages(whole: Counter[str], start: Counter[str]) -> dict[str, float]:
    """Seconds of each stage of the host in a run, but for what a run of one sequence costs too.

    That is to load the model, to hash its weights ("sign") and to open the corpus and the store
    (no stage). The sum is all other wall time without the forward pass and the kernel.
    """
    stages = {name: whole[name] for name in whole if name not in (*DEVICE, *BEFORE, "wall")}
    for name in ("sign", REST):
        stages[name] -= start[name]
    return stages


def bare(tokenizer: Any) -> Tokenizer:
    """A copy of the tokenizer itself, that neither pads nor cuts."""
    copy = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    copy.no_padding()
    copy.no_truncation()
    return copy


def print_stages(name: str, model: Any, corpus: Path, options: ScoreOptions, rounds: int) -> None:
    """One table: the fastest of each stage over the rounds, in turn with the tokenizer alone."""
    sequences = list(read(corpus, ReadOptions(pairs=options.pairs)))
    texts = [tuple(each.text for each in sequence.segments) for sequence in sequences]
    inputs = [each if len(each) == 2 else each[0] for each in texts]
    tokenizer = bare(options.tokenizer)
    tokens = sum(map(len, tokenizer.encode_batch(inputs)))
    timed, whole, start = [], [], []
    for _ in range(rounds):
        begun = time.perf_counter()
        tokenizer.encode_batch(inputs)
        timed.append(time.perf_counter() - begun)
        whole.append(seconds_of(model, corpus, options))
        start.append(seconds_of(model, sequences[:1], replace(options, pairs=None)))
    alone = min(timed)
    stages = host_stages(fastest(whole), fastest(start))
    stages["encode"] -= alone
    host = sum(stages.values())
    print(f"\n{name}, {tokens} tokens: milliseconds, times the tokenizer")
    for what, seconds in {"tokenizer alone": alone, **stages, "host in all": host}.items():
        label = "encode, but tokenizer" if what == "encode" else what
        print(f"{label:>24} {seconds * 1e3:8.1f} {seconds / alone:6.2f}")
    print(f"{tokens / (host + alone):,.0f} tokens/s a core, tokenizer included", flush=True)


def tiny_model(tokenizer: Any) -> Any:
    """A BERT of one layer of size 12: the host is all."""
    torch.manual_seed(0)
    shape = {"hidden_size": 12, "intermediate_size": 12, "num_attention_heads": 1}
    return BertModel(BertConfig(vocab_size=len(tokenizer), num_hidden_layers=1, **shape)).eval()


def in_store(corpus: Path, folder: Path, options: ScoreOptions) -> tuple[Path, ScoreOptions]:
    """The corpus as plain text, and options with a pipeline that knows its trees."""
    segments = [each.segments[0] for each in read(corpus)]
    plain = folder / "corpus.txt"
    plain.write_text("".join(f"{each.text}\n" for each in segments), encoding="utf-8")
    pipeline = make_pipeline(segments, folder / "pipeline")
    return plain, replace(options, parser=str(pipeline), cache=str(folder / "parses.hsp"))


def print_planning(
    model: Any, corpus: Path, options: ScoreOptions, rounds: int, batch: int
) -> None:
    """The stage "sieves" of a batch of sequences that are cut at 128 tokens.

    The first batch of a run shows what the model's masks are; its plan is made in the forward pass.
    So the stage is that of two more batches, by half.
    """
    made = list(of_length(list(read(corpus)), 108))
    rows = [replace(made[n % len(made)], id=str(n)) for n in range(3 * batch)]
    chosen = replace(options, max_length=128, batch_tokens=128 * batch, pairs=None, parser=None)
    found = []
    for _ in range(rounds):
        three, one = (seconds_of(model, each, chosen)["sieves"] for each in (rows, rows[:batch]))
        found.append((three - one) / 2)
    print(
        f"\nplanning a batch of {batch} x 128 with position control: {min(found) * 1e3:.1f} ms, "
        f"median {float(np.median(found)) * 1e3:.1f}"
    )


def many_times(corpus: Path, times: int, folder: Path) -> Path:
    """A CoNLL-U file several times over, with names of its own for each sentence and document."""
    text = corpus.read_text(encoding="utf-8").rstrip("\n") + "\n\n"
    path = folder / f"{times}.conllu"
    with path.open("w", encoding="utf-8") as file:
        for n in range(times):
            for line in text.splitlines(keepends=True):
                named = line.startswith(("# sent_id =", "# newdoc id ="))
                file.write(f"{line.rstrip()}-{n}\n" if named else line)
    return path


def steady_seconds(model: Any, corpus: Path, options: ScoreOptions) -> tuple[float, float]:
    """Wall seconds, and CPU seconds of this process, for a corpus, by its second half.

    Nothing is done in this process while workers start, and after the first half chunks follow each
    other.
    """
    host._has_started = lambda worker: worker.result() is None
    scorer = make_scorer(model, options)
    stamps: list[tuple[float, float, int]] = []
    scorer.advance = lambda n: stamps.append((time.perf_counter(), time.process_time(), n))
    for _ in scorer.parts(Source(corpus, options).sequences(Counter())):
        pass
    done = np.cumsum([n for *_, n in stamps])
    half = int(np.searchsorted(done, done[-1] / 2))
    wall, cpu = (stamps[-1][k] - stamps[half][k] for k in range(2))
    share = (done[-1] - done[half]) / done[-1]
    return wall / share, cpu / share


def print_workers(model: Any, corpus: Path, options: ScoreOptions, times: int, rounds: int) -> None:
    """Two host workers against one, after their start; batches as large as on a GPU."""
    with tempfile.TemporaryDirectory() as folder:
        path = many_times(corpus, times, Path(folder))
        found: dict[int, list[tuple[float, float]]] = {0: [], 1: [], 2: []}
        for _ in range(rounds):
            for workers, seconds in found.items():
                chosen = replace(options, host_workers=workers, batch_tokens=32768)
                seconds.append(steady_seconds(model, path, chosen))
        print("\nhost workers: seconds for the corpus, of which this process computes")
        for workers, seconds in found.items():
            wall, cpu = np.median(seconds, axis=0) / times
            print(f"{workers:>24} {wall:8.4f} {cpu:8.4f}")
        one, two = (np.median([wall for wall, _ in found[n]]) for n in (1, 2))
        print(f"two against one: {one / two:.2f} times as fast", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("corpus", nargs="?", default=str(demo_corpus()), help="CoNLL-U")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tiny", action="store_true", help="once, to see that it runs")
    arguments = parser.parse_args()
    rounds = 1 if arguments.tiny else arguments.rounds
    torch.set_num_threads(1)
    logging.getLogger("headscore").setLevel(logging.ERROR)  # of repeats and absent roles
    corpus = Path(arguments.corpus)
    tokenizer = AutoTokenizer.from_pretrained(demo_model())
    minilm = AutoModel.from_pretrained(demo_model())
    options = ScoreOptions(tokenizer=tokenizer, pairs="consecutive", progress=False, cache=None)
    small = tiny_model(tokenizer)
    with watched(), tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        print_stages("MiniLM, CoNLL-U", minilm, corpus, options, rounds)
        print_stages("one layer of one head, CoNLL-U", small, corpus, options, rounds)
        plain, stored = in_store(corpus, folder, options)
        seconds_of(small, plain, stored)  # parses all
        print_stages("MiniLM, parse store", minilm, plain, stored, rounds)
        print_planning(small, corpus, options, rounds, 8 if arguments.tiny else 256)
        print_workers(
            small, corpus, options, 2 if arguments.tiny else 24, 1 if arguments.tiny else 3
        )


if __name__ == "__main__":
    main()
