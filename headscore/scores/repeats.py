"""Count the sequences that repeat an earlier one, in memory of a fixed size."""

from __future__ import annotations

import os
import tempfile
import weakref
from typing import IO

import numpy as np
import numpy.typing as npt

from headscore.arrays import Ints
from headscore.errors import InputError
from headscore.log import log

REPEATS = "duplicate_sequences"
_RUN = 2**17  # hashes of a run, 1 MiB
# Hashes are counted in 256 ranges, by their first byte; these are the smallest of each.
_SMALLEST = np.arange(256, dtype=np.uint64) << np.uint64(56)


def repeats(tokens: npt.NDArray[np.uint64] | None) -> dict[str, int]:
    """Return the number of sequences that repeat an earlier one, if any; nothing for None."""
    repeated = 0 if tokens is None else len(tokens) - len(np.unique(tokens))
    return {REPEATS: repeated} if repeated else {}


class Repeats:
    """The token hashes of a corpus so far.

    More than 131072 go to a file without a name in the folder for temporary files (TMPDIR), 8 bytes
    a sequence, in sorted runs. To count, one range of hashes is read at a time, from all runs:

        run 0    0012 0344 | 1f00 1f02 | ...
        run 1    0344 0899 | 1011      | ...
                 range 0     range 1          344 is there twice

    Equal hashes are taken as equal sequences: among a million different ones the chance of any
    collision of 64-bit hashes is about 3e-8, among 100 million 3e-4.
    """

    def __init__(self) -> None:
        self.n = 0
        self._newest = np.empty(_RUN, np.uint64)
        self._used = 0
        self._file: IO[bytes] | None = None
        self._starts: list[Ints] = []  # of each range in the file, for each run

    def add(self, tokens: npt.NDArray[np.uint64]) -> None:
        """Add the hashes of sequences.

        Raises
        ------
        InputError
            The disk is full.
        """
        self.n += len(tokens)
        while len(tokens):
            if self._used == _RUN:
                self._write_run()
            taken = tokens[: _RUN - self._used]
            self._newest[self._used : self._used + len(taken)] = taken
            self._used += len(taken)
            tokens = tokens[len(taken) :]

    def counts(self) -> dict[str, int]:
        """Return the number of sequences that repeat an earlier one, if any, and log a warning."""
        repeated = self.n - self._n_different()
        if not repeated:
            return {}
        log.warning("%d of %d sequences repeat an earlier one", repeated, self.n)
        return {REPEATS: repeated}

    def _n_different(self) -> int:
        if self._file is None:
            return len(np.unique(self._newest[: self._used]))
        self._write_run()
        # (run, range + 1): starts[r, i] .. starts[r, i + 1] is range i of run r.
        starts = np.stack(self._starts)
        return sum(self._n_different_in(starts[:, i : i + 2]) for i in range(len(_SMALLEST)))

    def _n_different_in(self, bounds: Ints) -> int:
        """Return the number of different hashes in stretches of the file, (run, 2)."""
        assert self._file is not None
        found = []
        try:
            for start, stop in bounds.tolist():
                self._file.seek(8 * start)
                found.append(self._file.read(8 * (stop - start)))
        except OSError as error:
            raise not_kept("token hashes", error) from error
        return len(np.unique(np.frombuffer(b"".join(found), np.uint64)))

    def _write_run(self) -> None:
        run = self._newest[: self._used]
        run.sort()
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as `self`
                weakref.finalize(self, self._file.close)
            first = self._file.seek(0, os.SEEK_END) // 8
            self._file.write(run.data)
            self._file.flush()
        except OSError as error:
            raise not_kept("token hashes", error) from error
        self._starts.append(first + np.append(np.searchsorted(run, _SMALLEST), len(run)))
        self._used = 0


def not_kept(name: str, error: OSError) -> InputError:
    """Return the error of numbers for which the folder for temporary files has no room."""
    # None: the search for a folder that can be written to has failed; `error` names them all.
    folder = "" if tempfile.tempdir is None else f", {tempfile.tempdir}"
    return InputError(
        f"{name} cannot be kept in the folder for temporary files{folder}: "
        f"{error.strerror or error}; TMPDIR names another"
    )
