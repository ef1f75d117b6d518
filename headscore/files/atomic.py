"""Write files atomically: to a temporary file beside the target, which is then renamed."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from headscore.errors import InputError

_NO_SYNC = (errno.EINVAL, errno.ENOTSUP)  # of file systems that cannot sync a folder


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], *, swept: bool = False) -> Iterator[Path]:
    """Yield a temporary file in the folder of `path`; rename it to `path` once it is written.

    Until then `path` keeps what it held, and after a failure nothing new is left in the folder.
    What killed processes left of earlier tries is deleted, where the folder is not `swept`: that
    lists the folder, and a run of many shards writes each into one.

    Raises
    ------
    InputError
        If the folder is missing or cannot be written to, or the disk is full.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        if not swept:
            sweep(path.parent, path.name)
        # In the same folder, so that the rename stays on one file system and is atomic.
        temporary, lock = _claimed(path)
        with lock:
            yield temporary
            # Content first, then the name: after a power cut the name never points to a
            # half-written file.
            os.fsync(lock.fileno())
            temporary.replace(path)
        _sync_folder(path.parent)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink()


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write a text to `path` atomically, in UTF-8; raises as `write`."""
    with replacing(path) as temporary:
        # A lone surrogate, as names may have, cannot be encoded.
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def make_folder(folder: Path) -> None:
    """Create a folder where there is none; raises InputError."""
    try:
        new = [each for each in (folder, *folder.parents) if not each.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        for each in reversed(new):  # a file synced in a folder is lost with the folder's own entry
            _sync_folder(each.parent)
    except OSError as error:
        raise InputError(f"{folder}: cannot be made ({error.strerror})") from error


def sweep(folder: Path, name: str | None = None) -> None:
    """Delete the temporary files that killed processes have left in a folder.

    A process holds a lock on the file that it writes; the lock ends with the process.

    Parameters
    ----------
    folder
        The folder.
    name
        Name of the file that they were to become; None: any.
    """
    pattern = f".headscore-{'*' if name is None else _tag(name)}-*.part"
    with contextlib.suppress(OSError):  # a file that cannot be deleted is left to a later sweep
        for temporary in folder.glob(pattern):
            if not temporary.is_file():  # to open a pipe may wait for its writer
                continue
            # LOCK_NB fails at once where a living process holds the lock: its file is left alone.
            # Open to write, as NFS locks no file that is open to read.
            with contextlib.suppress(OSError), temporary.open("r+b") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                temporary.unlink()


def _claimed(target: Path) -> tuple[Path, IO[bytes]]:
    """Create a temporary file beside a target, and lock it against `sweep`."""
    # Between creation and lock another process may sweep the file: then it has no link left.
    while True:
        path = target.parent / f".headscore-{_tag(target.name)}-{secrets.token_hex(8)}.part"
        file = path.open("xb")
        # Where the file system has no locks, `sweep` gets none either, and deletes nothing.
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
        if os.fstat(file.fileno()).st_nlink:  # else it was swept before it was locked
            return path, file
        file.close()


def _tag(name: str) -> str:
    """Return a hash of a file name, as the name itself may be too long for a longer one."""
    return hashlib.sha256(os.fsencode(name)).hexdigest()[:8]


def _sync_folder(folder: Path) -> None:
    """Write the entries of a folder to disk, so that a rename survives a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _NO_SYNC:
            raise
    finally:
        os.close(descriptor)
