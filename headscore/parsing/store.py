"""The parse store: one file of parses, shared by any number of processes and runs.

The file is an SQLite database: it stays intact if a process is killed at any moment, and several
processes can read and add at once. It uses the rollback journal, since the write-ahead log does not
work on network file systems. A parse is stored once for each text and parser:

    key    16 bytes, BLAKE2b of the parser's identity and the text, or the given words

    parse of n words, with numbers of s bytes (little-endian, signed):

    bytes  1   n s      n s      n s      2 n           4
    field  s   starts   ends     heads    relation ids  CRC-32 of key, fields and relation names

Labels of words are in rows of their own, see `headscore.parsing.stored_labels`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import sqlite3
import struct
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Protocol

from headscore import files
from headscore.corpus.sequence import Segment
from headscore.errors import InputError
from headscore.parsing._parses import checksum, unpack
from headscore.parsing.stored_labels import find_labels, pack_labels, row_keys

_APPLICATION = 0x48535031  # "HSP1"
_SCHEMA = {
    "parses": "CREATE TABLE parses (key BLOB PRIMARY KEY, parse BLOB NOT NULL) WITHOUT ROWID",
    "relations": "CREATE TABLE relations (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE)",
}
_SIZES = {1: "b", 2: "h", 4: "i"}  # bytes -> format of struct; signed, as the root has head -1
_MOST_KEYS = 500  # of one statement; SQLite before 3.32 allows 999 parameters
_MOST_RELATIONS = 2**16  # ids of 2 bytes
_WAIT = 120.0  # seconds to wait for the lock of another process that is writing


def key_of(segment: Segment, identity: str) -> bytes:
    """Return the key of a segment's parse by the parser of that identity."""
    digest = _digest_of(identity).copy()
    if segment.words is None:
        digest.update(segment.text.encode())
    else:  # given words are not split again, so their parse differs from that of the text
        digest.update(b"\0" + "\0".join(segment.words).encode() + repr(segment.spans).encode())
    return digest.digest()


@lru_cache(maxsize=16)
def _digest_of(identity: str) -> hashlib.blake2b:
    return hashlib.blake2b(identity.encode() + b"\0", digest_size=16)


class Store(Protocol):
    """A store of parses by key."""

    def find(self, asked: Mapping[bytes, Segment]) -> dict[bytes, Segment]:
        """Return the stored parses of segments, by `key_of`; no entry for the others."""

    def add(self, parsed: Mapping[bytes, Segment]) -> None:
        """Store parsed segments by key."""


class ParseStore:
    """A parse store in a file.

    Parameters
    ----------
    path
        The file; created if it is missing.
    identity
        Identifier of the parser, part of every key.
    labels
        Names of labels of words, as of `headscore.corpus.spacy_doc`: parses are stored with these,
        and those that lack one are not found.

    Raises
    ------
    InputError
        The file cannot be read or written, or is not a parse store.
    """

    def __init__(
        self, path: str | os.PathLike[str], identity: str, labels: tuple[str, ...] = ()
    ) -> None:
        self.path = Path(path)
        self.identity = identity
        self.labels = labels
        if os.access(self.path, os.F_OK):
            files.size_of(self.path)  # SQLite would wait for the writer of a pipe
        self.writable = _is_writable(self.path)
        self._names: list[str] = []
        self._ids: dict[str, int] = {}
        with self._complaining():
            self._file = _connect(self.path, writable=self.writable)
            _check_schema(self._file)

    def __enter__(self) -> ParseStore:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def find(self, asked: Mapping[bytes, Segment]) -> dict[bytes, Segment]:
        """Return the stored parses of segments, by `key_of`; no entry for the others.

        Raises
        ------
        InputError
            The file is damaged.
        """
        parses = self._rows(list(asked))
        if parses:
            self._read_names()
        found = {key: self._unpack(key, parse, asked[key]) for key, parse in parses.items()}
        return self._with_labels(found, parses) if self.labels else found

    def add(self, parsed: Mapping[bytes, Segment]) -> None:
        """Store parsed segments by key, all of them or none.

        Raises
        ------
        InputError
            The file cannot be written to, or the disk is full.
        """
        with self._complaining(), _transaction(self._file):
            self._add_names({name for each in parsed.values() for name in each.relations or ()})
            self._file.executemany(
                "INSERT OR IGNORE INTO parses VALUES (?, ?)",
                (row for each in parsed.items() for row in self._packed(*each)),
            )

    def _rows(self, keys: Collection[bytes]) -> dict[bytes, bytes]:
        """Return the rows of some keys, as far as they are there."""
        asked, found = list(keys), dict[bytes, bytes]()
        with self._complaining():
            for start in range(0, len(asked), _MOST_KEYS):
                some = asked[start : start + _MOST_KEYS]
                marks = ",".join("?" * len(some))
                found.update(
                    self._file.execute(
                        f"SELECT key, parse FROM parses WHERE key IN ({marks})", some
                    )
                )
        if not found.keys() <= set(asked):  # SQLite trusts the pages of a damaged file
            raise self._damaged()
        return found

    def _packed(self, key: bytes, segment: Segment) -> Iterator[tuple[bytes, bytes]]:
        """Yield the rows of a parsed segment: its parse, and its labels by name."""
        parse = _pack(key, segment, self._ids)
        yield key, parse
        yield from pack_labels(key, parse, self.labels, segment.labels or {})

    def _with_labels(
        self, found: Mapping[bytes, Segment], parses: Mapping[bytes, bytes]
    ) -> dict[bytes, Segment]:
        """Return parsed segments with their labels; none of those that lack one."""
        rows = self._rows([each for key in found for each in row_keys(key, self.labels)])
        labelled = {}
        for key, segment in found.items():
            try:
                labels = find_labels(key, parses[key], self.labels, rows)
                if labels is not None:
                    labelled[key] = replace(segment, labels=labels or None)
            except (ValueError, TypeError, AttributeError, RecursionError) as error:
                raise self._damaged() from error
        return labelled

    def _add_names(self, names: set[str]) -> None:
        # Inside the transaction of `add`, which holds the write lock: no other process can add a
        # name between reading them and numbering the new ones.
        self._read_names()
        new = sorted(names - self._ids.keys())
        if len(self._names) + len(new) > _MOST_RELATIONS:
            raise InputError(f"{self.path}: a file of parses holds at most 65536 relation names")
        self._file.executemany(
            "INSERT INTO relations VALUES (?, ?)", enumerate(new, start=len(self._names))
        )
        self._read_names()

    def _read_names(self) -> None:
        """Read the relation names that other processes may have added."""
        # Ids are 0, 1, 2, ... without gaps and never change, so that only newer ones are read.
        with self._complaining():
            rows = self._file.execute(
                "SELECT id, name FROM relations WHERE id >= ? ORDER BY id", [len(self._names)]
            ).fetchall()
        for id_, name in rows:
            if id_ != len(self._names) or not isinstance(name, str):
                raise self._damaged()
            self._names.append(name)
            self._ids[name] = id_

    def _unpack(self, key: bytes, parse: bytes, segment: Segment) -> Segment:
        try:
            return unpack(key, parse, segment, self._names)
        except (ValueError, TypeError) as error:
            raise self._damaged() from error

    def _damaged(self) -> InputError:
        return InputError(f"{self.path}: a damaged file of parses; delete it to have it made again")

    @contextlib.contextmanager
    def _complaining(self) -> Iterator[None]:
        """Raise SQLite's errors as InputError of one sentence."""
        try:
            yield
        except sqlite3.OperationalError as error:
            raise InputError(f"{self.path}: cannot be read or written: {error}") from error
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise InputError(
                f"{self.path}: not a file of parses, or a damaged one: {error}"
            ) from error


