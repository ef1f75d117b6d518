"""A report as a few lines of HTML, for notebooks."""

from __future__ import annotations

from markupsafe import Markup, escape

from headscore.report import sentences
from headscore.report.role_table import RoleTable
from headscore.scores.head_scores import printable


def report_snippet(report: RoleTable) -> str:
    """Return the answer and a row per role as HTML; no style, no script, everything escaped."""
    row = Markup("<tr><th scope='row'>{}</th><td>{}</td></tr>")
    rows = [
        row.format(printable(role), printable(sentences.of_role(report, role)))
        for role in report.roles
    ]
    page = Markup("<div><p><strong>{}</strong></p><table>{}</table><p><small>{}</small></p></div>")
    answer = printable(sentences.answer(report))
    return str(page.format(answer, Markup("").join(rows), escape(report.signature)))
