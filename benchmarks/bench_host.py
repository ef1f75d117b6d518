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

from headscore import api  # noqa: E402
from headscore.corpus import read  # noqa: E402
from headscore.demo import demo_corpus, demo_model  # noqa: E402
from headscore.options import ReadOptions, ScoreOptions  # noqa: E402
from headscore.stopwatch import Stopwatch  # noqa: E402

DEVICE = ("forward", "kernel")  # what a GPU would do
BEFORE = ("load model", "import")
REST = "not in a stage"


def seconds_of(model: Any, corpus: Any, options: ScoreOptions) -> Counter[str]:
    """Seconds of each stage of a run, and of all of it as "wall"."""
    stopwatch = Stopwatch()
    begun = time.perf_counter()
    api.score_with(model, corpus, options, stopwatch)
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


def print_workers(model: Any, corpus: Path, options: ScoreOptions, times: int) -> None:
    """Two host workers against one; the difference of two sizes leaves their start-up out."""
    if not hasattr(options, "host_workers"):
        print("\nhost workers: this version has none")
        return
    with tempfile.TemporaryDirectory() as folder:
        small, large = (many_times(corpus, each, Path(folder)) for each in (times, 3 * times))
        seconds = {}
        for workers in (0, 1, 2):
            chosen = replace(options, host_workers=workers, chunk=256)
            walls = [seconds_of(model, each, chosen)["wall"] for each in (small, large)]
            seconds[workers] = walls[1] - walls[0]
            print(
                f"{workers} host workers: {seconds[workers]:.2f} s for {2 * times} times the corpus"
            )
        print(f"two against one: {seconds[1] / seconds[2]:.2f} times as fast")


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
        print_workers(small, corpus, options, 1 if arguments.tiny else 8)


if __name__ == "__main__":
    main()
