"""Print errors and JSON, write output files, and detect the style of the terminal."""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from headscore.declarations import declared
from headscore.errors import InputError, UsageError, escaped, near_file
from headscore.options import ReadOptions, RunOptions

if TYPE_CHECKING:
    from headscore.report.terminal.style import Style

# Options that sentences show as arguments in Python: columns=(...), pairs='consecutive'.
_NAMES = "|".join(each.name for group in (ReadOptions, RunOptions) for each, _ in declared(group))
_ARGUMENT = re.compile(rf"\b({_NAMES})=(?:\(\.\.\.\)|'([^']*)')")


def as_typed(sentence: str) -> str:
    """Return a sentence with options as they are typed on the command line."""
    return _ARGUMENT.sub(
        lambda found: " ".join(filter(None, [f"--{found[1].replace('_', '-')}", found[2]])),
        sentence,
    )


def complain(sentence: str, who: str = "headscore") -> None:
    """Print one sentence to standard error, with unprintable characters escaped."""
    print(f"{who}: {escaped(sentence)}", file=sys.stderr)


def check_ending(out: str, endings: tuple[str, ...]) -> None:
    """Raise UsageError for an output file of another ending."""
    if Path(out).suffix not in endings:  # a corpus or a model given by mistake stays as it is
        raise UsageError(f"--out must end in {' or '.join(endings)}, got {out}")


def check_writable(outs: list[str], endings: tuple[str, ...]) -> None:
    """Raise UsageError as `check_ending`, InputError for files that could not be written."""
    for out in outs:
        check_ending(out, endings)
        folder = Path(out).parent
        if not folder.is_dir() or not os.access(folder, os.W_OK) or Path(out).is_dir():
            raise InputError(f"--out must be a file in a folder that can be written to, got {out}")


def check_there(paths: list[str]) -> None:
    """Raise InputError for saved files that are not there."""
    for path in paths:
        if not Path(path).exists():
            near = near_file(Path(path))
            meant = f", did you mean {near}?" if near else ""
            raise InputError(f"{path}: there is no such file{meant}")


def save(outs: list[str], writers: Mapping[str, Callable[[str], None] | None]) -> None:
    """Write each file with the writer of its ending, if there is one."""
    for out in outs:
        writer = writers.get(Path(out).suffix)
        if writer is not None:
            writer(out)


def named(outs: list[str]) -> str | None:
    """Return the names of the files written, with commas; None if there are none."""
    return ", ".join(outs) or None


def present(
    found: Any,
    arguments: argparse.Namespace,
    as_json: Callable[[Any], dict[str, Any]],
    render: Callable[..., str],
) -> None:
    """Save what was found; print it as text, as JSON, or not at all.

    Parameters
    ----------
    found
        With the methods `save`, `to_html` and `to_csv`.
    arguments
        Of the command.
    as_json
        Returns what JSON shows of it.
    render
        Returns it as text: called with it, the style of the terminal and ``saved``.
    """
    writers = {".hs": found.save, ".html": found.to_html, ".csv": found.to_csv}
    save(arguments.out, writers)
    saved = named(arguments.out)
    if arguments.json:
        print_json({"saved": saved, **as_json(found)})
    elif not arguments.quiet:
        print(render(found, style(), saved=saved), end="")


def quiet_transformers() -> None:
    """Turn off the messages and progress bars of transformers."""
    from transformers.utils import logging as transformers_logging

    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()


def width() -> int:
    """Return the columns of the terminal on standard output, 100 where there is none."""
    return shutil.get_terminal_size((100, 40)).columns


def style() -> Style:
    """Return the style of the terminal on standard output: width, signs, colours."""
    from headscore.report.terminal.style import Style

    tty = sys.stdout.isatty()
    # "UTF-8", "utf8" and "utf_8" are spellings of the same encoding.
    encoding = (sys.stdout.encoding or "ascii").lower().replace("-", "")
    return Style(
        width=width(),
        unicode=encoding.startswith("utf"),
        # https://no-color.org: any value that is not empty switches colours off.
        color=tty and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb",
    )


def records(table: Any) -> list[dict[str, Any]]:
    """Return the rows of a pandas table as JSON objects; NaN and infinity become null."""
    columns = {str(name): _plain(table[name]) for name in table}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _plain(column: Any) -> list[Any]:
    # json writes a float with as many digits as tell it from every other one: p-values of 1e-40
    # keep them all.
    values = column.astype(object).where(column.notna(), None).tolist()
    return [None if isinstance(each, float) and math.isinf(each) else each for each in values]


def print_json(answer: dict[str, Any]) -> None:
    """Print one JSON object."""
    print(json.dumps(answer, indent=1, allow_nan=False))
