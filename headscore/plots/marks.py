"""The signs of `headscore.report.signs` in figures, as large as the cells they stand in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.collections import PathCollection
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.path import Path
from matplotlib.textpath import TextPath
from matplotlib.transforms import Affine2D

from headscore.arrays import Texts
from headscore.plots import style
from headscore.report.signs import OUTCOMES, STATES, Sign
from headscore.statistics.verdict import HAS, HAS_NOT

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Changes that are significant where a role is neither gained nor lost.
ROSE, FELL = "rose", "fell"
SIGNS: Mapping[str, Sign] = {
    **STATES,
    **OUTCOMES,
    ROSE: Sign("+", "+", "", "rose"),
    FELL: Sign("−", "-", "", "fell"),
}
_FONT = FontProperties(family="DejaVu Sans", weight="bold")  # comes with matplotlib


def draw(ax: Axes, state: Texts) -> list[str]:
    """Draw the sign of each cell (layer, head); return the names of those that occur."""
    found = [name for name in SIGNS if (state == name).any()]
    for name in found:
        shape = _shape(name)
        middles = (np.argwhere(state == name) + 0.5).tolist()
        paths = [shape.transformed(Affine2D().translate(x, y)) for y, x in middles]
        # One colour on light and dark cells, with a white border: two would read as two states.
        ax.add_collection(
            PathCollection(paths, facecolors="white", edgecolors="white", linewidths=2)
        )
        signs = PathCollection(paths, facecolors=style.INK, edgecolors="none")
        signs.set_gid(name)
        ax.add_collection(signs)
    return found


def legend(ax: Axes, names: Iterable[str], words: Mapping[str, str]) -> None:
    """Explain signs below a map, one a line."""
    handles = [
        Line2D(
            [],
            [],
            # y grows upwards in a legend.
            marker=_shape(name).transformed(Affine2D().scale(1, -1)),
            markersize=5 if name == HAS_NOT else 9,
            markerfacecolor=style.INK,
            markeredgecolor="none",
            linestyle="none",
            label=style.sentence(words.get(name, SIGNS[name].words)),
        )
        for name in names
    ]
    if handles:
        ax.legend(
            handles=handles,
            loc="upper left",
            bbox_to_anchor=(0.0, 0.0),
            borderaxespad=3.6,  # below the numbers and the name of the axis
            frameon=False,
            fontsize="small",
            labelspacing=0.25,
            handletextpad=0.4,
            borderpad=0.0,
        )


def _shape(name: str) -> Path:
    """Return a sign around (0, 0) in a cell of size 1; y grows downwards."""
    if name == HAS:
        return Path.circle((0, 0), 0.27)
    if name == HAS_NOT:
        return Path.circle((0, 0), 0.06)
    return _glyph(SIGNS[name].glyph)


def _glyph(text: str) -> Path:
    outline = TextPath((0, 0), text, size=1, prop=_FONT)
    box = outline.get_extents()
    # The dash is low and wide: its width counts.
    scale = 0.46 / max(box.height, box.width)
    middle = Affine2D().translate(-(box.x0 + box.x1) / 2, -(box.y0 + box.y1) / 2)
    return outline.transformed(middle.scale(scale, -scale))
