"""Checks of options, names and files before a run; none of them loads torch."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from headscore.declarations import declared, narrowed
from headscore.errors import UsageError
from headscore.options import CorpusOptions, ReadOptions, TestOptions, UntilOptions


def check_score(options: UntilOptions) -> None:
    """Check the options of a test in `score`, which needs them only with `until`."""
    if options.until is not None:
        check_analysis(options)
        return
    for each, _ in declared(TestOptions):
        value = getattr(options, each.name)
        # Ids of clusters may be an array, which compares element by element.
        if not isinstance(value, str | int | float) or value != each.default:
            raise UsageError(f"{each.name} must be left out without until, got {value!r:.60}")


def check_analysis(options: UntilOptions) -> None:
    """Check the options of a test before there are scores; raises UsageError."""
    import numpy as np

    from headscore.roles.specs import parse_roles
    from headscore.statistics.criterion import criterion_of

    roles = [role.name for role in parse_roles(options.roles)]
    if options.until is not None:
        from headscore.statistics.stopping import check_until

        check_until(options)
    if options.keep_scores == "none":
        from headscore.statistics.online import online_criterion

        online_criterion(options, roles)
    # There are no scores yet: attainable scores of 1 stand in, so that the options are checked.
    criterion_of(options, roles, np.ones((1, len(roles), 1)))


def check_inputs(model: Any, corpus: Any, options: CorpusOptions, roles: Any = ()) -> list[str]:
    """Check names of models, files, pipelines and roles before torch is loaded.

    Returns
    -------
    list of str
        A sentence for each role that the corpus does not have, as far as a quick look can tell.

    Raises
    ------
    UsageError, InputError
        As `score`, but within half a second.
    """
    from headscore.corpus import read
    from headscore.model.names import check_name
    from headscore.parsing.pipelines import check_parser
    from headscore.roles.first_look import missing_at_first_look
    from headscore.roles.specs import parse_roles

    if isinstance(model, str | os.PathLike):
        check_name(os.fspath(model))
    tokenizer = getattr(options, "tokenizer", None)
    if isinstance(tokenizer, str | os.PathLike):
        check_name(os.fspath(tokenizer), "tokenizer")
    if isinstance(corpus, str | os.PathLike) and not _is_encoded(Path(corpus)):
        # A sample would be drawn now, which reads the whole corpus.
        sequences = read(corpus, replace(narrowed(ReadOptions, options), limit=None, sample=None))
        # What is no regular file can be read once only, and a DocBin needs spaCy.
        if Path(corpus).is_file() and Path(corpus).suffix != ".spacy":
            next(sequences)
    check_parser(options.parser)
    if not roles or isinstance(roles, Iterator):  # which could be read once only
        return []
    return missing_at_first_look(parse_roles(roles), corpus, options)


def _is_encoded(path: Path) -> bool:
    return path.suffix == ".hse" and path.is_file()
