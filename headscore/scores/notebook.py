"""What a notebook shows of a result: a few lines of HTML, no style, no script."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape


def view(answer: str, rows: Iterable[tuple[str, str]], note: str) -> str:
    """Return an answer, a row with a name and a text each, and a note; everything escaped.

    It becomes part of a notebook's own page, where a Content-Security-Policy has no effect.
    """
    row = Markup("<tr><th scope='row'>{}</th><td>{}</td></tr>")
    table = Markup("").join(row.format(name, text) for name, text in rows)
    page = Markup("<div><p><strong>{}</strong></p><table>{}</table><p><small>{}</small></p></div>")
    return str(page.format(answer, table, escape(note)))
