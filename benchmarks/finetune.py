"""What fine-tuning changes: roles of the demo model before and after it learns a GLUE task.

Each task is learnt twice, with other seeds of the last layer, the dropout and the order, and once
with labels shuffled among the texts, which can teach nothing. What two seeds differ by, and what
shuffled labels change, is what training changes whatever there is to learn.
"""

from __future__ import annotations

import argparse
import csv
import ctypes
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModel, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

import headscore as hs
from headscore.demo import demo_corpus, demo_model
from headscore.statistics.change import OUTCOMES

BATCH = 8
LEARNING_RATE = 1e-4
LONGEST = 64  # tokens of a text or pair
HELD_OUT = 0.25
AT_A_TIME = 64  # texts, where nothing is learnt

FILES = {
    "SST-2": ("SST-2/dev.tsv", ("sentence",), "label"),
    "MRPC": ("MRPC/test.tsv", ("#1 String", "#2 String"), "Quality"),
}


@dataclass(frozen=True)
class Task:
    """Texts of one or two columns and their labels; which of them are learnt from."""

    texts: list[tuple[str, ...]]
    labels: np.ndarray
    train: np.ndarray
    held_out: np.ndarray


def read_task(folder: Path, name: str) -> Task:
    """Read a task, and split its texts at random; the same split each time."""
    file, columns, label = FILES[name]
    with (folder / file).open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
    texts = [tuple(row[column] for column in columns) for row in rows]
    labels = np.unique([row[label] for row in rows], return_inverse=True)[1]
    order = np.random.default_rng(0).permutation(len(rows))
    first = round(HELD_OUT * len(rows))
    return Task(texts, labels, order[first:], order[:first])


