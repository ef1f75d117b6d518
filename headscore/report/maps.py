"""The table of a report as layers x heads maps, one for each role, for figures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from headscore.arrays import Bools, Floats, Ints
from headscore.statistics.t_test import ABSENT, TESTABLE

if TYPE_CHECKING:
    from headscore.report.report import Report


@dataclass(frozen=True, eq=False)
class Maps:
    """What figures show of each cell; arrays (role, layer, head).

    Attributes
    ----------
    roles
        Name of each role.
    effect
        0 (uniform attention, or less) .. 1; NaN where the role has no scores.
    unit
        What `effect` is a share of, in words.
    label, robust
        Whether a head has the role, and whether that stands whatever the skewness.
    position
        Whether a head has the role but looks as much at the same offsets elsewhere.
    tested
        Whether the cell could be tested.
    """

    roles: tuple[str, ...]
    effect: Floats
    unit: str
    label: Bools
    robust: Bools
    position: Bools
    tested: Bools


def maps(report: Report) -> Maps:
    """Return the maps of a report.

    The effect is ``attained``, the share of what any attention could reach above uniform; where
    no largest possible score is known, the share of the largest mean of the report.
    """
    attained = column(report, "attained")
    unit = "attained effect"
    if np.isnan(attained).all():
        above = column(report, "mean") - 1
        largest = float(np.nanmax(above, initial=0.0, where=np.isfinite(above)))
        attained = above / largest if largest > 0 else np.zeros_like(above)
        unit = "mean above 1, of the largest"
    label = column(report, "label")
    return Maps(
        report.roles,
        np.clip(attained, 0.0, 1.0),
        unit,
        label,
        column(report, "robust"),
        label & ~column(report, "beyond_position").astype(bool),
        np.isin(column(report, "status"), TESTABLE),
    )


def column(report: Any, name: str) -> npt.NDArray[Any]:
    """Return a column of a report or a comparison as an array (role, layer, head)."""
    table = report.table
    n_layers = int(table["layer"].max()) + 1
    values = table[name]
    if values.dtype == "boolean":  # what is missing was not found wanting
        values = values.fillna(value=True)
    return np.asarray(values.to_numpy()).reshape(len(report.roles), n_layers, -1)


def heads_per_layer(report: Any) -> Ints:
    """Return how many heads each layer of a report or a comparison has, int64 (layer,)."""
    there = ~np.isin(column(report, "status")[0], ABSENT)
    return np.asarray(there.sum(axis=1, dtype=np.int64))
