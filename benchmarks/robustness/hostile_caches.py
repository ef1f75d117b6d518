"""Parse caches that are no files, or that belong to another user.

Each public function is a case: it gets an empty folder, see `hostile_files`.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from headscore.corpus.sequence import Segment
from headscore.parsing.cache import open_cache
from headscore.parsing.store import key_of

_NOBODY = 65534
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
    os.setgid(_NOBODY)
    os.setuid(_NOBODY)
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


# Those that become another user.
NEED_ROOT = (
    cache_of_root_in_a_folder_of_root,
    cache_of_root_in_a_folder_of_all,
    cache_of_all_in_a_folder_of_root,
    cache_with_umask_077,
    cache_folder_with_umask_077,
)
