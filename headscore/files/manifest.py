"""Manifest: a JSON object with metadata, the digest of each array, and one of itself."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from headscore.errors import InputError
from headscore.files.stored import FORMAT_VERSION, Layouts, Stored

KEY = "headscore"  # of the manifest, in the metadata of a safetensors file


def describe(stored: Stored, arrays: Mapping[str, npt.NDArray[Any]]) -> dict[str, Any]:
    """Return the manifest: metadata, a digest of each array, and a digest of the manifest."""
    manifest = {
        "kind": stored.kind,
        "version": stored.version,
        "roles": list(stored.roles),
        "facts": dict(stored.facts),
        "counts": dict(stored.counts),
        "arrays": {
            name: {"shape": list(array.shape), "sha256": hashlib.sha256(array.data).hexdigest()}
            for name, array in arrays.items()
        },
    }
    return sealed(manifest)


def sealed(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """Return a mapping with its digest as the last entry, ``sha256``."""
    return {**manifest, "sha256": _digest(manifest)}


def is_sealed(manifest: Mapping[str, Any]) -> bool:
    """Return whether a mapping has the digest that `sealed` gave it."""
    return bool(manifest.get("sha256") == _digest(manifest))


def _digest(manifest: Mapping[str, Any]) -> str:
    # Key order is part of the digest: JSON keeps it, and facts are in the order of the signature.
    own = {key: value for key, value in manifest.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(own).encode("ascii")).hexdigest()


def checked(metadata: Mapping[str, str] | None, layouts: Layouts) -> dict[str, Any]:
    """Return the manifest of a file; raise unless it is undamaged, of a known version and kind."""
    try:
        manifest = json.loads((metadata or {})[KEY])
        kind, version = manifest["kind"], manifest["version"]
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError("not a headscore file: it has no manifest that can be read") from error
    if type(version) is not int or not 1 <= version <= FORMAT_VERSION:
        raise InputError(
            f"has format version {version!r}, this headscore reads versions 1 to {FORMAT_VERSION}"
        )
    kinds = tuple(dict.fromkeys(each for each, _ in layouts))
    if kind not in kinds:
        raise InputError(f"must hold {' or '.join(kinds)}, got {kind!r}")
    if (kind, version) not in layouts:
        known = " and ".join(str(number) for each, number in layouts if each == kind)
        raise InputError(f"a {kind} of format version {version}, this headscore reads {known}")
    if not is_sealed(manifest) or not _well_formed(manifest):
        raise InputError("damaged: its manifest does not have the digest it was written with")
    return dict(manifest)


def _well_formed(manifest: Mapping[str, Any]) -> bool:
    """Return whether the parts of a manifest have their types."""
    roles, facts, counts = (manifest.get(key) for key in ("roles", "facts", "counts"))
    arrays = manifest.get("arrays")
    return (
        isinstance(roles, list)
        and isinstance(facts, dict)
        and isinstance(counts, dict)
        and isinstance(arrays, dict)
        and all(isinstance(text, str) for text in (*roles, *facts.values()))
        and all(type(count) is int and 0 <= count < 2**63 for count in counts.values())
        and all(isinstance(entry, dict) for entry in arrays.values())
    )


def check_contents(arrays: Mapping[str, npt.NDArray[Any]], described: Mapping[str, Any]) -> None:
    """Raise InputError where an array does not have its digest or shape."""
    for name, array in arrays.items():
        digest = hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
        entry = described[name]
        if entry.get("sha256") != digest or entry.get("shape") != list(array.shape):
            raise InputError(f"damaged: array {name!r} is not the one that was written")


def check_same(path: Path, known: Mapping[str, str], asked: Mapping[str, str]) -> None:
    """Raise InputError where two fingerprints differ, with the fields that do."""
    # Keys of both in order; a missing field counts as a difference.
    names = [name for name in {**known, **asked} if known.get(name) != asked.get(name)]
    if names:
        fields = "; ".join(
            f"{name} is {known.get(name, 'missing')} there and {asked.get(name, 'missing')} here"
            for name in names
        )
        raise InputError(f"{path}: belongs to another run: {fields}")
