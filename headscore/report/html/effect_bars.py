"""Bars of an effect: what the model loses in each arm of a role, with bounds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pandas as pd

from headscore.arrays import Floats
from headscore.report import effect_sentences as sentences
from headscore.report.effect_table import EffectTable

# A panel is an SVG in units of its view box: names on the left, bars, and an axis below.
WIDTH = 360
_LEFT, _RIGHT = 92, 14
_ROW = 20
_AXIS = 38  # numbers and title


def panels(effect: EffectTable) -> list[dict[str, Any]]:
    """Return a panel for each role, each with a scale of its own."""
    sets, verdicts = effect.sets(), effect.used().set_index("role")["verdict"]
    return [
        {
            "role": role,
            "verdict": verdicts[role],
            "reading": sentences.of_role(effect, role),
            **_panel(effect.arms(role), sets["delta"][sets["role"] == role].to_numpy()),
        }
        for role in effect.roles
    ]


def _panel(arms: pd.DataFrame, sets: Floats) -> dict[str, Any]:
    bars = arms.loc[[arm for arm in sentences.ARMS if arms["status"][arm] != "not_tried"]]
    numbers = np.concatenate([bars[["delta", "ci_low", "ci_high"]].to_numpy().ravel(), sets])
    numbers = numbers[np.isfinite(numbers)]
    low, high = min(0.0, numbers.min(initial=0.0)), max(0.0, numbers.max(initial=0.0))
    if low == high:
        high = 1.0
    scale = (WIDTH - _LEFT - _RIGHT) / (high - low)

    def at(value: float) -> float:
        return round(float(_LEFT + (value - low) * scale), 1)

    return {
        "height": len(bars) * _ROW + _AXIS,
        "bottom": len(bars) * _ROW,
        "zero": at(0.0),
        "bars": [
            _bar(arm, row, number, at)
            for number, (arm, row) in enumerate(
                zip(bars.index, bars.to_dict("records"), strict=True)
            )
        ],
        "dots": [at(value) for value in sets if np.isfinite(value)],
        "ticks": [(at(value), text) for value, text in ticks(low, high)],
    }


def _bar(arm: str, row: sentences.Row, number: int, at: Any) -> dict[str, Any]:
    """Return name, bar and whisker of an arm; no bar where nothing is known."""
    known = not math.isnan(row["delta"])
    ends = sorted((at(0.0), at(row["delta"]))) if known else [at(0.0)] * 2
    bounded = not math.isnan(row["ci_low"])
    return {
        "arm": arm,
        "name": sentences.ARMS[arm],
        "y": number * _ROW,
        "x": ends[0],
        "width": round(max(ends[1] - ends[0], 0.0), 1),
        "low": at(row["ci_low"]) if bounded else None,
        "high": at(row["ci_high"]) if bounded else None,
        "numbers": f"{sentences.signed(row['delta'])} ({sentences.interval(row)})",
    }


def ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Return two to five round numbers within a range, as numbers and as text."""
    # The smallest step of 1, 2, 5, 10, ... that makes at most four steps.
    rough = (high - low) / 4
    size = 10.0 ** math.floor(math.log10(rough))
    step = next(size * times for times in (1, 2, 5, 10) if size * times >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [(number * step, f"{number * step:.6g}") for number in range(first, last + 1)]