class Classifier(torch.nn.Module):
    """A model with a linear layer on the mean of its last hidden states.

    The word embeddings stay as they are: a few hundred texts hold few of the words.
    """

    def __init__(self, encoder: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
        super().__init__()
        self.encoder, self.tokenizer = encoder, tokenizer
        self.encoder.embeddings.requires_grad_(False)
        self.last = torch.nn.Linear(encoder.config.hidden_size, 2)

    def means(self, texts: list[tuple[str, ...]]) -> torch.Tensor:
        """Return the mean hidden state of each text, (text, size)."""
        encoded = self.tokenizer(
            *map(list, zip(*texts, strict=True)),
            padding=True,
            truncation=True,
            max_length=LONGEST,
            return_tensors="pt",
        )
        hidden = self.encoder(**encoded).last_hidden_state
        real = encoded["attention_mask"][..., None]
        return (hidden * real).sum(1) / real.sum(1)


def untrained(seed: int = 0) -> Classifier:
    """Return the demo model with a last layer that was drawn at random."""
    torch.manual_seed(seed)
    folder = demo_model()
    model, tokenizer = AutoModel.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    return Classifier(model, tokenizer).eval()


def tune(task: Task, *, steps: int, seed: int) -> Classifier:
    """Train the demo model on the training part of a task."""
    classifier = untrained(seed)
    learnt = [each for each in classifier.parameters() if each.requires_grad]
    optimizer = torch.optim.AdamW(learnt, lr=LEARNING_RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1, 0, steps)
    classifier.train()
    for rows in batches(task.train, steps, seed):
        logits = classifier.last(classifier.means([task.texts[row] for row in rows]))
        optimizer.zero_grad()
        cross_entropy(logits, torch.from_numpy(task.labels[rows])).backward()
        optimizer.step()
        schedule.step()
    return classifier.eval()


def batches(rows: np.ndarray, steps: int, seed: int) -> Iterator[np.ndarray]:
    """Yield some rows at each step, each row once before any comes again."""
    rng = np.random.default_rng(seed)
    order = np.zeros(0, np.int64)
    for _ in range(steps):
        if len(order) < BATCH:
            order = rng.permutation(rows)
        yield order[:BATCH]
        order = order[BATCH:]


@torch.no_grad()
def features(classifier: Classifier, task: Task, rows: np.ndarray) -> torch.Tensor:
    """Return what the last layer sees of some texts, (text, size)."""
    parts = np.array_split(rows, -(-len(rows) // AT_A_TIME))
    return torch.cat([classifier.means([task.texts[row] for row in part]) for part in parts])


def accuracy(classifier: Classifier, task: Task) -> float:
    """Return the share of the held-out texts that are labelled right."""
    found = classifier.last(features(classifier, task, task.held_out)).argmax(1).numpy()
    return float((found == task.labels[task.held_out]).mean())


def accuracy_before(task: Task) -> float:
    """Return what a last layer reaches on the demo model as it is."""
    classifier = untrained()
    means, labels = features(classifier, task, task.train), task.labels[task.train]
    optimizer = torch.optim.AdamW(classifier.last.parameters(), lr=0.01, weight_decay=0.01)
    for _ in range(500):
        optimizer.zero_grad()
        cross_entropy(classifier.last(means), torch.from_numpy(labels)).backward()
        optimizer.step()
    return accuracy(classifier, task)


def score(classifier: Classifier, corpus: Path) -> hs.HeadScores:
    """Score the model on sentences that no task has."""
    return hs.score(
        classifier.encoder,
        corpus,
        tokenizer=classifier.tokenizer,
        pairs="consecutive",
        progress=False,
    )


def counted(table: pd.DataFrame) -> str:
    """Write labels after, how many were gained or appeared, lost or vanished, or are unclear."""
    n = {name: int((table["outcome"] == name).sum()) for name in OUTCOMES}
    more, fewer = f"{n['gained']},{n['appeared']}", f"{n['lost']},{n['vanished']}"
    return f"{int(table['label_after'].sum())} (+{more} -{fewer} ?{n['unclear']})"


def labels_by(column: str, changes: dict[str, hs.Comparison]) -> Iterator[str]:
    """Write a table: labels before and after each change, by role or layer."""
    yield f"| {column} | before | {' | '.join(changes)} |"
    yield "|---" * (len(changes) + 2) + "|"
    first = next(iter(changes.values())).table
    for value in [*first[column].unique(), "all"]:
        tables = [_rows(change.table, column, value) for change in changes.values()]
        before = int(_rows(first, column, value)["label_before"].sum())
        yield f"| {value} | {before} | {' | '.join(map(counted, tables))} |"


def _rows(table: pd.DataFrame, column: str, value: object) -> pd.DataFrame:
    return table if value == "all" else table[table[column] == value]


def sizes_by_layer(changes: dict[str, hs.Comparison]) -> Iterator[str]:
    """Write a table: how far mean scores moved, on average over the cells of a layer."""
    yield f"| layer | {' | '.join(changes)} |"
    yield "|---" * (len(changes) + 1) + "|"
    moved = pd.DataFrame(
        {
            name: change.table["change"].abs().groupby(change.table["layer"]).mean()
            for name, change in changes.items()
        }
    )
    for row in moved.itertuples():
        yield f"| {row[0]} | {' | '.join(f'{size:.2f}' for size in row[1:])} |"


def learn(name: str, task: Task, before: hs.HeadScores, corpus: Path, steps: int) -> None:
    """Train on two seeds and on shuffled labels; score, compare, print."""
    shuffled = replace(task, labels=np.random.default_rng(0).permutation(task.labels))
    runs = [(task, 0), (task, 1), (shuffled, 0)]
    trained = [tune(given, steps=steps, seed=seed) for given, seed in runs]
    right = [f"{accuracy(each, task):.1%}" for each in trained]
    counts = np.bincount(task.labels[task.held_out])
    print(
        f"\n## {name}\n\n{len(task.train)} texts to learn from, {counts.sum()} held out. Accuracy: "
        f"majority {counts.max() / counts.sum():.1%}, last layer alone {accuracy_before(task):.1%},"
        f" {steps} steps of {BATCH} {right[0]} and {right[1]}, shuffled labels {right[2]}.\n"
    )
    first, second, control = [score(each, corpus) for each in trained]
    changes = {
        "seed 0": hs.compare(before, first),
        "seed 1": hs.compare(before, second),
        "shuffled labels": hs.compare(before, control),
        "seed 1 from seed 0": hs.compare(first, second),
    }
    for lines in (labels_by("role", changes), labels_by("layer", changes), sizes_by_layer(changes)):
        print("\n".join(lines), "\n")
    print(hs.compare(before, [first, second]).summary(), flush=True)


def keep_memory() -> None:
    """Ask the C library to keep what is freed: a step takes a third of the time then."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(-4, 0)  # M_MMAP_MAX: no array gets pages of its own
        mallopt(-1, 2**31 - 1)  # M_TRIM_THRESHOLD


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("glue", type=Path, help="folder with SST-2/dev.tsv and MRPC/test.tsv")
    parser.add_argument("corpus", nargs="?", type=Path, help="a .conllu file (default: the demo's)")
    parser.add_argument("--tasks", nargs="+", choices=FILES, default=list(FILES))
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--tiny", action="store_true", help="once, to see that it works")
    arguments = parser.parse_args()
    keep_memory()
    corpus = arguments.corpus or demo_corpus()
    before = score(untrained(), corpus)
    outcomes = "(+gained,appeared -lost,vanished ?unclear)"
    print(f"{len(before.sequence_ids)} sequences. Labels after {outcomes}.")
    for name in arguments.tasks:
        task = read_task(arguments.glue, name)
        if arguments.tiny:
            task = replace(task, train=task.train[:16], held_out=task.held_out[:16])
        learn(name, task, before, corpus, 2 if arguments.tiny else arguments.steps)


if __name__ == "__main__":
    main()
