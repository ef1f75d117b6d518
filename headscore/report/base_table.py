"""BaseTable: what the tables of all results share, their signature and their file."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TypeVar

from headscore import files
from headscore.scores.head_scores import signature

Table = TypeVar("Table", bound="BaseTable")


class BaseTable(ABC):
    """A result with a signature and a file."""

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

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the result to one file atomically; raise InputError if that fails."""
        files.write(path, self.stored())

    @classmethod
    def load(cls: type[Table], path: str | os.PathLike[str]) -> Table:
        """Read a file of `save`; raise InputError if it is damaged or of another kind."""
        return files.read_as(path, cls.layouts(), cls.from_stored)
