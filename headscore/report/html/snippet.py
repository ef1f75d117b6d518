"""What was found as a few lines of HTML, for notebooks."""

from __future__ import annotations

from typing import Any, Protocol

from markupsafe import Markup, escape

from headscore.scores.head_scores import printable


class Sentences(Protocol):
    """A module of sentences on results of one kind."""

    def summary(self, found: Any, /) -> str:
        """Return a result as a few lines of text."""

    def answer(self, found: Any, /) -> str:
        """Return a result in one sentence or two."""

    def of_role(self, found: Any, role: str, /) -> str:
        """Return what was found of a role."""


def snippet(found: Any, sentences: Sentences) -> str:
    """Return the answer and a row per role as HTML; no style, no script, everything escaped.

    It becomes part of a notebook's own page, where a Content-Security-Policy has no effect.
    """
    row = Markup("<tr><th scope='row'>{}</th><td>{}</td></tr>")
    rows = [
        row.format(printable(role), printable(sentences.of_role(found, role)))
        for role in found.roles
    ]
    page = Markup("<div><p><strong>{}</strong></p><table>{}</table><p><small>{}</small></p></div>")
    return str(
        page.format(
            printable(sentences.answer(found)), Markup("").join(rows), escape(found.signature)
        )
    )
