"""A run in shards resumes to the same bits when TMPDIR or the clock leaps meanwhile."""

import os
import shutil
import tempfile
from pathlib import Path

import pytest
from helpers import tiny

from headscore.errors import InputError
from headscore.options import ScoreOptions
from headscore.scale import shards
from headscore.scale.merge import merge_shards
from headscore.scores import repeats

YEAR = 365 * 86_400


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A model, a corpus, and the bytes of the merged scores of an undisturbed run."""
    folder = tmp_path_factory.mktemp("made")
    corpus = folder / "in.txt"
    corpus.write_text("".join(f"{each.segments[0].text}\n" for each in tiny.sequences(30)))
    made = tiny.save(folder / "model"), str(corpus)
    job = job_in(folder / "run", made)
    run = shards.start(job)
    shards.compute(job, list(run.shards))
    return *made, merged(job, folder)


def job_in(folder, made):
    options = ScoreOptions(roles="local,block", chunk=10)
    return shards.Job(str(folder), made[0], made[1], 3, options)


def merged(job, folder):
    """The bytes of the file of all scores, which are kept in a temporary file until then."""
    merge_shards(job.folder, keep="disk").save(folder / "merged.hs")
    return (folder / "merged.hs").read_bytes()


def deleted(folder):
    shutil.rmtree(folder)
    return folder


def elsewhere(folder):
    """A folder on another file system."""
    other = Path("/dev/shm")
    if not other.is_dir() or other.stat().st_dev == folder.stat().st_dev:
        pytest.skip("there is no second file system to write to")
    return other


@pytest.mark.parametrize(
    "leap", [deleted, elsewhere, lambda folder: None], ids=["deleted", "elsewhere", "unset"]
)
def test_a_leap_of_the_folder_for_temporary_files_changes_nothing(
    made, tmp_path, monkeypatch, leap
):
    def use(folder):
        monkeypatch.setattr(tempfile, "tempdir", None)  # as in a new process
        if folder is None:
            monkeypatch.delenv("TMPDIR")
        else:
            monkeypatch.setenv("TMPDIR", str(folder))

    first = tmp_path / "first"
    first.mkdir()
    use(first)
    job = job_in(tmp_path / "run", made)
    run = shards.start(job)
    shards.compute(job, [1])
    use(leap(first))
    assert shards.start(job) == run
    shards.compute(job, run.missing())
    assert merged(job, tmp_path) == made[2]


def test_no_folder_for_temporary_files_raises_one_sentence(monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/nowhere/a"])
    with pytest.raises(OSError, match="No usable temporary directory") as failed:
        tempfile.TemporaryFile()  # noqa: SIM115 - is not opened
    with pytest.raises(InputError, match=r"temporary files: No usable .*/nowhere/a.*; TMPDIR"):
        raise repeats.not_kept("scores", failed.value)


@pytest.mark.parametrize("leap", [-YEAR, YEAR])
def test_times_of_files_are_not_compared(made, tmp_path, leap):
    job = job_in(tmp_path / "run", made)
    run = shards.start(job)
    shards.compute(job, [0, 2])
    before = {}
    for path in run.folder.iterdir():
        now = path.stat().st_mtime + leap
        os.utime(path, (now, now))
        before[path] = path.stat().st_ino, path.stat().st_mtime_ns
    assert run.missing() == [1]
    shards.start(job)
    shards.compute(job, list(run.shards))
    assert {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in before} == before
    assert merged(job, tmp_path) == made[2]
