"""Which columns of a table hold the texts."""

from __future__ import annotations

import difflib
from collections.abc import Collection

from headscore.errors import InputError, UsageError

# A layout whose names are a part of another's comes after it.
LAYOUTS = {
    "QNLI": ("question", "sentence"),
    "QQP": ("question1", "question2"),
    "MRPC": ("#1 String", "#2 String"),
    "RTE and WNLI": ("sentence1", "sentence2"),
    "SST-2": ("sentence",),
}


def check_columns(columns: object) -> tuple[str, ...] | None:
    """Return `columns` as a tuple.

    Raises
    ------
    UsageError
        Where it is not None, one name or two names.
    """
    if columns is None:
        return None
    if isinstance(columns, list | tuple) and len(columns) in (1, 2):
        names = tuple(columns)
        if all(isinstance(name, str) for name in names):
            return names
    raise UsageError(f"columns must be a tuple of one or two column names, got {columns!r}")


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
        Where the names stand, for the error message.

    Raises
    ------
    UsageError
        A chosen column is not there.
    InputError
        No layout fits, or a column's name stands there twice.
    """
    chosen = _known_layout(names, place) if columns is None else columns
    for column in chosen:
        if column not in names:
            raise UsageError(f"{place}: {_unknown(column, names)}")
        if sum(name == column for name in names) > 1:
            raise InputError(f"{place}: each column must have its own name, got {column!r} twice")
    return chosen


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
