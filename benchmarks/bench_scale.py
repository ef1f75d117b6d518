"""What scale costs: memory and speed of a long corpus, parses from the store, processes.

    python benchmarks/bench_scale.py CORPUS.conllu PIPELINE [--tiny]

A model with random weights (2 layers, 2 heads) scores texts made by repeating and varying those of
the corpus. Each row is a process of its own; its peak memory is what the system says of it
(ru_maxrss, which counts pages of files too).
"""

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from unittest.mock import patch

ROLES = "local,delimiter,offset:-1"


def sentences(path, n):
    """Texts of a corpus, over and over, each time with another word in the middle."""
    from headscore.corpus import read

    texts = [each.segments[0].text for each in read(path)]
    for number in range(n):
        words = texts[number % len(texts)].split(" ")
        words[len(words) // 2] = f"w{number}"
        yield " ".join(words)


def save_model(folder, seed=0):
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    torch.manual_seed(seed)
    letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
    names = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", *letters, *(f"##{each}" for each in letters)]
    tokenizer = Tokenizer(
        models.WordPiece({name: n for n, name in enumerate(names)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    config = BertConfig(
        vocab_size=len(names),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
        pad_token_id=3,
    )
    BertModel(config).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        model_max_length=64,
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
    ).save_pretrained(folder)


def stream(model, corpus, n, keep):
    """Score n texts; print sequences, seconds, peak memory and bytes kept."""
    import headscore as hs

    started = time.perf_counter()
    scores = hs.score(model, sentences(corpus, n), roles=ROLES, keep_scores=keep, progress=False)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    kept = scores.values.nbytes + scores.attainable.nbytes + scores.tokens.nbytes
    scored = time.perf_counter()
    hs.test(scores)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps([n, seconds, peak, after, kept / n, time.perf_counter() - scored]))


def parses(corpus, pipeline, n):
    """Parse n texts, then read the parses; print words, and words a second of both."""
    from headscore.corpus.sequence import Sequence
    from headscore.parsing.parse import parse
    from headscore.parsing.pipelines import find_parser
    from headscore.parsing.store import ParseStore

    texts = [Sequence.from_text(text, id=str(i)) for i, text in enumerate(sentences(corpus, n))]
    parser = find_parser(pipeline)
    list(parse(texts[:10], parser))
    words = 0
    seconds = Counter()
    with (
        tempfile.TemporaryDirectory() as folder,
        ParseStore(f"{folder}/a.hsp", parser.identity) as store,
    ):
        stream = parse(texts, parser, store=store)
        for start in range(0, n, 512):  # parsed and read in turn, as the machine drifts
            _, spent = timed(itertools.islice(stream, 512))
            seconds["parse"] += spent
            part = texts[start : start + 512]
            reads = [timed(parse(part, parser, store=store)) for _ in range(3)]
            seconds["read"] += statistics.median(spent for _, spent in reads)
            words += sum(len(each.segments[0].words) for each in reads[0][0])
        size = (Path(folder) / "a.hsp").stat().st_size
    print(json.dumps([words, words / seconds["parse"], words / seconds["read"], size / n]))


def timed(lazy):
    """Return the items of an iterator, and the seconds that they took."""
    started = time.perf_counter()
    items = list(lazy)
    return items, time.perf_counter() - started


def second(model, corpus, pipeline, n):
    """Score n texts with one model, then with another; print how many each had parsed."""
    import headscore as hs
    from headscore.parsing.pipelines import parse_segments

    parsed = []

    def counted(segments, pipeline, *labels):
        parsed[-1] += len(segments)
        return parse_segments(segments, pipeline, *labels)

    texts = list(sentences(corpus, n))
    with (
        tempfile.TemporaryDirectory() as folder,
        patch("headscore.parsing.parse.parse_segments", counted),
    ):
        save_model(f"{folder}/other", seed=1)
        for each in (model, f"{folder}/other"):
            parsed.append(0)
            hs.score(each, texts, roles="nsubj", parser=pipeline, cache=folder, progress=False)
    print(json.dumps(parsed))


def workers(model, corpus, n, pipeline):
    """Seconds of a run in 4 shards by 1 and by 2 workers, of one thread each, and CPU seconds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "in.txt"
        path.write_text("\n".join(sentences(corpus, n)) + "\n")
        seconds, used = [], [0.0]
        for number in (1, 2):
            asked = [sys.executable, "-m", "headscore.cli", "analyze", model, str(path), "--json"]
            asked += ["--roles", ROLES, "--shards", "4", "--chunk", str(-(-n // 8))]
            asked += ["--run-dir", f"{folder}/{number}", "--workers", str(number), "--no-cache"]
            asked += ["--parser", pipeline] if pipeline else []
            started = time.perf_counter()
            subprocess.run(asked, check=True, capture_output=True, env=environment())
            seconds.append(time.perf_counter() - started)
            spent = resource.getrusage(resource.RUSAGE_CHILDREN)
            used.append(spent.ru_utime + spent.ru_stime)
    print(json.dumps([*seconds, used[1], used[2] - used[1]]))


def environment():
    once = {"HF_HUB_OFFLINE": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"}
    return {**os.environ, **once, "OMP_NUM_THREADS": "1"}


def row(*arguments):
    """Run one row in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-P", __file__, *map(str, arguments)],
        check=True,
        capture_output=True,
        text=True,
        env=environment(),
    )
    return json.loads(done.stdout.splitlines()[-1])


def print_workers(what, measured):
    one, two, cpu_one, cpu_two = measured
    print(
        f"{what}: 1 worker {one:.1f} s ({cpu_one:.1f} s of CPU), 2 workers {two:.1f} s "
        f"({cpu_two:.1f} s of CPU), {one / two:.2f}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus")
    parser.add_argument("pipeline", nargs="?", help="spaCy pipeline; none: no rows about parses")
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    parser.add_argument("--only", choices=["stream", "parses", "workers"])
    options = parser.parse_args()
    asked = Counter([options.only] if options.only else ["stream", "parses", "workers"])
    with tempfile.TemporaryDirectory() as folder:
        save_model(folder)
        if asked["stream"]:
            print("| sequences | kept | sequences/s | peak MB | with test | bytes each | test s |")
            sizes = (200,) if options.tiny else (10_000, 50_000, 200_000)
            for n, keep in itertools.product(sizes, ("auto", "disk")):
                _, seconds, peak, after, each, _ = row("--stream", folder, options.corpus, n, keep)
                print(
                    f"| {n} | {keep} | {n / seconds:.0f} | {peak:.0f} | {after:.0f} | {each:.0f} |"
                )
        if asked["parses"] and options.pipeline:
            n = 50 if options.tiny else 4000
            words, parsed, read, size = row("--parses", options.corpus, options.pipeline, n)
            print(f"parses: {words} words, {parsed:.0f} words/s parsed, {read:.0f} words/s read,")
            print(f"factor {read / parsed:.0f}, {size:.0f} bytes a text")
            one, two = row("--second", folder, options.corpus, options.pipeline, n)
            print(f"texts parsed for one model {one}, for a second one {two}")
        if asked["workers"]:
            n = 200 if options.tiny else 100_000
            print_workers("forward-bound", row("--workers", folder, options.corpus, n))
            if options.pipeline:
                n = 50 if options.tiny else 48_000
                measured = row("--workers", folder, options.corpus, n, options.pipeline)
                print_workers("parse-bound", measured)


if __name__ == "__main__":
    _, first, *rest = [*sys.argv, ""]
    if first == "--stream":
        stream(rest[0], rest[1], int(rest[2]), rest[3])
    elif first == "--parses":
        parses(rest[0], rest[1], int(rest[2]))
    elif first == "--second":
        second(rest[0], rest[1], rest[2], int(rest[3]))
    elif first == "--workers":
        workers(rest[0], rest[1], int(rest[2]), rest[3])
    else:
        main()
