"""Rows with named columns: from one row to the segments of a sequence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headscore.corpus.sequence import Segment
from headscore.errors import InputError


def read_row(row: Mapping[Any, Any], columns: tuple[str, ...], place: str) -> tuple[Segment, ...]:
    """Make a segment of each column: of a text, or of a list of words.

    Parameters
    ----------
    row
        Column name -> value.
    columns
        The names of the one or two columns that hold the texts.
    place
        Where the row stands, for the error message.

    Raises
    ------
    InputError
        A column is missing, or holds something else.
    """
    return tuple(_segment(row, column, place) for column in columns)


def kind(value: object) -> str:
    """Name the type, and for a tuple or a list also what is in it."""
    name = type(value).__name__
    if isinstance(value, list | tuple):
        parts = ", ".join(sorted({type(part).__name__ for part in value}))
        return f"{name} of {parts or 'nothing'}"
    return name


def _segment(row: Mapping[Any, Any], column: str, place: str) -> Segment:
    if column not in row:
        raise InputError(f"{place} must have a column {column!r}, got none")
    value = row[column]
    try:
        if isinstance(value, str):
            return Segment(value)
        if isinstance(value, list) and all(isinstance(word, str) for word in value):
            return Segment.from_words(value)
    except InputError as error:
        raise InputError(f"{place}: {error}") from None
    raise InputError(f"{place} must hold texts (str), got {kind(value)} in column {column!r}")
