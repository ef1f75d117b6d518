"""One small file of each format that headscore writes, with the way in which a user reads it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import BertConfig, BertForMaskedLM

import headscore as hs
from headscore import files
from headscore.corpus.sequence import Segment
from headscore.demo import demo_model
from headscore.model.load import load_model
from headscore.options import ScoreOptions
from headscore.parsing.store import ParseStore, key_of
from headscore.scale import shards
from headscore.scale.merge import merge_shards
from headscore.scale.run_folder import read_run

ROLES = ("local", "block")
TEXTS = ("Old dogs bark .", "She saw them .", "They bark .", "Dogs saw her .", "She barks .")
N_SHARDS = 2
# Those that `headscore report` shows.
SHOWN = (
    *("scores", "report", "comparison", "replication", "seeds", "trajectory", "power", "effect"),
)


@dataclass(frozen=True)
class Sample:
    """A file, and what reading it gives: a value that equals that of the undamaged file."""

    path: Path
    read: Callable[[], Any]


def content(stored: files.Stored) -> tuple[Any, ...]:
    """Everything that a file says, to be compared."""
    arrays = {name: (a.dtype, a.shape, a.tobytes()) for name, a in stored.arrays.items()}
    return stored.kind, stored.roles, list(stored.facts.items()), dict(stored.counts), arrays


def scores_of(number: int) -> hs.HeadScores:
    """Scores of twelve sequences in four documents by a model of two layers of two heads."""
    rng = np.random.default_rng([5, number])
    values = rng.gamma(2, 2, (12, 2, 2, 2)).astype(np.float32)
    values[:, 0, 0, 0] += 20
    made = hs.HeadScores.from_arrays(
        values,
        ROLES,
        sequence_ids=[f"s{at}" for at in range(12)],
        documents=[f"d{at // 3}" for at in range(12)],
        lengths=np.arange(12) + 3,
    )
    return replace(made, facts={**made.facts, "model": f"model {number}"}, counts={"skipped": 2})


def _loaded(path: Path) -> Sample:
    def read() -> Any:
        found = hs.load(path)
        return content(found.stored()), found.signature

    return Sample(path, read)


def tables(folder: Path) -> dict[str, Sample]:
    """Scores, and the result of every test of them."""
    one, two, three = map(scores_of, range(3))
    studies = {"one": one, "two": two, "three": three}
    made = {
        "scores": one,
        "report": hs.test(one),
        "comparison": hs.compare(one, two),
        "replication": hs.replicate(studies),
        "seeds": hs.replicate(studies, aligned=False),
        "trajectory": hs.trajectory({1: one, 2: two, 4: three}),
        "power": hs.power_curve(one, documents=[20], resamples=20, clusters="none"),
    }
    samples = {}
    for name, value in made.items():
        value.save(folder / f"{name}.hs")
        samples[name] = _loaded(folder / f"{name}.hs")
    return samples


def corpus(folder: Path) -> Path:
    path = folder / "corpus.txt"
    path.write_text("".join(f"{text}\n" for text in TEXTS), encoding="utf-8")
    return path


def model(folder: Path) -> str:
    """A BERT of one layer of two heads, with the tokenizer of the demo model."""
    torch.manual_seed(0)
    tokenizer = load_model(demo_model()).tokenizer
    shape = {"hidden_size": 4, "intermediate_size": 4, "num_attention_heads": 2}
    config = BertConfig(vocab_size=len(tokenizer), num_hidden_layers=1, **shape)
    BertForMaskedLM(config).save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    return str(folder / "model")


def encoded(folder: Path, of_model: str) -> Sample:
    """The corpus as tokens; every field of what comes back is compared."""
    path = folder / "corpus.hse"
    hs.encode(corpus(folder), of_model).save(path)

    def read() -> Any:
        again = folder / "again.hse"
        hs.load(path).save(again)
        return again.read_bytes()

    return Sample(path, read)


def experiment(folder: Path, of_model: str) -> dict[str, Sample]:
    """An effect, and the folder from which its experiment resumes."""
    heads = {"local": [(0, 0)]}
    options = {"sets": 1, "metric": "masked_nll", "progress": False, "folder": folder / "arms"}

    def run() -> hs.Effect:
        return hs.validate(of_model, corpus(folder), heads, **options)

    run().save(folder / "effect.hs")
    resumed = {
        name: Sample(folder / "arms" / f"{file}.hs", lambda: content(run().stored()))
        for name, file in {"pilot": "pilot", "arm": "arm-0000"}.items()
    }
    return {"effect": _loaded(folder / "effect.hs"), **resumed}


def run_folder(folder: Path, of_model: str) -> dict[str, Sample]:
    """The files of a run in shards; reading is the same command again, to its merged scores."""
    options = ScoreOptions(roles=",".join(ROLES), chunk=1)
    job = shards.Job(str(folder / "run"), of_model, str(corpus(folder)), N_SHARDS, options)

    def resume() -> Any:
        run = shards.start(job)
        for shard in run.shards:
            shards.score_shard(job, shard)
        return content(merge_shards(run).stored())

    def merge() -> Any:
        return content(merge_shards(job.folder).stored())

    resume()
    run = read_run(Path(job.folder))
    return {
        "run.json, resumed": Sample(run.manifest, resume),
        "run.json, merged": Sample(run.manifest, merge),
        "shard, resumed": Sample(run.path(1), resume),
        "shard, merged": Sample(run.path(1), merge),
    }


def parses(folder: Path) -> dict[str, Sample]:
    """A parse cache: damage is an error, or a parse that is not found and made again."""
    path, identity = folder / "parses.hsp", "sample@1"
    trees = [
        Segment.from_words(text.split(), [1, -1, *[1] * (len(text.split()) - 2)], ["dep"] * 4)
        if len(text.split()) == 4
        else Segment.from_words(text.split(), [1, -1, 1], ["nsubj", "root", "punct"])
        for text in TEXTS
    ]
    by_key = {key_of(Segment(tree.text), identity): tree for tree in trees}
    asked = {key: Segment(tree.text) for key, tree in by_key.items()}
    with ParseStore(path, identity) as store:
        store.add(by_key)

    def read() -> Any:
        with ParseStore(path, identity) as store:
            found = store.find(asked)
            missing = {key: by_key[key] for key in asked.keys() - found.keys()}
            if missing:  # parsed again, and added
                store.add(missing)
                found |= missing
        return found

    return {"parse cache": Sample(path, read)}


def make(folder: Path, only: Collection[str] | None = None) -> dict[str, Sample]:
    """Write a file of each format, or those of some names; return name -> sample."""
    samples = {**tables(folder), **parses(folder)}
    if only is None or not samples.keys() >= set(only):
        of_model = model(folder)
        samples |= {"encoded": encoded(folder, of_model), **experiment(folder, of_model)}
        samples |= run_folder(folder, of_model)
    return {name: each for name, each in samples.items() if only is None or name in only}
