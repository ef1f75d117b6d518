"""Peak memory of runs that keep no scores, on corpora of more and more sequences.

    python benchmarks/flat_memory.py          # 10 000, 100 000 and 1 000 000 sequences
    python benchmarks/flat_memory.py --sizes 10000,100000 --ways conllu,merge
    python benchmarks/flat_memory.py --tiny   # once, small: does it still run

A model with random weights (1 layer of size 12) scores sentences of 4 to 6 words; each has an id of
its own, in no order, and one of 1000 repeats the one before it. The corpora are made in the folder
for temporary files. Each row is a process of its own; its peak is VmHWM, which counts mapped pages
of files too.

txt, conllu   a file
pairs         a CoNLL-U file of twice as many sentences, neighbouring ones joined
shards        the CoNLL-U file in shards of at most 4096 sequences, all computed by one process
merge         these shards added up to a report
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from timing import status
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

import headscore as hs
from headscore.options import ScoreOptions
from headscore.scale import shards
from headscore.scale.merge import merge_to_report

ROLES = "local,delimiter,nsubj"
WORDS = [first + second for first in "bdfgklmnprst" for second in "aeiou"]
WAYS = ("txt", "conllu", "pairs", "shards", "merge")


def save_model(folder: Path) -> None:
    torch.manual_seed(0)
    names = ["[UNK]", "[CLS]", "[SEP]", "[PAD]", *WORDS]
    tokenizer = Tokenizer(
        models.WordPiece({name: n for n, name in enumerate(names)}, unk_token="[UNK]")
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B:1 [SEP]:1",
        special_tokens=[("[CLS]", 1), ("[SEP]", 2)],
    )
    config = BertConfig(
        vocab_size=len(names), hidden_size=12, num_hidden_layers=1, num_attention_heads=2,
        intermediate_size=12, max_position_embeddings=32, pad_token_id=3,
    )  # fmt: skip
    BertModel(config).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, model_max_length=32, unk_token="[UNK]", cls_token="[CLS]",
        sep_token="[SEP]", pad_token="[PAD]",
    ).save_pretrained(folder)  # fmt: skip


def sentences(n: int) -> Iterator[list[str]]:
    """Yield the words of n sentences."""
    for number in range(n):
        own = number - (number % 1000 == 999)
        # Four digits of the number to the base of 60, and up to two words more.
        yield [WORDS[own // 60**place % 60] for place in range(4)] + ["ba"] * (own % 3)


def write_text(path: Path, n: int) -> None:
    with path.open("w", encoding="ascii") as file:
        file.writelines(f"{' '.join(words)}\n" for words in sentences(n))


def write_conllu(path: Path, n: int) -> None:
    with path.open("w", encoding="ascii") as file:
        for number, words in enumerate(sentences(n)):
            # An odd factor permutes the numbers below 2^32, so that ids come in no order.
            file.write(f"# sent_id = text-{number * 2654435761 % 2**32:010}\n")
            for place, word in enumerate(words, start=1):
                arc = "0\troot" if place == 2 else "2\tnsubj"
                file.write(f"{place}\t{word}\t_\t_\t_\t_\t{arc}\t_\t_\n")
            file.write("\n")


def run(way: str, folder: Path, n: int) -> None:
    """Run one way, and print its report's number of sequences, repeats and its peak in MiB."""
    model, conllu = str(folder / "model"), str(folder / "in.conllu")
    corpora = {"txt": str(folder / "in.txt"), "conllu": conllu, "pairs": str(folder / "two.conllu")}
    if way == "shards":
        job = shards.Job(
            str(folder / "run"), model, conllu, -(-n // 4096), ScoreOptions(roles=ROLES)
        )
        shards.compute(job, list(shards.start(job).shards))
        print(n, "-", status("VmHWM") / 1024)
        return
    if way == "merge":
        report = merge_to_report(folder / "run")
    else:
        report = hs.analyze(
            model,
            corpora[way],
            pairs="consecutive" if way == "pairs" else None,
            roles=ROLES if way != "txt" else "local,delimiter",
            keep_scores="none",
            progress=False,
        )
    counts = report.counts
    print(counts["sequences"], counts.get("duplicate_sequences", 0), status("VmHWM") / 1024)


def measured(way: str, folder: Path, n: int) -> tuple[str, str, float, float]:
    """Return what `run` prints in a process of its own, and its seconds."""
    started = time.perf_counter()
    result = subprocess.run(
        [sys.executable, __file__, "--run", way, "--folder", str(folder), "--sizes", str(n)],
        capture_output=True,
        text=True,
        check=True,
    )
    sequences, repeats, peak = result.stdout.splitlines()[-1].split()
    return sequences, repeats, float(peak), time.perf_counter() - started


def main() -> None:
    options = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    options.add_argument("--tiny", action="store_true")
    options.add_argument("--sizes", default="10000,100000,1000000")
    options.add_argument("--ways", default="txt,conllu")
    options.add_argument("--run", choices=WAYS, help=argparse.SUPPRESS)
    options.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = options.parse_args()
    sizes = [3000] if arguments.tiny else [int(size) for size in arguments.sizes.split(",")]
    if arguments.run:
        run(arguments.run, arguments.folder, *sizes)
        return
    ways = WAYS if arguments.tiny else arguments.ways.split(",")
    print("| corpus | sequences | repeats | peak MiB | of the smallest | s |", flush=True)
    print("|---|---|---|---|---|---|", flush=True)
    first: dict[str, float] = {}
    for n in sizes:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            save_model(folder / "model")
            write_text(folder / "in.txt", n)
            write_conllu(folder / "in.conllu", n)
            for way in ways:
                if way == "pairs":
                    write_conllu(folder / "two.conllu", 2 * n)
                *counted, peak, seconds = measured(way, folder, n)
                share = peak / first.setdefault(way, peak)
                cells = (way, *counted, f"{peak:.0f}", f"{share:.3f}", f"{seconds:.0f}")
                print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
