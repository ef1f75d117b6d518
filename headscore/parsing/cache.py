"""Open the parse cache: find its file, and run without it where that is allowed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from headscore import files
from headscore.corpus.sequence import Segment
from headscore.errors import InputError
from headscore.log import log
from headscore.parsing.store import ParseStore, Store


def open_cache(
    cache: str | os.PathLike[str] | None, identity: str | None, labels: tuple[str, ...] = ()
) -> AbstractContextManager[Store | None]:
    """Open the parse cache of a parser; None as the store if the parser has no identity.

    Parameters
    ----------
    cache
        ``"auto"``: the folder in HEADSCORE_CACHE, or else the user's cache folder if it can be
        used; a file that ends in ``.hsp``; another folder; None: no cache.
    identity
        Identifier of the parser, part of every key.
    labels
        Names of labels of words that parses have, see `ParseStore`.

    Raises
    ------
    InputError
        A file or folder that the user chose cannot be used, for another reason than that it is
        another user's.
    """
    # The default folder, and a cache that another user made for themselves, may fail with a
    # warning (`SpareStore`): no result is worse for it. Any other place that the user chose, by
    # argument or by environment variable, raises. An empty variable counts as not set.
    if cache is None or identity is None:
        return nullcontext()
    chosen = os.environ.get("HEADSCORE_CACHE") or None if cache == "auto" else cache
    if chosen is None or _is_of_others(_file_of(Path(chosen))):
        return SpareStore(identity, None if chosen is None else Path(chosen), labels)
    return _opened(Path(chosen), identity, labels)


def check_writable(cache: str | os.PathLike[str], identity: str) -> None:
    """Raise InputError where parses cannot be added to a cache."""
    with _opened(Path(cache), identity) as store:
        if not store.writable:
            raise InputError(f"{store.path}: cannot be written to")


class SpareStore:
    """A parse cache that a run can do without.

    A warning is logged where it cannot be read or written; the run continues without it.

    Parameters
    ----------
    identity
        Identifier of the parser, part of every key.
    path
        As `cache` in `open_cache`; None: the user's cache folder.
    labels
        Names of labels of words that parses have, see `ParseStore`.
    """

    def __init__(
        self, identity: str, path: Path | None = None, labels: tuple[str, ...] = ()
    ) -> None:
        # Reading and writing fail apart: a read-only or full cache is still read.
        self._file: ParseStore | None = None
        self._adds: ParseStore | None = None
        try:
            self._file = self._adds = _opened(path or users_folder(), identity, labels)
        except InputError as error:
            _warn(error)
        if self._file is not None and not self._file.writable:
            _warn(f"{self._file.path}: cannot be written to")
            self._adds = None

    def __enter__(self) -> SpareStore:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def find(self, asked: Mapping[bytes, Segment]) -> dict[bytes, Segment]:
        """Return stored parses, as `ParseStore.find`; none after a failure."""
        try:
            return {} if self._file is None else self._file.find(asked)
        except InputError as error:
            _warn(error)
            self._file = self._adds = None
            return {}

    def add(self, parsed: Mapping[bytes, Segment]) -> None:
        """Store parses, as `ParseStore.add`; do nothing after a failure."""
        try:
            if self._adds is not None:
                self._adds.add(parsed)
        except InputError as error:
            _warn(error)
            self._adds = None


def _opened(path: Path, identity: str, labels: tuple[str, ...] = ()) -> ParseStore:
    """Open a parse cache file, or that in a folder; missing ones are created."""
    path = _file_of(path)
    files.make_folder(path.parent)
    return ParseStore(path, identity, labels)


def _file_of(path: Path) -> Path:
    """Return the file of a parse cache, of which the file or the folder is given."""
    return path if path.suffix == ".hsp" else path / "parses.hsp"


def _is_of_others(file: Path) -> bool:
    """Return whether this user may not read or write a file, or not make it where it is missing."""
    there = next((each for each in (file, *file.parents) if os.access(each, os.F_OK)), None)
    if there is None or (there != file and not there.is_dir()):
        return False
    # SQLite writes its journal beside the file.
    needed = (file, file.parent) if there == file else (there,)
    return not all(os.access(each, os.R_OK | os.W_OK | os.X_OK * each.is_dir()) for each in needed)


def users_folder() -> Path:
    """Return the folder of this package in the user's cache folder; raises InputError."""
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError as error:
        raise InputError("the user has no folder of caches") from error
    return Path(home, "headscore")


def _warn(why: object) -> None:
    log.warning("new parses are not kept: %s", why)
