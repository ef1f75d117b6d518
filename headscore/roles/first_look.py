"""First look: find roles that a corpus does not have before a model is loaded, which takes long."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

from headscore.corpus import read
from headscore.declarations import narrowed
from headscore.errors import InputError
from headscore.options import CorpusOptions, ReadOptions
from headscore.parsing.pipelines import relations_of
from headscore.roles.presence import absence_warnings
from headscore.roles.role import Role
from headscore.roles.survey import Survey, look_for
from headscore.roles.token_labels import asked_label, check_control

# To look for relations and labels: features of the 25,000 words of a treebank's part take half of
# it, and what is met is waited for no longer.
_SECONDS = 0.4
_COLUMNS = 50  # sequences whose columns an error lists


def missing_at_first_look(roles: Iterable[Role], corpus: Any, options: CorpusOptions) -> list[str]:
    """Return a sentence for each named relation or label that a corpus does not have.

    The corpus is read until each was met, for less than half a second: none is missed where it
    takes longer, and the run finds out. It is not looked at where it can be read once only.

    Raises
    ------
    InputError
        A relation was named and no sequence has a parse, none of the roles occurs, or the corpus
        has no column that a control needs.
    """
    roles = tuple(roles)
    columns = _control_columns(roles, options)
    named = [role for role in roles if role.relation is not None and not role.from_set]
    labelled = [role for role in roles if asked_label(role) is not None]
    if not (named or labelled or columns) or not _is_there(corpus):
        return []
    how = narrowed(ReadOptions, options)
    # A sample takes a pass of its own to draw; what all of the corpus lacks, it lacks too.
    whole = read(corpus, replace(how, sample=None))
    found = look_for(whole, [*named, *labelled], columns, seconds=_SECONDS)
    given: tuple[str, ...] | None = ()
    if options.parser is not None and found.parsed < found.sequences:
        # Which labels it will find is not known.
        labelled, columns, given = [], (), relations_of(options.parser)
    if not found.whole or found.blank == found.sequences or given is None:
        return []
    if labelled or columns:
        _add_columns(found, corpus, how)
    if found.parsed:
        check_control(columns, tuple(found.labels))
    presence = found.presence([*named, *labelled], given=given)
    return absence_warnings(roles, presence)


def _control_columns(roles: tuple[Role, ...], options: CorpusOptions) -> tuple[str, ...]:
    """Return the columns that the controls of some roles need; none without word pairs."""
    needed = any(role.relation is not None for role in roles)
    return getattr(options, "control_columns", ()) if needed else ()


def _is_there(corpus: Any) -> bool:
    """Return whether a corpus can be looked at: text in a file, or a list."""
    if isinstance(corpus, str | os.PathLike):
        return Path(corpus).is_file() and Path(corpus).suffix not in (".hse", ".spacy")
    return isinstance(corpus, list | tuple)


def _add_columns(found: Survey, corpus: Any, how: ReadOptions) -> None:
    """Add the columns of the first sequences, so that an error can name those that are there."""
    more = Survey()
    try:
        for sequence in islice(read(corpus, replace(how, labels=("*",))), _COLUMNS):
            more.add(sequence)
    except InputError:
        return
    found.labels = {**more.labels, **found.labels}
