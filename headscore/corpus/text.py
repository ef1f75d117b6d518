"""Plain text: one sequence a line."""

from __future__ import annotations

from collections.abc import Iterator

from headscore.corpus._segments import text_sequence
from headscore.corpus.lines import Place, read_lines
from headscore.corpus.sequence import Sequence


def read_text(path: Place, *_: object) -> Iterator[Sequence]:
    """Read a text file, one sequence a line; its id is the number of the line.

    A blank line is a sequence too, except at the end of the file.

    Raises
    ------
    InputError
        Where the file cannot be read or is not UTF-8.
    """
    for number, line in read_lines(path):
        yield text_sequence(str(number), line)
