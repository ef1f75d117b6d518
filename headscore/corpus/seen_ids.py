"""The ids of a corpus so far, in memory of a fixed size: the older ones lie on disk."""

from __future__ import annotations

import contextlib
import sqlite3
import weakref
from collections.abc import Iterator

from headscore.errors import InputError

_MOST = 2**13  # ids in memory, about 0.2 kB each
_BITS = 2**25  # of the filter, 4 MiB
_CACHE = 2048  # KiB of the database in memory
# Without a journal: nothing of the file is needed after this process.
_PRAGMAS = ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE}")


class SeenIds:
    """The ids of a corpus so far, with the place of each; a lookup is exact.

    The newest are in a dict. The others are in an SQLite database without a name in the folder for
    temporary files (TMPDIR), which ends with the process, about 40 bytes each. A Bloom filter
    (Bloom, Communications of the ACM 13, 1970) finds most ids that are not on disk.
    """

    def __init__(self) -> None:
        self._newest: dict[str, int] = {}
        self._disk: sqlite3.Connection | None = None
        self._filter = bytearray()

    def get(self, id: str) -> int | None:
        """Return the place of an id, or None for one that is new."""
        place = self._newest.get(id)
        if place is not None or self._disk is None or not self._may_be_on_disk(id):
            return place
        with _complaining():
            found = self._disk.execute(
                "SELECT place FROM seen WHERE id = ?", (_key(id),)
            ).fetchone()
        return None if found is None else int(found[0])

    def add(self, id: str, place: int) -> None:
        """Add a new id.

        Raises
        ------
        InputError
            The disk is full.
        """
        self._newest[id] = place
        if len(self._newest) >= _MOST:
            self._move()

    def _may_be_on_disk(self, id: str) -> bool:
        """Return False for an id that is surely not on disk."""
        # Two bits of the filter for each id on disk. For n of them a new id has both set at the
        # rate (1 - exp(-2 n / _BITS))^2: 0.3 % for a million, 20 % for ten.
        low, high = _bits_of(id)
        bits = self._filter
        return bool(bits[low >> 3] >> (low & 7) & 1 and bits[high >> 3] >> (high & 7) & 1)

    def _move(self) -> None:
        """Move the ids in memory to disk."""
        with _complaining():
            if self._disk is None:
                self._disk = _opened()
                weakref.finalize(self, self._disk.close)
                self._filter = bytearray(_BITS // 8)
            # In order, so that neighbours go to the same page of the database.
            rows = sorted((_key(id), place) for id, place in self._newest.items())
            self._disk.executemany("INSERT INTO seen VALUES (?, ?)", rows)
        for id in self._newest:
            for bit in _bits_of(id):
                self._filter[bit >> 3] |= 1 << (bit & 7)
        self._newest.clear()


def _bits_of(id: str) -> tuple[int, int]:
    # Python's hash of a text has 64 random bits, which its object keeps.
    number = hash(id)
    return number % _BITS, (number >> 32) % _BITS


def _key(id: str) -> bytes:
    # A text may hold lone surrogates, which SQLite does not take.
    return id.encode("utf-8", "surrogatepass")


def _opened() -> sqlite3.Connection:
    """Return an empty database without a name: SQLite deletes its file when it makes it."""
    # A reader may be made in one thread and read in another.
    disk = sqlite3.connect("", isolation_level=None, check_same_thread=False)
    for pragma in _PRAGMAS:
        disk.execute(f"PRAGMA {pragma}")
    disk.execute("CREATE TABLE seen (id BLOB PRIMARY KEY, place INTEGER NOT NULL) WITHOUT ROWID")
    disk.execute("BEGIN")  # one transaction for all: no write is waited for
    return disk


@contextlib.contextmanager
def _complaining() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise InputError(
            f"the ids of the corpus cannot be kept in the folder for temporary files: {error}; "
            "TMPDIR names another"
        ) from error
