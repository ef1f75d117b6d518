"""Maps of layers x heads, one for each role of a report, for figures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headscore.arrays import Bools, Floats, Texts
from headscore.report.role_table import RoleTable
from headscore.report.signs import states
from headscore.statistics.status import TESTABLE


@dataclass(frozen=True, eq=False)
class Maps:
    """The values of each cell for figures; arrays (role, layer, head).

    Attributes
    ----------
    roles
        Name of each role.
    effect
        0 (uniform attention, or less) .. 1; NaN where the role has no scores.
    unit
        Name of the scale of `effect`.
    state
        The state of each cell, a key of `headscore.report.signs.STATES`, by the strongest control
        of word pairs that was computed.
    label
        Whether a head has the role.
    tested
        Whether the cell could be tested.
    """

    roles: tuple[str, ...]
    effect: Floats
    unit: str
    state: Texts
    label: Bools
    tested: Bools


def maps(report: RoleTable) -> Maps:
    """Return the maps of a report.

    The effect is ``attained``, the share of the largest possible score above uniform; where
    no largest possible score is known, the share of the largest mean of the report.
    """
    attained = report.array("attained")
    unit = "attained effect"
    if np.isnan(attained).all():
        # Uniform attention scores 1; scores made elsewhere may have no attainable.
        above = report.array("mean") - 1
        largest = float(np.nanmax(above, initial=0.0, where=np.isfinite(above)))
        attained = above / largest if largest > 0 else np.zeros_like(above)
        unit = "mean above 1, of the largest"
    return Maps(
        roles=report.roles,
        effect=np.clip(attained, 0.0, 1.0),
        unit=unit,
        state=states(*(report.array(name) for name in ("verdict", report.control, "status"))),
        label=report.array("label"),
        tested=np.isin(report.array("status"), TESTABLE),
    )
