"""Stop writers after each operation, by a kill or a power cut: nothing is half, nothing is lost.

The operations are recorded by strace, and what a power cut leaves is modelled, in benchmarks/.
"""

import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

import pytest
from helpers import writing
from helpers.benchmark_modules import benchmark_module

ROOT = Path(__file__).resolve().parents[2]
crash_disk = benchmark_module("crash_disk")
crash_trace = benchmark_module("crash_trace")


@pytest.fixture(scope="module")
def record(tmp_path_factory):
    """A function that runs a Python program on a new folder, and returns its operations there."""
    if (reason := crash_trace.why_not()) is not None:
        pytest.skip(reason)

    def run(*program, before=None):
        folder = tmp_path_factory.mktemp("recorded")
        crash_disk.write_out(before or {}, folder / "root")
        command = [sys.executable, *program, str(folder / "root")]
        return crash_trace.record(command, folder / "root", folder / "log")

    return run


@pytest.fixture(scope="module")
def written(record):
    """The operations of `writing.write_all`."""
    return record(str(ROOT / "tests" / "helpers" / "writing.py"))


def states(operations, before=None):
    """Yield the number of operations done, and what a crash then leaves, in each way."""
    disk = crash_disk.Disk(before or {})
    for n in range(len(operations) + 1):
        yield n, disk.killed()
        for way in crash_disk.CUTS:
            yield n, disk.cut(way)
        if n < len(operations):
            disk.apply(operations[n])


def read_and_write_again(content, folder):
    """Return what is found of a content; all that is missing is written then."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        root = Path(name) / "root"
        crash_disk.write_out(content, root)
        found = writing.read_all(root)
        writing.write_all(root)
        assert writing.read_all(root) == writing.WRITTEN
        assert {each.name for each in root.rglob("*") if each.is_file()} == writing.FILES
    return found


def test_every_prefix_leaves_whole_files_and_is_resumed(written, tmp_path):
    # What a power cut leaves is modelled: syncing it again needs no disk.
    folder = "/dev/shm" if Path("/dev/shm").is_dir() else tmp_path
    found, tried = defaultdict(set), {}
    for n, content in states(written):
        key = tuple(content.items())
        if key not in tried:
            tried[key] = read_and_write_again(content, folder)
        found[n].add(tried[key])
    assert len(tried) > 50
    # Nothing goes back: what the worst crash leaves at one time is there at all later times.
    text, numbers, parses = (
        [min(writing.STAGES[i].index(each[i]) for each in found[n]) for n in sorted(found)]
        for i in range(len(writing.STAGES))
    )
    assert (text, numbers, parses) == (sorted(text), sorted(numbers), sorted(parses))
    assert found[len(written)] == {writing.WRITTEN}


BAD = """
import os, sys
name = sys.argv[1] + "/a"
with open(name + ".new", "w") as file:
    file.write("newer")
    {sync}
os.rename(name + ".new", name)
"""


@pytest.mark.parametrize("synced", [False, True])
def test_a_writer_that_does_not_sync_is_found_out(record, synced):
    sync = "file.flush(); os.fsync(file.fileno())" if synced else ""
    before = {"a": b"older"}
    operations = record("-c", BAD.format(sync=sync), before=before)
    left = {content.get("a") for _, content in states(operations, before)}
    whole = {b"older", b"newer"}
    assert left == whole if synced else left >= {*whole, b"", bytes(5), b"ne"}


def test_renames_stay_in_one_folder(written):
    """Across file systems a rename would fail."""
    assert {Path(op.path).parent == Path(op.to).parent for op in written if op.to} == {True}


@pytest.mark.slow  # the commands run once under strace, and again for each state
def test_commands_resume_to_the_same_bits_after_any_crash():
    if (reason := crash_trace.why_not()) is not None:
        pytest.skip(reason)
    script = [sys.executable, str(ROOT / "benchmarks/robustness/crash_consistency.py"), "--tiny"]
    ended = subprocess.run(script, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    rows = [line.split("|")[1:-1] for line in ended.stdout.splitlines() if line.startswith("| ")]
    tries = {name.strip(): (int(tries), int(wrong)) for name, tries, wrong in rows[1:]}
    assert set(tries) == {"killed", *(f"power cut, {way}" for way in crash_disk.CUTS)}
    assert all(n > 20 and not wrong for n, wrong in tries.values())
