"""The cache of parses: which file it is, and what a run does where that cannot be used."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

from headscore.corpus.sequence import Segment
from headscore.errors import InputError
from headscore.log import log
from headscore.parsing.store import ParseStore, Store


def open_cache(
    cache: str | os.PathLike[str] | None, identity: str | None
) -> AbstractContextManager[Store | None]:
    """Open what keeps the parses of a parser; nothing does where nothing identifies it.

    Parameters
    ----------
    cache
        ``"auto"``: the folder that HEADSCORE_CACHE names, or the user's folder of caches as far as
        it can be used; a file that ends in ``.hsp``; another folder; None: nowhere.
    identity
        What identifies the parser.

    Raises
    ------
    InputError
        A file or folder that was chosen cannot be used.
    """
    if cache is None or identity is None:
        return nullcontext()
    chosen = os.environ.get("HEADSCORE_CACHE") or None if cache == "auto" else cache
    return SpareStore(identity) if chosen is None else _opened(Path(chosen), identity)


class SpareStore:
    """The file of parses in the user's folder of caches, which a run can do without.

    Where it cannot be read or written, a warning says so once.

    Parameters
    ----------
    identity
        What identifies the parser.
    """

    def __init__(self, identity: str) -> None:
        self._file: ParseStore | None = None
        self._adds: ParseStore | None = None
        try:
            self._file = self._adds = _opened(_users_folder(), identity)
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
        """Return what is there, as `ParseStore.find`; nothing once that has failed."""
        try:
            return {} if self._file is None else self._file.find(asked)
        except InputError as error:
            _warn(error)
            self._file = self._adds = None
            return {}

    def add(self, parsed: Mapping[bytes, Segment]) -> None:
        """Store parses, as `ParseStore.add`; none once that has failed."""
        try:
            if self._adds is not None:
                self._adds.add(parsed)
        except InputError as error:
            _warn(error)
            self._adds = None


def _opened(path: Path, identity: str) -> ParseStore:
    """Open a file of parses, or that of a folder, which is made where it is missing."""
    path = path if path.suffix == ".hsp" else path / "parses.hsp"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path.parent}: cannot be made ({error.strerror})") from error
    return ParseStore(path, identity)


def _users_folder() -> Path:
    try:
        home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    except RuntimeError as error:
        raise InputError("the user has no folder of caches") from error
    return Path(home, "headscore")


def _warn(why: object) -> None:
    log.warning("new parses are not kept: %s", why)
