"""SVG path data of maps and curves: a few long paths, where a shape per cell would be too many."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from headscore.arrays import Bools, Floats

CELL = 10  # units of a cell of a map
LEVELS = 12  # shades


def cells(where: Bools) -> str:
    """Fill the cells (layer, head) that are true."""
    return "".join(f"M{h * CELL} {k * CELL}h9v9h-9z" for k, h in np.argwhere(where))


def dots(where: Bools) -> str:
    """Put a dot in the middle of each cell that is true: lines of no length with round ends."""
    return "".join(f"M{h * CELL + 4.5} {k * CELL + 4.5}h0" for k, h in np.argwhere(where))


def shades(effect: Floats) -> list[tuple[float, str]]:
    """Return opacity and path of each shade of effects in 0..1, NaN left out.

    The opacity grows with the square root: most effects are small, and are to be seen.
    """
    level = np.ceil(np.sqrt(np.nan_to_num(effect)) * LEVELS).astype(int)
    found = ((n / LEVELS, cells(level == n)) for n in range(1, LEVELS + 1))
    return [(round(opacity, 3), path) for opacity, path in found if path]


def squares(label__rlh: Bools) -> list[str]:
    """Return a path per role: a part of each cell that has it, always at the same place."""
    n_roles = len(label__rlh)
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
    """Join points."""
    return "M" + "L".join(f"{_short(x)} {_short(y)}" for x, y in points)


def _short(value: Any) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
