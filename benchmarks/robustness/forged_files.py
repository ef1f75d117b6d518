"""Files of headscore with changed content, under digests that fit it."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import safe_open

from headscore import files

_TEXTS = ["", "\0", "\x1b[31m", "\u202e", "\ud800", "<script>", "nan", "-1", "1e999", "9" * 4000]
_TEXTS += ["x" * 10_000, "{}", "[[", "null", "../..", "a,b", "0", "none", "has"]
_COUNTS = [-1, 0, 2**31, 2**63, 10**400, True]
_NUMBERS = [-(2**62), -1, 0, 1, 7, 2**31 - 1, 2**62, float("nan"), float("inf"), 1e308, -1e308]


def forged(path: Path, to: Path, rng: random.Random) -> None:
    """Write a copy of a file with a few changes, and digests as if it had been saved like that."""
    with safe_open(path, framework="numpy") as file:
        manifest = json.loads(file.metadata()["headscore"])
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    for _ in range(rng.choice([1, 1, 2, 3])):
        if rng.random() < 0.35:
            _change_manifest(manifest, rng)
        else:
            _change_array(arrays, rng)
    stored = files.Stored(
        kind=manifest["kind"],
        roles=tuple(manifest["roles"]),
        facts=manifest["facts"],
        counts=manifest["counts"],
        arrays=arrays,
    )
    files.write(to, stored)


def _change_manifest(manifest: dict[str, Any], rng: random.Random) -> None:
    part = rng.choice(["facts", "facts", "counts", "roles"])
    if part == "roles":
        roles = manifest["roles"]
        how = rng.choice([roles[:-1], [*roles, "x"], [rng.choice(_TEXTS), *roles[1:]], roles[::-1]])
        manifest["roles"] = how
        return
    entries = manifest[part]
    if not entries:
        return
    name = rng.choice(list(entries))
    if rng.random() < 0.3:
        del entries[name]
    else:
        entries[name] = rng.choice(_TEXTS if part == "facts" else _COUNTS)


def _change_array(arrays: dict[str, Any], rng: random.Random) -> None:
    name = rng.choice(list(arrays))
    array = arrays[name]
    if array.dtype == np.uint8 and array.ndim == 1 and array[:1].tobytes() in (b"[", b"{"):
        arrays[name] = _changed_texts(array, rng)
        return
    axis = rng.randrange(array.ndim)
    if rng.random() < 0.15:  # every array with that axis, so that they still fit together
        size = array.shape[axis]
        for each, other in arrays.items():
            if other.ndim and other.shape[0] == size:
                arrays[each] = other[: size // 2].copy()
        return
    array = array.copy()
    if array.size:
        number = rng.choice(_NUMBERS)
        with np.errstate(all="ignore"):
            new = np.array([number]).astype(array.dtype)[0]
        if rng.random() < 0.5:
            array[...] = new
        else:
            array.flat[rng.randrange(array.size)] = new
    arrays[name] = array


def _changed_texts(packed: Any, rng: random.Random) -> Any:
    texts = json.loads(packed.tobytes())
    if not isinstance(texts, list) or rng.random() < 0.1:
        texts = rng.choice([None, 3, "text", {}, [], [[]], [None], texts])
    elif texts:
        at = rng.randrange(len(texts))
        new = rng.choice([*_TEXTS, None, 3, ["x"]])
        texts = [new] * len(texts) if rng.random() < 0.3 else [*texts[:at], new, *texts[at + 1 :]]
    return np.frombuffer(json.dumps(texts).encode("ascii"), np.uint8)
