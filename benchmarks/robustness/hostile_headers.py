"""Headers and manifests of files made to do harm.

Each public function is a case: it gets an empty folder, see `hostile_files`.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from altered_files import changed, content, manifest, parts, scores, sealed, with_header

import headscore as hs
from headscore import files


def header_of_2_to_the_60_bytes(folder: Path) -> Any:
    return hs.load(with_header(folder / "a.hs", b"{}", length=2**60))


def header_larger_than_the_file(folder: Path) -> Any:
    return hs.load(with_header(folder / "a.hs", b"{}", length=1000))


def header_of_90_mb(folder: Path) -> Any:
    return hs.load(with_header(folder / "a.hs", b'{"a":"' + b"x" * 90_000_000 + b'"}'))


def header_nested_100_000_deep(folder: Path) -> Any:
    return hs.load(with_header(folder / "a.hs", b"[" * 100_000 + b"]" * 100_000))


def manifest_nested_100_000_deep(folder: Path) -> Any:
    return hs.load(manifest(folder / "a.hs", lambda _: "[" * 100_000))


def key_twice_in_the_manifest(folder: Path) -> Any:
    more = ', "roles": ["other"]}'
    return hs.load(manifest(folder / "a.hs", lambda known: known[:-1] + more))


def array_twice_in_the_header(folder: Path) -> Any:
    scores().save(folder / "a.hs")
    header, body = parts(folder / "a.hs")
    twice = json.dumps({"values": header["values"]})[1:-1]
    text = json.dumps(header)[:-1] + f", {twice}}}"
    with_header(folder / "a.hs", text.encode(), body)
    assert content(hs.load(folder / "a.hs")) == content(scores())
    return "read, unchanged"


def version_nan(folder: Path) -> Any:
    return hs.load(sealed(folder / "a.hs", version=float("nan")))


def version_infinity(folder: Path) -> Any:
    return hs.load(sealed(folder / "a.hs", version=float("inf")))


def number_of_5000_digits(folder: Path) -> Any:
    more = f', "counts": {{"a": {"9" * 5000}}}}}'
    return hs.load(manifest(folder / "a.hs", lambda known: known[:-1] + more))


def number_of_4000_digits(folder: Path) -> Any:
    return hs.load(sealed(folder / "a.hs", counts={"sequences": 10**4000}))


def negative_count(folder: Path) -> Any:
    return hs.load(sealed(folder / "a.hs", counts={"sequences": -1}))


def shape_that_overflows(folder: Path) -> Any:
    shape = {"shape": [2**32, 2**32, 2**32, 2]}
    return hs.load(changed(folder / "a.hs", lambda header: header["values"].update(shape)))


def unknown_dtype(folder: Path) -> Any:
    return hs.load(changed(folder / "a.hs", lambda header: header["values"].update(dtype="F99")))


def other_dtype(folder: Path) -> Any:
    return hs.load(changed(folder / "a.hs", lambda header: header["values"].update(dtype="I32")))


def offsets_out_of_the_file(folder: Path) -> Any:
    at = {"data_offsets": [2**40, 2**40 + 32]}
    return hs.load(changed(folder / "a.hs", lambda header: header["values"].update(at)))


def offsets_that_overlap(folder: Path) -> Any:
    def change(header: dict[str, Any]) -> None:
        header["sequence_ids"]["data_offsets"] = [0, 20]

    return hs.load(changed(folder / "a.hs", change))


def offsets_backwards(folder: Path) -> Any:
    at = {"data_offsets": [32, 0]}
    return hs.load(changed(folder / "a.hs", lambda header: header["values"].update(at)))


def array_called_like_a_path(folder: Path) -> Any:
    return hs.load(
        changed(folder / "a.hs", lambda h: h.update({"../../evil": h.pop("sequence_ids")}))
    )


def sparse_file_of_8_gb(folder: Path) -> Any:
    n = 2**31
    scores().save(folder / "a.hs")
    header, _ = parts(folder / "a.hs")
    own = json.loads(header["__metadata__"]["headscore"])
    own.pop("sha256")
    own["arrays"]["values"]["shape"] = [n, 1, 1, 1]
    ids = header["sequence_ids"]
    ids["data_offsets"] = [4 * n, 4 * n + ids["shape"][0]]
    header["values"] |= {"shape": [n, 1, 1, 1], "data_offsets": [0, 4 * n]}
    header["__metadata__"]["headscore"] = json.dumps(files.sealed(own))
    path = with_header(folder / "a.hs", json.dumps(header).encode())
    os.truncate(path, path.stat().st_size + ids["data_offsets"][1])
    return hs.load(path)
