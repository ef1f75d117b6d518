"""Files that were made to do harm, each read as a user reads it, with the sentence that it gets.

    python benchmarks/robustness/hostile_files.py

Every case runs in a process of its own, with 20 seconds of computing and 1 GB. A case is right
where it ends in one printable sentence, or in what the table says that it must give.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from broken_files import limited

import headscore as hs
from headscore import files
from headscore.corpus.sequence import Segment
from headscore.parsing.cache import open_cache
from headscore.parsing.store import key_of
from headscore.scale.merge import merge_shards
from headscore.scale.run_folder import Run, read_run, start_run, write_shard
from headscore.scores.parts import Part

Case = Callable[[Path], Any]
FACTS = {"parser": "none", "roles": "local", "pairs": "None", "of_sets": "", "chunk": "4"}
NOBODY = 65534


def scores(**changes: Any) -> hs.HeadScores:
    values = np.ones((4, 1, 1, 2), np.float32)
    return hs.HeadScores.from_arrays(values, **{"roles": ["local"], **changes})


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


# Headers ------------------------------------------------------------------------------------------


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


# Texts --------------------------------------------------------------------------------------------

_EVIL = "\x1b]0;owned\x07\x1b[31m\u202e<script>alert(1)</script>../../etc"


def names_that_a_terminal_obeys(folder: Path) -> Any:
    from broken_files import show

    values = np.random.default_rng(0).gamma(2, 2, (20, 1, 2, 2)).astype(np.float32)
    ids = [f"{_EVIL}{n}" for n in range(20)]
    made = hs.HeadScores.from_arrays(values, [_EVIL], sequence_ids=ids, documents=ids)
    hs.test(made).save(folder / "a.hs")
    outcome = show(folder / "a.hs")
    assert outcome == ("unchanged", ""), outcome
    page = (folder / "a.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    return "shown, escaped"


def fact_that_a_terminal_obeys(folder: Path) -> Any:
    run_of(folder / "a", model=_EVIL)
    start_run(Run(folder / "a", {**FACTS, "model": "mine"}, (0, 4)))


def role_of_20_mb(folder: Path) -> Any:
    return hs.load(sealed(folder / "a.hs", roles=["x" * 20_000_000]))


def texts_of_100_mb(folder: Path) -> Any:
    ids = ["x" * 25_000_000 + str(n) for n in range(4)]
    scores(sequence_ids=ids).save(folder / "a.hs")
    assert hs.load(folder / "a.hs").sequence_ids == tuple(ids)
    return "read, unchanged"


# Places -------------------------------------------------------------------------------------------


def pipe_instead_of_a_file(folder: Path) -> Any:
    os.mkfifo(folder / "a.hs")
    return hs.load(folder / "a.hs")


def device_instead_of_a_file(folder: Path) -> Any:
    (folder / "a.hs").symlink_to("/dev/zero")
    return hs.load(folder / "a.hs")


def folder_instead_of_a_file(folder: Path) -> Any:
    return hs.load(folder)


def link_to_itself(folder: Path) -> Any:
    (folder / "a.hs").symlink_to("a.hs")
    return hs.load(folder / "a.hs")


def name_with_nul(folder: Path) -> Any:
    return hs.load(f"{folder}/a\0.hs")


def run_json_is_a_pipe(folder: Path) -> Any:
    os.mkfifo(folder / "run.json")
    return read_run(folder)


def run_json_is_endless(folder: Path) -> Any:
    (folder / "run.json").symlink_to("/dev/zero")
    return read_run(folder)


def run_json_of_1_gb(folder: Path) -> Any:
    (folder / "run.json").touch()
    os.truncate(folder / "run.json", 2**30)
    return read_run(folder)


def run_json_nested_100_000_deep(folder: Path) -> Any:
    (folder / "run.json").write_text("[" * 100_000)
    return read_run(folder)


def run_json_with_a_number_of_5000_digits(folder: Path) -> Any:
    run = run_of(folder / "a")
    text = run.manifest.read_text().replace("4\n", "9" * 5000 + "\n")
    run.manifest.write_text(text)
    return read_run(run.folder)


def partial_file_is_a_pipe(folder: Path) -> Any:
    os.mkfifo(folder / ".headscore-0123-4567.part")
    files.sweep(folder)
    return "left alone"


def shard_is_a_pipe(folder: Path) -> Any:
    run = run_of(folder / "a", None)
    os.mkfifo(run.path(0))
    return merge_shards(run.folder)


def shard_is_a_folder(folder: Path) -> Any:
    run = run_of(folder / "a", None)
    run.path(0).mkdir()
    return merge_shards(run.folder)


def shard_is_a_link_to_a_secret(folder: Path) -> Any:
    run = run_of(folder / "a", None)
    run.path(0).symlink_to("/etc/passwd")
    return merge_shards(run.folder)


def shard_is_a_link_to_a_shard_of_another_run(folder: Path) -> Any:
    other = run_of(folder / "b", model="other")
    run = run_of(folder / "a", None, model="mine")
    run.path(0).symlink_to(other.path(0))
    return merge_shards(run.folder)


def shard_is_a_link_that_leads_out(folder: Path) -> Any:
    """The link is replaced; where it leads stays as it was."""
    (folder / "outside").write_text("precious")
    run = run_of(folder / "a", None)
    run.path(0).symlink_to(folder / "outside")
    write_shard(run, 0, part())
    assert (folder / "outside").read_text() == "precious"
    assert not run.path(0).is_symlink()
    return "replaced, its target untouched"


def shard_of_a_path_name(folder: Path) -> Any:
    run = run_of(folder / "a")
    shutil.copy(run.path(0), run.folder / "shard-..%2f..%2fevil.hs")
    return merge_shards(run.folder)


def folder_swapped_before_a_shard_is_written(folder: Path) -> Any:
    run = run_of(folder / "a", None, model="mine")
    other = run_of(folder / "b", model="other")
    before = other.path(0).read_bytes()
    run.folder.rename(folder / "c")
    other.folder.rename(folder / "a")
    try:
        write_shard(run, 0, part())
    finally:
        assert run.path(0).read_bytes() == before  # of the other run


def folder_swapped_before_the_merge(folder: Path) -> Any:
    run = run_of(folder / "a", model="mine")
    other = run_of(folder / "b", model="other")
    run.folder.rename(folder / "c")
    other.folder.rename(folder / "a")
    return merge_shards(run)


def folder_swapped_by_a_copy(folder: Path) -> Any:
    run = run_of(folder / "a")
    expected = content(merge_shards(run))
    shutil.copytree(run.folder, folder / "b")
    shutil.rmtree(run.folder)
    (folder / "b").rename(run.folder)
    assert content(merge_shards(run)) == expected
    return "merged, to the same bits"


# Parse caches -------------------------------------------------------------------------------------

_ONE = Segment("a b", ("a", "b"), ((0, 1), (2, 3)), (-1, 0), ("root", "obj"))
_KEY = key_of(Segment("a b"), "x")


def cache_is_a_pipe(folder: Path) -> Any:
    os.mkfifo(folder / "a.hsp")
    return open_cache(folder / "a.hsp", "x")


def cache_is_a_folder(folder: Path) -> Any:
    (folder / "a.hsp").mkdir()
    return open_cache(folder / "a.hsp", "x")


def _shared(folder: Path, mode: int, of_folder: int) -> str:
    """Another user opens the cache that root made, finds a parse and adds one."""
    path = folder / "cache" / "a.hsp"
    with open_cache(path, "x") as store:
        store.add({_KEY: _ONE})
    path.chmod(mode)
    path.parent.chmod(of_folder)
    for each in (folder, *folder.parents):  # the other user must be able to come here
        if each.stat().st_uid == 0 and not each.stat().st_mode & 1 and each != Path("/"):
            each.chmod(0o755)
    os.setgid(NOBODY)
    os.setuid(NOBODY)
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    log = logging.getLogger("headscore")
    log.addHandler(handler)
    logging.disable(logging.NOTSET)
    with open_cache(path, "x") as store:
        found = store.find({_KEY: Segment("a b")})
        store.add({b"k" * 16: _ONE})
        store.add({b"l" * 16: _ONE})
    assert found in ({}, {_KEY: _ONE})
    assert len(lines) == 1, lines
    return f"{'found' if found else 'not found'}, went on: {lines[0]}"


def cache_of_root_in_a_folder_of_root(folder: Path) -> Any:
    return _shared(folder, 0o644, 0o755)


def cache_of_root_in_a_folder_of_all(folder: Path) -> Any:
    return _shared(folder, 0o644, 0o777)


def cache_of_all_in_a_folder_of_root(folder: Path) -> Any:
    return _shared(folder, 0o666, 0o755)


def cache_with_umask_077(folder: Path) -> Any:
    return _shared(folder, 0o600, 0o755)


def cache_folder_with_umask_077(folder: Path) -> Any:
    return _shared(folder, 0o600, 0o700)


def content(scores: hs.HeadScores) -> Any:
    stored = scores.stored()
    return stored.facts, {name: array.tobytes() for name, array in stored.arrays.items()}


def cases() -> dict[str, Case]:
    """All of them: the functions of this module that take a folder and are no helpers."""
    helpers = {"scores", "parts", "with_header", "changed", "manifest", "sealed", "run_of"}
    helpers |= {
        "part",
        "content",
        "cases",
        "attempt",
        "outcomes",
        "warm_up",
        "main",
        "limited",
        "open_cache",
    }
    return {
        name: each
        for name, each in globals().items()
        if callable(each)
        and getattr(each, "__module__", "") == __name__
        and not name.startswith("_")
        and name not in helpers
    }


def attempt(case: Case, folder: Path) -> tuple[str, str]:
    """Run a case; return "answered", "read" or "wrong", and the sentence."""
    folder.mkdir()
    try:
        found = case(folder)
    except hs.HeadscoreError as error:
        sentence = str(error).replace(str(folder), "...")
        right = sentence.isprintable()
        return ("answered" if right else "wrong"), sentence
    except BaseException as error:
        return "wrong", f"{type(error).__name__}: {error}"
    return ("read", found) if isinstance(found, str) else ("wrong", f"read as {found!r:.60}")


def outcomes(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield name, outcome and sentence of each case."""
    for number, (name, case) in enumerate(cases().items()):
        if name.startswith("cache_") and "is_a" not in name and os.geteuid():
            yield name, "left out", "only root can become another user"
            continue
        place = folder / str(number)
        ((outcome, sentence),) = limited([lambda case=case, place=place: attempt(case, place)])
        yield name, outcome, sentence


def warm_up() -> None:
    """Show a report, so that all libraries have their memory before it is limited."""
    with tempfile.TemporaryDirectory() as folder:
        names_that_a_terminal_obeys(Path(folder))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tiny", action="store_true", help="all cases: there are no more")
    parser.parse_args()
    logging.disable(logging.WARNING)
    folder = Path(tempfile.mkdtemp())
    wrong = 0
    warm_up()
    try:
        print("| case | outcome | sentence |\n|---|---|---|")
        for name, outcome, sentence in outcomes(folder):
            print(f"| {name.replace('_', ' ')} | {outcome} | {sentence[:200]} |", flush=True)
            wrong += outcome == "wrong"
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"wrong: {wrong}")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
