"""What was found as a few lines of HTML, for notebooks."""

from __future__ import annotations

from markupsafe import Markup, escape

from headscore.report import (
    effect_sentences,
    power_sentences,
    replication_sentences,
    seeds_sentences,
    sentences,
    trajectory_sentences,
)
from headscore.report.effect_table import EffectTable
from headscore.report.power_curve_table import PowerCurveTable
from headscore.report.replication_table import ReplicationTable
from headscore.report.role_table import RoleTable
from headscore.report.seeds_table import SeedsTable
from headscore.report.trajectory_table import TrajectoryTable
from headscore.scores.head_scores import printable


def report_snippet(report: RoleTable) -> str:
    """Return the answer and a row per role as HTML; no style, no script, everything escaped."""
    rows = {role: sentences.of_role(report, role) for role in report.roles}
    return _snippet(sentences.answer(report), rows, report.signature)


def effect_snippet(effect: EffectTable) -> str:
    """Return the answer and a row per role as `report_snippet` does."""
    rows = {role: effect_sentences.of_role(effect, role) for role in effect.roles}
    return _snippet(effect_sentences.answer(effect), rows, effect.signature)


def replication_snippet(replication: ReplicationTable) -> str:
    """Return the answer and a row per role as `report_snippet` does."""
    rows = {role: replication_sentences.of_role(replication, role) for role in replication.roles}
    return _snippet(replication_sentences.answer(replication), rows, replication.signature)


def trajectory_snippet(found: TrajectoryTable) -> str:
    """Return the answer and a row per role as `report_snippet` does."""
    rows = {role: trajectory_sentences.of_role(found, role) for role in found.roles}
    return _snippet(trajectory_sentences.answer(found), rows, found.signature)


def seeds_snippet(found: SeedsTable) -> str:
    """Return the answer and a row per role as `report_snippet` does."""
    rows = {role: seeds_sentences.of_role(found, role) for role in found.roles}
    return _snippet(seeds_sentences.answer(found), rows, found.signature)


def power_snippet(curve: PowerCurveTable) -> str:
    """Return the answer and a row per role as `report_snippet` does."""
    rows = {role: power_sentences.of_role(curve, role) for role in curve.roles}
    return _snippet(power_sentences.answer(curve), rows, curve.signature)


def _snippet(answer: str, readings: dict[str, str], signature: str) -> str:
    row = Markup("<tr><th scope='row'>{}</th><td>{}</td></tr>")
    rows = [row.format(printable(role), printable(text)) for role, text in readings.items()]
    page = Markup("<div><p><strong>{}</strong></p><table>{}</table><p><small>{}</small></p></div>")
    return str(page.format(printable(answer), Markup("").join(rows), escape(signature)))
