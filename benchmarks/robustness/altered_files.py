"""Scores with another header or manifest, and runs of one shard."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import headscore as hs
from headscore import files
from headscore.scale.run_folder import Run, start_run, write_shard
from headscore.scores.parts import Part

FACTS = {"parser": "none", "roles": "local", "pairs": "None", "of_sets": "", "chunk": "4"}


def scores(**changes: Any) -> hs.HeadScores:
    values = np.ones((4, 1, 1, 2), np.float32)
    return hs.HeadScores.from_arrays(values, **{"roles": ["local"], **changes})


def content(scores: hs.HeadScores) -> Any:
    stored = scores.stored()
    return stored.facts, {name: array.tobytes() for name, array in stored.arrays.items()}


def parts(path: Path) -> tuple[dict[str, Any], bytes]:
    """The header of a safetensors file, and the bytes after it."""
    whole = path.read_bytes()
    size = int.from_bytes(whole[:8], "little")
    return json.loads(whole[8 : 8 + size]), whole[8 + size :]


def with_header(path: Path, header: bytes, body: bytes = b"", length: int | None = None) -> Path:
    size = len(header) if length is None else length
    path.write_bytes(size.to_bytes(8, "little") + header + body)
    return path


def changed(path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """A file of scores with another header."""
    scores().save(path)
    header, body = parts(path)
    change(header)
    return with_header(path, json.dumps(header).encode(), body)


def manifest(path: Path, text: Callable[[str], str]) -> Path:
    """A file of scores with another manifest."""

    def change(header: dict[str, Any]) -> None:
        header["__metadata__"]["headscore"] = text(header["__metadata__"]["headscore"])

    return changed(path, change)


def sealed(path: Path, **parts: Any) -> Path:
    """A file of scores with other entries of the manifest, under the digest that fits."""

    def text(known: str) -> str:
        own = {name: each for name, each in json.loads(known).items() if name != "sha256"}
        return json.dumps(files.sealed({**own, **parts}))

    return manifest(path, text)


def run_of(folder: Path, shard: int | None = 0, **facts: str) -> Run:
    """A run of one shard, finished unless `shard` is None."""
    run = Run(folder, {**FACTS, **facts}, (0, 4))
    start_run(run)
    if shard is not None:
        write_shard(run, 0, part())
    return run


def part() -> Part:
    return Part(replace(scores(), facts={"corpus": "0123"}))
