"""SVG path data of maps and curves: a few long paths, where a shape per cell would be too many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from headscore.arrays import Bools, Floats

# A cell is 10 x 10 units: a square of 9 and a gap of 1. Head h, layer k begins at (10 h, 10 k).
CELL = 10  # units of a cell of a map
LEVELS = 12  # shades
_LINE = 15  # units between the names at the ends of curves


def cells(where: Bools) -> str:
    """Return the path that fills the cells (layer, head) that are true."""
    # M moves to the corner, h and v draw relative lines, z closes.
    return "".join(f"M{h * CELL} {k * CELL}h9v9h-9z" for k, h in np.argwhere(where))


def shades(effect: Floats) -> list[tuple[float, str]]:
    """Return opacity and path of each shade of effects in 0..1, NaN left out.

    The opacity grows with the square root, so that small effects are visible.
    """
    # Level n holds the effects in ((n - 1)^2, n^2] / 144. NaN becomes 0, and level 0 is not drawn.
    level = np.ceil(np.sqrt(np.nan_to_num(effect)) * LEVELS).astype(int)
    found = ((n / LEVELS, cells(level == n)) for n in range(1, LEVELS + 1))
    return [(round(opacity, 3), path) for opacity, path in found if path]


def steps(low: float, high: float) -> dict[str, Any]:
    """Return the shades between two numbers, and those at both ends and at half the opacity."""
    # Half the opacity is a quarter of the way, by the square root in `shades`.
    numbers = (low, low + (high - low) / 4, high)
    return {
        "opacities": [round(n / LEVELS, 3) for n in range(1, LEVELS + 1)],
        "numbers": [f"{value:.2g}" for value in numbers],
    }


def squares(label__rlh: Bools) -> list[str]:
    """Return a path per role: a rectangle in each cell with the role, at a fixed place."""
    n_roles = len(label__rlh)
    # Five roles in three columns and two rows of a cell, numbered row by row:
    #
    #     0 1 2
    #     3 4
    across = math.ceil(math.sqrt(n_roles))
    wide, high = 9 / across, 9 / math.ceil(n_roles / across)
    paths = []
    for role, label in enumerate(label__rlh):
        row, at = divmod(role, across)
        shape = f"h{_short(wide)}v{_short(high)}h-{_short(wide)}z"
        x, y = at * wide, row * high
        paths.append(
            "".join(
                f"M{_short(h * CELL + x)} {_short(k * CELL + y)}{shape}"
                for k, h in np.argwhere(label)
            )
        )
    return paths


def line(points: Sequence[tuple[float, float]]) -> str:
    """Return the path through points."""
    return "M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in points)


def spread(curves: list[dict[str, Any]], *, lowest: float) -> None:
    """Set the height of the names at the ends of curves so that they do not overlap.

    `lowest` is that of the lowest name.
    """
    ends = sorted(curves, key=lambda curve: curve["points"][-1][1])
    # Downwards: each name at its curve's end, or one line below the name above it. Upwards: what
    # now stands below the chart is moved up, and pushes those above it.
    #
    #     ends      180 206 208 210      names need 15 units, the lowest stands at 220 or above
    #     down      180 206 221 236
    #     up        175 190 205 220
    y = -_LINE * 1.0
    for curve in ends:
        y = max(curve["points"][-1][1], y + _LINE)
        curve["name_y"] = y
    for curve in reversed(ends):
        curve["name_y"] = lowest = min(curve["name_y"], lowest)
        lowest -= _LINE


def _short(value: Any) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
