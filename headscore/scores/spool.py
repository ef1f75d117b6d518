"""Spool: the sequences of a corpus, to be read again in any order."""

from __future__ import annotations

import pickle
import tempfile
import weakref
from collections.abc import Iterable, Iterator

from headscore.arrays import Ints
from headscore.corpus.sequence import Sequence
from headscore.scores.repeats import not_kept

_IN_MEMORY = 2**26  # bytes of sequences that stay in memory


class Spool:
    """The sequences of a corpus that is read once, from its beginning.

    Up to 64 MiB stay in memory, more go to a file without a name in the folder for temporary files
    (TMPDIR), which the system deletes with its last use.

    Parameters
    ----------
    sequences
        The corpus.

    Attributes
    ----------
    sequence_ids, documents
        Of each sequence; a document is None where it is unknown.

    Raises
    ------
    InputError
        The disk is full.
    """

    def __init__(self, sequences: Iterable[Sequence]) -> None:
        ids: list[str] = []
        documents: list[str | None] = []
        self._starts: list[int] = []
        self._file = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - lives as long as `self`
        weakref.finalize(self, self._file.close)
        try:
            for each in sequences:
                ids.append(each.id)
                documents.append(each.document)
                self._starts.append(self._file.tell())
                pickle.dump(each, self._file, protocol=5)
        except OSError as error:
            raise not_kept("the sequences of the corpus", error) from error
        self.sequence_ids = tuple(ids)
        self.documents = tuple(documents) if any(documents) else None

    def take(self, positions: Ints) -> Iterator[Sequence]:
        """Yield the sequences at some positions of the corpus, in this order."""
        for position in positions.tolist():
            try:
                self._file.seek(self._starts[position])
                # Only what this object wrote, in a file that no one else can open.
                each = pickle.load(self._file)
            except OSError as error:
                raise not_kept("the sequences of the corpus", error) from error
            yield each
