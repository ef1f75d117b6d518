"""Read the studies of a replication: scores or a report of each, and its name."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePath
from typing import Any, TypeAlias, TypeVar

from headscore import files
from headscore.errors import UsageError
from headscore.report.role_table import RoleTable
from headscore.scores import head_scores
from headscore.scores.head_scores import HeadScores

Source: TypeAlias = RoleTable | HeadScores
Made = TypeVar("Made", RoleTable, HeadScores, Source)
_LAYOUTS = {**head_scores.LAYOUTS, **RoleTable.layouts()}


def read_study(study: Any) -> Source:
    """Return scores or a report, read if it is the path of a file.

    Raises
    ------
    UsageError
        The study is something else.
    InputError
        The file is damaged, or of another kind.
    """
    found = study
    if isinstance(study, str | os.PathLike):
        found = files.read_as(study, _LAYOUTS, _from_stored)
    if not isinstance(found, HeadScores | RoleTable):
        raise UsageError(
            f"studies must be HeadScores, reports or files of either, got {type(found).__name__}"
        )
    return found


def read_studies(studies: Any, make: Callable[[Source], Made]) -> dict[str, Made]:
    """Return what `make` makes of the scores or the report of each study, by name.

    One study at a time is read, so that scores need not all fit into memory.

    Parameters
    ----------
    studies
        A mapping from names, or a list, of `HeadScores`, reports and files of either. Those of a
        list are named by their files, else by their models, else by their numbers from 1: the first
        of these that differ.
    make
        What is kept of each.

    Raises
    ------
    UsageError
        There are fewer than two studies, one is something else, or a name is no text.
    """
    names, listed = _listed(studies)
    if len(listed) < 2:
        raise UsageError(f"studies must be at least 2, got {len(listed)}")
    made = [make(read_study(each)) for each in listed]
    return dict(zip(names or _names(listed, made), made, strict=True))


def read_scores(studies: Any) -> dict[str, HeadScores]:
    """Return the scores of each study, by name; raises UsageError for a report."""

    def scores(source: Source) -> HeadScores:
        if not isinstance(source, HeadScores):
            raise UsageError("studies must be HeadScores or files of them, got a report")
        return source

    return read_studies(studies, scores)


def _from_stored(stored: files.Stored) -> Source:
    kind = HeadScores if stored.kind == head_scores.KIND else RoleTable
    return kind.from_stored(stored)


def _listed(studies: Any) -> tuple[list[str], list[Any]]:
    """Return the names of studies, none for a list, and the studies."""
    if isinstance(studies, str | os.PathLike | HeadScores | RoleTable):
        return [], [studies]
    if isinstance(studies, Mapping):
        for name in studies:
            if not isinstance(name, str) or not name:
                raise UsageError(f"names of studies must be texts that are not empty, got {name!r}")
        return list(studies), list(studies.values())
    if not isinstance(studies, Iterable):
        raise UsageError(
            "studies must be a list or a mapping of scores or reports, got "
            f"{type(studies).__name__}"
        )
    return [], list(studies)


def _names(listed: list[Any], made: list[Made]) -> list[str]:
    """Return a name for each study of a list: of the file, of the model, or the number."""
    of_files = [Path(each).stem if isinstance(each, str | os.PathLike) else "" for each in listed]
    of_models = [PurePath(each.facts.get("model", "")).name for each in made]
    for names in (of_files, of_models):
        if all(names) and len(set(names)) == len(names):
            return names
    return [str(number + 1) for number in range(len(listed))]
