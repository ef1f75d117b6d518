"""Empty results: why no head has a role, and what can be done."""

from __future__ import annotations

import math

import pandas as pd

from headscore.options import LabelOptions, TestOptions
from headscore.report.role_table import RoleTable
from headscore.report.wording import how_many, no_head_has, number
from headscore.scores.signature import printable
from headscore.statistics.status import ABSENT, LEAST_UNITS, TESTABLE


def why_empty(report: RoleTable) -> list[str]:
    """Return a sentence for each role that no head has, where there is something to do about it.

    Roles that could not be tested get one in every report, those that were tested only where no
    head has any role.
    """
    nothing = not report.table["label"].any()
    lines = [_of_role(report, role, nothing=nothing) for role in report.roles]
    return [line for line in lines if line]


def _of_role(report: RoleTable, role: str, *, nothing: bool) -> str:
    cells = report.table[report.table["role"] == role]
    cells = cells[~cells["status"].isin(ABSENT)]
    status = cells["status"]
    if status.isin(TESTABLE).any():
        return _below(report, role, cells) if nothing else ""
    if (status == "unattainable").any():
        return _unattainable(report, role, cells)
    if (status == "insufficient_n").any():
        return _too_few(role, cells)
    return ""


def _unattainable(report: RoleTable, role: str, cells: pd.DataFrame) -> str:
    most = float(cells["attainable"].max())
    if math.isnan(most):
        return ""  # it points only to tokens that are not visible: no threshold helps
    ways = ["longer texts", *_tau(report, role, most)]
    if report.facts.get("criterion") != "attained":
        ways.append("--criterion attained --tau 0.5")
    return f"{printable(role)} can reach at most {number(most)} on these sentences: {_ways(ways)}"


def _too_few(role: str, cells: pd.DataFrame) -> str:
    n = int(cells["n"].max())
    return (
        f"{printable(role)} occurs in {how_many(n, 'sequence')}, and a test needs at least "
        f"{LEAST_UNITS} that are independent: more text"
    )


def _below(report: RoleTable, role: str, cells: pd.DataFrame) -> str:
    """Return how near a role that no head is shown to have is to its threshold."""
    ways = ["more text", *_tau(report, role, float(cells["mean"].max()))]
    return f"{no_head_has(role, LabelOptions.label, cells)}: {_ways(ways)}"


def _tau(report: RoleTable, role: str, below: float) -> list[str]:
    """Return the option of a whole threshold below a score, the paper's 3 at most; none below 1."""
    tau = min(math.ceil(below) - 1, int(TestOptions.tau))  # type: ignore[arg-type]
    if report.facts.get("criterion") == "attained" or tau < 1:
        return []
    known = report.facts["tau"]
    if "=" in known:
        return [f"a --tau of {tau} for it"]
    if float(known) <= tau:
        return []
    return [f"--tau {tau}" if len(report.roles) == 1 else f"--tau {known},{role}={tau}"]


def _ways(ways: list[str]) -> str:
    """Join what can be done: ``"a, b, or c"``."""
    if len(ways) < 3:
        return " or ".join(ways)
    return f"{', '.join(ways[:-1])}, or {ways[-1]}"
