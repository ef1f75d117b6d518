"""The lines of a UTF-8 file, numbered from 1."""

from __future__ import annotations

import codecs
import io
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from headscore.errors import InputError

Place = str | os.PathLike[str]

_PIECE = 1 << 16  # bytes read at once
_LONGEST = 1 << 28  # bytes of a line, or of the lines of a sentence
_EMPTY_LINE = re.compile(rb"\r?\n")
_BLOCK_END = re.compile(rb"\n\r?\n")  # the end of a line, and an empty line


def read_lines(path: Place) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each line, but for the blank lines at the end.

    Only the line's own ending, LF or CRLF, is taken off.

    Raises
    ------
    InputError
        Where the file cannot be read or is not UTF-8, or a line has more than 64 MiB.
    """
    # Blank lines are held back until a line with text follows: at the end of the file they are
    # lost.
    blank: list[tuple[int, str]] = []
    number = 0
    for piece in _pieces(path, _behind_line):
        for line in _lines_of(piece, path, number + 1):
            number += 1
            if line and not line.isspace():
                yield from blank
                blank.clear()
                yield number, line
            else:
                blank.append((number, line))


def _lines_of(piece: bytes, path: Place, first: int) -> Iterator[str]:
    try:
        lines = decode_lines(piece, path, first).split("\n")
    except InputError:
        # The lines before the invalid one are yielded.
        for number, line in enumerate(io.BytesIO(piece), start=first):
            yield _decode(line, path, number)
    else:
        yield from lines


def read_pieces(path: Place) -> Iterator[bytes]:
    """Yield the file in pieces that end with an empty line, the last with the file.

    Raises
    ------
    InputError
        Where the file cannot be read or is UTF-16, or such a piece has more than 64 MiB.
    """
    return _pieces(path, _behind_empty_line)


def _pieces(path: Place, behind: Callable[[bytes], int]) -> Iterator[bytes]:
    """Yield the file in pieces, each up to the place that `behind` returns, 0 for none."""
    rest, line = b"", 1
    with _opened(path) as file:
        # A line longer than a piece: read as much again, so that all is copied twice at most.
        while new := file.read(max(_PIECE, len(rest))):
            rest += new
            if stop := behind(rest):
                yield rest[:stop]
                line += rest.count(b"\n", 0, stop)
                rest = rest[stop:]
            if len(rest) >= _LONGEST:
                raise InputError(
                    f"{path}:{line}: a line, or a sentence of lines, must have less than "
                    f"{_LONGEST} bytes, got more"
                )
    if rest:
        yield rest


def _behind_line(piece: bytes) -> int:
    return piece.rfind(b"\n") + 1


def _behind_empty_line(piece: bytes) -> int:
    for empty in (b"\n\n", b"\n\r\n"):
        found = piece.rfind(empty)
        if found >= 0:
            return found + len(empty)
    return 0


def skip_empty_lines(piece: bytes, start: int, line: int) -> tuple[int, int]:
    """Return the place behind the empty lines from `start` on, and the number of its line."""
    while (ending := _EMPTY_LINE.match(piece, start)) is not None:
        start, line = ending.end(), line + 1
    return start, line


def block_at(piece: bytes, start: int) -> bytes:
    """Return the lines from `start` up to the next empty one."""
    found = _BLOCK_END.search(piece, start)
    return piece[start : found.start() + 1 if found else None]


def decode_lines(raw: bytes, path: Place, first: int) -> str:
    """Decode lines, the first with number `first`; raises InputError for other than UTF-8.

    They are joined by LF, without an ending of the last.
    """
    return _decode(raw, path, first).replace("\r\n", "\n")


@contextmanager
def _opened(path: Place) -> Iterator[BinaryIO]:
    """Open a file behind its byte order mark; raises InputError also while it is read."""
    try:
        with Path(path).open("rb") as file:
            # UTF-16 marks have two bytes, that of UTF-8 (EF BB BF) three; without one, read from
            # the start.
            start = file.read(3)
            if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise InputError(f"{path}:1: the text must be UTF-8, got UTF-16")
            if start != codecs.BOM_UTF8:
                file.seek(0)
            yield file
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}") from None


def _decode(raw: bytes, path: Place, first: int) -> str:
    """Decode one line or more, the last without its ending; `first` is the number of the first."""
    # NUL is valid UTF-8, but in a text it means UTF-16 without a mark.
    nul = raw.find(0)
    if nul >= 0:
        line = first + raw.count(b"\n", 0, nul)
        raise InputError(f"{path}:{line}: the text must be UTF-8, got a NUL byte as in UTF-16")
    try:
        text = raw.decode()
    except UnicodeDecodeError as error:
        # Line of the bad byte within a block of several lines.
        line = first + raw.count(b"\n", 0, error.start)
        byte = raw[error.start]
        raise InputError(f"{path}:{line}: the text must be UTF-8, got byte 0x{byte:02x}") from None
    if text.endswith("\n"):
        return text[: -2 if text.endswith("\r\n") else -1]
    return text
