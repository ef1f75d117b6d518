"""Full and read-only disks: a one-line error, and no partial files."""

import subprocess
import tempfile

import numpy as np
import pytest
from helpers import tiny

from headscore.corpus.sequence import Segment
from headscore.errors import InputError
from headscore.options import ScoreOptions
from headscore.parsing.store import ParseStore, key_of
from headscore.scale import shards
from headscore.scale.merge import merge_shards
from headscore.scores.head_scores import HeadScores
from headscore.scores.parts import Part, gather

SIZE = 256 * 1024


@pytest.fixture
def disk(tmp_path):
    """A disk of 256 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip(f"a small disk cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture
def job(tmp_path, disk):
    corpus = tmp_path / "in.txt"
    corpus.write_text("".join(f"{each.segments[0].text}\n" for each in tiny.sequences(60)))
    model = tiny.save(tmp_path / "model")
    options = ScoreOptions(roles="local", chunk=10)
    return shards.Job(str(disk / "run"), model, str(corpus), 3, options)


def fill(disk):
    """Take what room is left; returns the file that does."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file:
        try:
            while file.write(bytes(4096)):
                pass
        except OSError:
            return path
    raise AssertionError("the disk has no end")


def test_a_run_in_shards_resumes_after_a_full_disk(job, disk):
    run = shards.start(job)
    shards.compute(job, [0])
    filler = fill(disk)
    with pytest.raises(
        InputError, match=r"shard-00001.hs: cannot be written \(No space left on device\)"
    ):
        shards.compute(job, [1, 2])
    assert sorted(each.name for each in run.folder.iterdir()) == ["run.json", "shard-00000.hs"]
    filler.unlink()
    shards.compute(job, run.missing())
    assert len(merge_shards(run.folder).sequence_ids) == 60


def test_a_full_disk_prints_one_line_and_exits_with_3(job, disk, capsys):
    from headscore.cli import main

    fill(disk)
    asked = ["analyze", job.model, job.corpus, "--roles", "local", "--chunk", "10"]
    assert main([*asked, "--shards", "3", "--run-dir", job.folder]) == 3
    loading, said = capsys.readouterr().err.splitlines()
    assert loading.startswith("headscore: loading")
    assert "No space left on device" in said


def test_a_read_only_folder_exits_with_3(job, disk, capsys):
    from headscore.cli import main

    shards.start(job)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    asked = ["analyze", job.model, job.corpus, "--roles", "local", "--chunk", "10"]
    assert main([*asked, "--shards", "3", "--run-dir", job.folder]) == 3
    assert "shard-00000.hs: cannot be written (Read-only file system)" in capsys.readouterr().err
    assert main([*asked, "--shards", "3", "--run-dir", str(disk / "other")]) == 3
    assert "other: cannot be made (Read-only file system)" in capsys.readouterr().err


def test_keeping_scores_on_a_full_disk_raises(disk, monkeypatch):
    scores = HeadScores.from_arrays(np.ones((4000, 2, 4, 4)), ["a", "b"])
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    with pytest.raises(InputError, match=r"cannot be kept in .*No space left on device; TMPDIR"):
        gather([Part(scores)], keep="disk")


def test_storing_parses_on_a_full_disk_raises(disk):
    fill(disk)
    parsed = Segment("a b", ("a", "b"), ((0, 1), (2, 3)), (-1, 0), ("root", "obj"))
    with (
        pytest.raises(InputError, match=r"a.hsp: .*(full|disk)"),
        ParseStore(disk / "a.hsp", "x") as store,
    ):
        store.add({key_of(Segment(f"a b {n}"), "x"): parsed for n in range(10_000)})
