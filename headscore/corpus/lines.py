"""The lines of a UTF-8 file, numbered from 1."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator
from pathlib import Path

from headscore.errors import InputError

Place = str | os.PathLike[str]


def read_lines(path: Place) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each line, but for the blank lines at the end.

    Only the line's own ending, LF or CRLF, is taken off.

    Raises
    ------
    InputError
        Where the file cannot be read or is not UTF-8.
    """
    # Blank lines are held back until a line with text follows: at the end of the file they are
    # lost.
    blank: list[tuple[int, str]] = []
    for number, raw in enumerate(_raw_lines(path), start=1):
        line = _decode(raw, path, number)
        if line and not line.isspace():
            yield from blank
            blank.clear()
            yield number, line
        else:
            blank.append((number, line))


def read_blocks(path: Place) -> Iterator[tuple[int, str]]:
    """Yield each run of lines between empty lines: the number of its first line, and its text.

    The lines of a block are joined by LF; none is empty.

    Raises
    ------
    InputError
        Where the file cannot be read or is not UTF-8.
    """
    block: list[bytes] = []
    number = 0
    for number, raw in enumerate(_raw_lines(path), start=1):
        if raw != b"\n" and raw != b"\r\n":
            block.append(raw)
        elif block:
            # `number` is the empty line after the block, so the block began len(block) lines before
            # it.
            yield _joined(block, path, number - len(block))
            block = []
    if block:
        yield _joined(block, path, number + 1 - len(block))


def _joined(block: list[bytes], path: Place, first: int) -> tuple[int, str]:
    return first, _decode(b"".join(block), path, first).replace("\r\n", "\n")


def _raw_lines(path: Place) -> Iterator[bytes]:
    """Yield the lines with their endings, without the byte order mark."""
    try:
        with Path(path).open("rb") as file:
            # UTF-16 marks have two bytes, that of UTF-8 (EF BB BF) three; without one, read from
            # the start.
            start = file.read(3)
            if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                raise InputError(f"{path}:1: the text must be UTF-8, got UTF-16")
            if start != codecs.BOM_UTF8:
                file.seek(0)
            yield from file
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