def _is_writable(path: Path) -> bool:
    # SQLite creates its journal beside the file, so the folder must be writable too.
    needed = (path, path.parent) if os.access(path, os.F_OK) else (path.parent,)
    return all(os.access(each, os.W_OK) for each in needed)


def _connect(path: Path, *, writable: bool) -> sqlite3.Connection:
    # rwc creates a missing file; isolation_level None leaves transactions to `_transaction`.
    file = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode={'rwc' if writable else 'ro'}",
        uri=True,
        timeout=_WAIT,
        isolation_level=None,
    )
    # A file from elsewhere may have a schema that calls functions; unsafe ones are not run.
    file.execute("PRAGMA trusted_schema = OFF")
    # Sync the folder when a journal is deleted: after a power cut it would undo its transaction.
    file.execute("PRAGMA synchronous = EXTRA")
    if writable and _is_empty(file):
        with _transaction(file):
            if _is_empty(file):  # again, under the lock: another process may have been first
                for statement in _SCHEMA.values():
                    file.execute(statement)
                file.execute(f"PRAGMA application_id = {_APPLICATION}")
    return file


def _is_empty(file: sqlite3.Connection) -> bool:
    return file.execute("SELECT 1 FROM sqlite_master").fetchone() is None


def _check_schema(file: sqlite3.Connection) -> None:
    """Raise DatabaseError for a database with another application id, tables or views."""
    (application,) = file.execute("PRAGMA application_id").fetchone()
    schema = dict(file.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    if application != _APPLICATION or schema != _SCHEMA:
        raise sqlite3.DatabaseError("it has other tables")


@contextlib.contextmanager
def _transaction(file: sqlite3.Connection) -> Iterator[None]:
    # IMMEDIATE waits for the write lock now. A deferred transaction would take it after its first
    # read and could fail there, without waiting, if another process is about to write.
    file.execute("BEGIN IMMEDIATE")
    try:
        yield
        file.execute("COMMIT")
    except BaseException:
        # Also after a COMMIT that failed: an open transaction would keep other processes waiting.
        if file.in_transaction:
            file.execute("ROLLBACK")
        raise


def _pack(key: bytes, segment: Segment, ids: Mapping[str, int]) -> bytes:
    spans, heads, relations = segment.spans or (), segment.heads or (), segment.relations or ()
    numbers = (*(start for start, _ in spans), *(end for _, end in spans), *heads)
    largest = max(numbers, default=0)
    # The smallest signed size that holds the largest number; -1 fits each.
    size = next(size for size in _SIZES if largest < 1 << (8 * size - 1))
    body = struct.pack(f"<B{len(numbers)}{_SIZES[size]}", size, *numbers)
    body += struct.pack(f"<{len(relations)}H", *(ids[name] for name in relations))
    return body + checksum(key, body, relations)
