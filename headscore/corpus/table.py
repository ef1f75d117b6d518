"""Find the columns with the texts of a table, and convert its rows to segments."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any

from headscore.corpus.sequence import Segment
from headscore.errors import InputError, UsageError

# Column names of the GLUE tasks. The first layout whose names are all present is taken, so one
# whose names are part of another's (SST-2 of QNLI) comes after it.
LAYOUTS = {
    "QNLI": ("question", "sentence"),
    "QQP": ("question1", "question2"),
    "MRPC": ("#1 String", "#2 String"),
    "RTE and WNLI": ("sentence1", "sentence2"),
    "SST-2": ("sentence",),
}


def find_columns(
    names: Collection[str], columns: tuple[str, ...] | None, place: str
) -> tuple[str, ...]:
    """Return the names of the one or two columns that hold the texts.

    Parameters
    ----------
    names
        The table's column names.
    columns
        The user's choice; None looks for a layout of GLUE.
    place
        File and line of the names, for the error message.

    Raises
    ------
    UsageError
        A chosen column is not there.
    InputError
        No layout fits, or a column name occurs twice.
    """
    chosen = _known_layout(names, place) if columns is None else columns
    for column in chosen:
        if column not in names:
            raise UsageError(f"{place}: {_unknown(column, names)}")
        if sum(name == column for name in names) > 1:
            raise InputError(f"{place}: each column must have its own name, got {column!r} twice")
    return chosen


def read_row(row: Mapping[Any, Any], columns: tuple[str, ...], place: str) -> tuple[Segment, ...]:
    """Return a segment for each column, from a text or a list of words.

    Parameters
    ----------
    row
        Column name -> value.
    columns
        The names of the one or two columns that hold the texts.
    place
        File and line of the row, for the error message.

    Raises
    ------
    InputError
        A column is missing, or holds something else.
    """
    return tuple(_segment(row, column, place) for column in columns)


def kind(value: object) -> str:
    """Return the name of a value's type, for a tuple or a list with the types of its items."""
    name = type(value).__name__
    if isinstance(value, list | tuple):
        parts = ", ".join(sorted({type(part).__name__ for part in value}))
        return f"{name} of {parts or 'nothing'}"
    return name


def _known_layout(names: Collection[str], place: str) -> tuple[str, ...]:
    for layout in LAYOUTS.values():
        if all(column in names for column in layout):
            return layout
    known = ", ".join(f"{name} ({', '.join(layout)})" for name, layout in LAYOUTS.items())
    raise InputError(
        f"{place}: the columns must be those of {known}, or be named with columns=(...), "
        f"got {_listed(names)}"
    )


def _unknown(column: str, names: Collection[str]) -> str:
    near = difflib.get_close_matches(column, names, n=1)
    hint = f", did you mean {near[0]!r}?" if near else ""
    return f"columns must name some of {_listed(names)}, got {column!r}{hint}"


def _listed(names: Collection[str]) -> str:
    listed = ", ".join(names)
    return listed if len(listed) <= 300 else f"{listed[:300]}..."


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
