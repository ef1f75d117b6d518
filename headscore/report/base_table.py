"""BaseTable: what the tables of all results share, their signature and their file."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar, TypeVar

from headscore import files
from headscore.errors import InputError
from headscore.report.stored_facts import Rule, check_facts
from headscore.scores.signature import signature

Table = TypeVar("Table", bound="BaseTable")


class BaseTable(ABC):
    """A result with a signature and a file."""

    # What queries and pages read: a file must have it, a table made by hand need not.
    FACTS: ClassVar[Mapping[str, Rule]]
    COUNTS: ClassVar[tuple[str, ...]]

    facts: Mapping[str, str]

    @property
    def signature(self) -> str:
        """All facts in one line."""
        return signature(self.facts)

    @classmethod
    @abstractmethod
    def layouts(cls) -> dict[tuple[str, int], files.Layout]:
        """Return the layouts of a file of such a result, by kind and format version."""

    @abstractmethod
    def stored(self) -> files.Stored:
        """Return the content of a file of this result."""

    @classmethod
    @abstractmethod
    def from_stored(cls: type[Table], stored: files.Stored) -> Table:
        """Return the result of a file; raise InputError if its parts do not fit together."""

    @classmethod
    def _check_file(
        cls, roles: Sequence[str], facts: Mapping[str, str], counts: Mapping[str, int]
    ) -> None:
        """Raise InputError where the header of a file lacks what this kind of result has."""
        if not roles or len(set(roles)) < len(roles):
            raise InputError(f"roles must be at least one, each once, got {list(roles)!r:.60}")
        check_facts(facts, cls.FACTS, counts, cls.COUNTS)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the result to one file atomically; raise InputError if that fails."""
        files.write(path, self.stored())

    @classmethod
    def load(cls: type[Table], path: str | os.PathLike[str]) -> Table:
        """Read a file of `save`; raise InputError if it is damaged or of another kind."""
        return files.read_as(path, cls.layouts(), cls.from_stored)
