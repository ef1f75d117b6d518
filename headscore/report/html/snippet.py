"""A report as a few lines of HTML, for notebooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from headscore.report import sentences as reading
from headscore.scores.head_scores import printable

if TYPE_CHECKING:
    from headscore.report.report import Report


def report_snippet(report: Report) -> str:
    """Return the answer and a line per role; no style, no script, everything escaped."""
    row = Markup("<tr><th scope='row'>{}</th><td>{}</td></tr>")
    rows = [
        row.format(printable(role), printable(reading.of_role(report, role)))
        for role in report.roles
    ]
    return str(
        Markup(
            "<div><p><strong>{}</strong></p><table>{}</table><p><small>{}</small></p></div>"
        ).format(printable(reading.answer(report)), Markup("").join(rows), escape(report.signature))
    )
