"""What was found as a few lines of HTML, for notebooks."""

from __future__ import annotations

from typing import Any, Protocol

from headscore.scores.notebook import view
from headscore.scores.signature import printable_once


class Sentences(Protocol):
    """A module of sentences on results of one kind."""

    def summary(self, found: Any, /) -> str:
        """Return a result as a few lines of text."""

    def answer(self, found: Any, /) -> str:
        """Return a result in one sentence or two."""

    def of_role(self, found: Any, role: str, /) -> str:
        """Return what was found of a role."""


def snippet(found: Any, sentences: Sentences) -> str:
    """Return the answer and a row per role as HTML."""
    rows = [
        (printable_once(role), printable_once(sentences.of_role(found, role)))
        for role in found.roles
    ]
    return view(printable_once(sentences.answer(found)), rows, found.signature)
