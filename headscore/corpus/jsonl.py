"""JSON Lines: one object a line, its texts found by name (https://jsonlines.org)."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from headscore.corpus.invalid import refusal
from headscore.corpus.lines import Place, read_lines
from headscore.corpus.sequence import Sequence
from headscore.corpus.table import find_columns, kind, read_row
from headscore.errors import InputError
from headscore.options import ReadOptions


def read_jsonl(
    path: Place,
    options: ReadOptions = ReadOptions(),
    counts: Counter[str] | None = None,
    log: Callable[[str], None] | None = None,
) -> Iterator[Sequence]:
    """Read a file with one JSON object a line; the id is the number of the line.

    A value is a text, or a list of words. Blank lines are left out.

    Parameters
    ----------
    path
        The file.
    options
        ``columns``: the names of the one or two values that are read, None: those of GLUE, by the
        first object; ``skip_invalid``: skip a line that breaks a rule.
    counts
        Its ``"invalid_skipped"`` counts the lines skipped.
    log
        Called with one sentence for each line skipped.

    Raises
    ------
    UsageError
        `columns` names a value that the first object does not have.
    InputError
        The file cannot be read, or a line is invalid.
    """
    refuse = refusal(options.skip_invalid, counts, log)
    chosen: tuple[str, ...] | None = None
    for number, line in read_lines(path):
        if not line or line.isspace():
            continue
        place = f"{path}:{number}"
        try:
            row = _object(line, place)
        except InputError as error:
            refuse(error)
            continue
        if chosen is None:
            chosen = find_columns(list(row), options.columns, place)
        try:
            yield Sequence(str(number), read_row(row, chosen, place))
        except InputError as error:
            refuse(error)


def _object(line: str, place: str) -> dict[str, Any]:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: a line must be a JSON object, got {error}") from None
    if not isinstance(row, dict):
        raise InputError(f"{place}: a line must be a JSON object, got {kind(row)}")
    return row
