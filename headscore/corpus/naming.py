"""The name of a corpus, which tells tables of several apart where a hash would say nothing."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headscore.corpus.hub_dataset import DataSet

CORPUS_NAME = "corpus_name"  # the fact


def name_of(corpus: Any) -> dict[str, str]:
    """Return the fact that names a corpus: a file, or a data set; none for anything else."""
    if isinstance(corpus, str | os.PathLike):
        return {CORPUS_NAME: Path(corpus).name}
    if isinstance(corpus, DataSet):
        parts = (corpus.name, corpus.config, corpus.split)
        return {CORPUS_NAME: " ".join(part for part in parts if part)}
    return {}


def named(facts: Mapping[str, str], name: Mapping[str, str]) -> dict[str, str]:
    """Return facts with the name of the corpus, if it has one, right behind its hash."""
    found: dict[str, str] = {}
    for key, value in facts.items():
        if key not in name:
            found[key] = value
        if key == "corpus":
            found |= name
    return found
