"""Pipes, devices, links and other folders where a file or a run is read or written.

Each public function is a case: it gets an empty folder, see `hostile_files`.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

from altered_files import content, part, run_of

import headscore as hs
from headscore import files
from headscore.scale.merge import merge_shards
from headscore.scale.run_folder import read_run, write_shard


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
