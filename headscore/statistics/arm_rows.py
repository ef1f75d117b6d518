"""Rows of an experiment: its arms, the difference of two of them, the mean of matched sets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import pandas as pd

from headscore.arrays import Floats
from headscore.causal.values import (
    HEADS,
    KEEP,
    KNOCKOUT,
    MATCHED,
    PLACEBO,
    ArmValues,
    EffectValues,
)
from headscore.statistics.known_mean import known_mean

BEYOND = "beyond placebo"  # knockout - placebo, sequence by sequence
ROWS = (KNOCKOUT, PLACEBO, BEYOND, KEEP, HEADS, MATCHED)  # of each role

Rows: TypeAlias = Mapping[tuple[str, str], ArmValues]  # by role and row
_BY_SEQUENCE = ("delta", "at_rows", "elsewhere", "divergence")


def rows_of(values: EffectValues) -> Rows:
    """Return the rows that were tried: the arms, their difference, the mean of the sets."""
    rows = {(each.role, each.arm): each for each in values.arms if each.arm != MATCHED}
    for role in values.roles:
        knockout, placebo = rows.get((role, KNOCKOUT)), rows.get((role, PLACEBO))
        if knockout is not None and placebo is not None:
            rows[role, BEYOND] = _difference(knockout, placebo)
        sets = [each for each in values.arms if (each.role, each.arm) == (role, MATCHED)]
        if sets:
            rows[role, MATCHED] = _average(sets)
    return rows


def _difference(knockout: ArmValues, placebo: ArmValues) -> ArmValues:
    return replace(
        knockout,
        arm=BEYOND,
        edges=np.zeros_like(knockout.edges),
        **{name: getattr(knockout, name) - getattr(placebo, name) for name in _BY_SEQUENCE},
    )


def _average(sets: list[ArmValues]) -> ArmValues:
    return replace(
        sets[0],
        norm_ratio=float(np.mean([each.norm_ratio for each in sets])),
        **{name: np.mean([getattr(each, name) for each in sets], axis=0) for name in _BY_SEQUENCE},
    )


def stacked(values: EffectValues, rows: Rows, name: str) -> Floats:
    """Return what each sequence has in each row, (sequence, role, row), NaN if not tried."""
    stacked = np.full((len(values.sequence_ids), len(values.roles), len(ROWS)), np.nan)
    for (role, row), each in rows.items():
        stacked[:, values.roles.index(role), ROWS.index(row)] = getattr(each, name)
    return stacked


def set_means(values: EffectValues) -> pd.DataFrame:
    """Return a row per matched set of heads: role, number, n_heads, delta, norm_ratio."""
    matched = [each for each in values.arms if each.arm == MATCHED]
    return pd.DataFrame(
        {
            "role": [each.role for each in matched],
            "number": [each.number for each in matched],
            "n_heads": [len(each.heads) for each in matched],
            "delta": [float(known_mean(each.delta)) for each in matched],
            "norm_ratio": [each.norm_ratio for each in matched],
        }
    )
