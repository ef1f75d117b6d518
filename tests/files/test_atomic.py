"""Atomic writes: what is left by those that fail, are killed or meet an odd file system."""

import errno
import fcntl
import os
import signal
import stat
from pathlib import Path

import pytest
from helpers.stored import LAYOUTS, thing

from headscore import files
from headscore.errors import InputError
from headscore.files import atomic


def test_the_file_mode_equals_that_of_any_new_file(path, tmp_path):
    (tmp_path / "plain").touch()
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_writing_to_a_missing_folder_raises(tmp_path):
    with pytest.raises(InputError, match=r"no/a\.hs: cannot be written \(No such file"):
        files.write(tmp_path / "no" / "a.hs", thing())
    assert not list(tmp_path.iterdir())


def test_writing_below_a_file_raises(path):
    with pytest.raises(InputError, match=r"cannot be written \(Not a directory"):
        files.write(path / "b.hs", thing())


def test_writing_over_a_folder_raises_and_keeps_it(tmp_path):
    (tmp_path / "a.hs").mkdir()
    with pytest.raises(InputError, match="cannot be written"):
        files.write(tmp_path / "a.hs", thing())
    assert list(tmp_path.iterdir()) == [tmp_path / "a.hs"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write to any folder")
def test_writing_to_a_read_only_folder_raises(tmp_path):
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match=r"cannot be written \(Permission denied"):
            files.write(tmp_path / "a.hs", thing())
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    ("failure", "seen"),
    [
        (OSError(28, "No space left on device"), InputError),
        (KeyboardInterrupt(), KeyboardInterrupt),
    ],
)
def test_a_failed_write_leaves_only_the_old_file(path, monkeypatch, failure, seen):
    before = path.read_bytes()

    def fail(_):
        raise failure

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(seen):
        files.write(path, thing(roles=("other",)))
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_the_content_is_synced_before_the_file_is_replaced(tmp_path, monkeypatch):
    target, seen = tmp_path / "a.hs", []
    sync = os.fsync

    def watch(descriptor):
        seen.append((str(Path(f"/proc/self/fd/{descriptor}").readlink()), target.exists()))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    files.write(target, thing())
    (first, existed), (last, exists) = seen
    assert first.endswith(".part")
    assert not existed
    assert last == str(tmp_path)
    assert exists


def test_what_a_killed_process_left_is_deleted_by_the_next_write_of_the_same_file(path):
    child = os.fork()
    if not child:
        with files.replacing(path):
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    (left,) = set(path.parent.iterdir()) - {path}
    files.write(path.with_name("other.hs"), thing())
    assert left.exists()
    files.write(path, thing())
    assert sorted(path.parent.iterdir()) == [path, path.with_name("other.hs")]


def test_a_new_folder_is_synced_in_its_parents(tmp_path, monkeypatch):
    synced, sync = [], os.fsync

    def watch(descriptor):
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", watch)
    files.make_folder(tmp_path / "a" / "b")
    assert synced == [tmp_path, tmp_path / "a"]
    files.make_folder(tmp_path / "a" / "b")
    assert len(synced) == 2


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK])
def test_a_file_system_without_locks_is_written_to_and_not_swept(path, monkeypatch, number):
    left = path.with_name(f".headscore-{atomic._tag(path.name)}-0.part")
    left.touch()
    monkeypatch.setattr(fcntl, "flock", failing(number))
    files.write(path, thing(roles=("other",)))
    assert files.read(path, LAYOUTS).roles == ("other",)
    assert left.exists()


@pytest.mark.parametrize("number", [errno.EINVAL, errno.EIO])
def test_only_a_file_system_that_cannot_sync_a_folder_need_not(path, monkeypatch, number):
    sync = os.fsync

    def fail(descriptor):
        if stat.S_ISDIR(os.fstat(descriptor).st_mode):
            raise OSError(number, os.strerror(number))
        sync(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    if number == errno.EIO:
        with pytest.raises(InputError, match=r"a.hs: cannot be written \(Input/output error\)"):
            files.write(path, thing())
    else:
        files.write(path, thing())
    assert files.read(path, LAYOUTS).roles == thing().roles


def failing(number):
    """A call that fails with an error number."""

    def fail(*_):
        raise OSError(number, os.strerror(number))

    return fail


def test_sweep_leaves_pipes_and_devices_alone(tmp_path):
    pipe, device = (tmp_path / f".headscore-{n}-0.part" for n in range(2))
    os.mkfifo(pipe)
    device.symlink_to("/dev/null")
    files.sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == [pipe, device]
