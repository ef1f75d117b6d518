"""Style of all figures: colours, axes, text."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

import matplotlib.pyplot as plt
from matplotlib.colors import LinearSegmentedColormap, PowerNorm
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine

from headscore.errors import UsageError, unknown_name
from headscore.scores.signature import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.axes import Axes

INK = "#1a1a1a"
FAINT = "#8c8c8c"
NO_DATA = "#ededed"

# White to deep blue: one hue, so that darkness alone orders the values, also in print.
EFFECT = LinearSegmentedColormap.from_list(
    "effect", ["#ffffff", "#9ec3e6", "#2b6cb0", "#0b2545"]
).with_extremes(bad=NO_DATA)
EFFECT_SCALE = PowerNorm(0.5, 0, 1)  # square root: most effects are small
# Orange below, blue above.
CHANGE = LinearSegmentedColormap.from_list(
    "change", ["#b35806", "#ffffff", "#0b5394"]
).with_extremes(bad=NO_DATA)

# Okabe and Ito, "Color Universal Design" (2008), without yellow, too pale in print; and three
# more for longer lists.
ROLES = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#1a1a1a",
    "#999933",
    "#8c8c8c",
    "#882255",
)
_LONGEST = 24  # letters of a name
_LETTER = 0.55  # mean width of a letter, of the size of its font
MARKERS = "os^Dv<>PX*"


def axes(ax: Axes | None, width: float, height: float) -> Axes:
    """Return the axes to draw on: those given, or those of a new figure of this size in inches."""
    if ax is not None:
        return ax
    size = max(width, 3.0), max(height, 2.4)  # room for titles and names
    return plt.subplots(figsize=size, layout=layout())[1]


def layout() -> ConstrainedLayoutEngine:
    """Return a layout with a margin of a tenth of an inch, which scales of maps may need."""
    return ConstrainedLayoutEngine(w_pad=0.1, h_pad=0.06)


def title(ax: Axes, text: str) -> None:
    """Write a title on the left, in as many lines as its figure or axes are wide."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    wide = figure.get_figwidth() - 0.6  # beside the numbers of the layers
    if len(figure.axes) > 1:
        wide = figure.get_figwidth() * ax.get_position().width
    size = FontProperties(size=plt.rcParams["axes.titlesize"]).get_size_in_points()
    letters = int(max(wide, 1.5) / (_LETTER * size / 72))
    ax.set_title(textwrap.fill(text, letters), loc="left")


def check(argument: str, given: object, kind: type, what: str, made_by: str) -> None:
    """Raise UsageError unless a figure is given what it draws."""
    if not isinstance(given, kind):
        got = type(given).__name__
        raise UsageError(f"{argument} must be {what}, as headscore.{made_by} makes it, got {got}")


def role_number(role: str | None, roles: tuple[str, ...], of: str) -> int:
    """Return the place of a role; None: the only one."""
    if role is None and len(roles) == 1:
        return 0
    if role is None:
        raise UsageError(f"role must be one of {', '.join(map(repr, roles))}, got none")
    if role not in roles:
        raise UsageError(unknown_name(f"role must be one of the {of}", role, roles))
    return roles.index(role)


def grid(ax: Axes, n_layers: int, n_heads: int) -> None:
    """Set up axes of layers x heads: layer 0 on top, whole numbers, square cells, no frame."""
    ax.set_xlim(0, n_heads)
    ax.set_ylim(n_layers, 0)
    ax.set_aspect("equal")
    numbered(ax, "x", n_heads)
    numbered(ax, "y", n_layers)
    ax.set_xlabel("head")
    ax.set_ylabel("layer")
    bare(ax)


def numbered(ax: Axes, axis: str, n: int) -> None:
    """Write the number of each cell at its middle, for at most 16 evenly spaced cells."""
    step = max(1, -(-n // 16))
    numbers = list(range(0, n, step))
    set_ticks = ax.set_xticks if axis == "x" else ax.set_yticks
    set_ticks([number + 0.5 for number in numbers], [str(number) for number in numbers])


def named(ax: Axes, axis: str, names: Sequence[str]) -> None:
    """Label the middle of each cell with a name."""
    at = [number + 0.5 for number in range(len(names))]
    if axis == "x":
        ax.set_xticks(at, names, rotation=45, ha="right", rotation_mode="anchor")
    else:
        ax.set_yticks(at, names)


def bare(ax: Axes) -> None:
    """Remove tick marks and the frame."""
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)


def sentence(text: str) -> str:
    """Return a text for a figure: printable, without dollars as math delimiters."""
    return _without_math(printable(text))


def name(text: str) -> str:
    """Return a name for a figure as `sentence` does, shortened."""
    safe = printable(text)
    return _without_math(safe if len(safe) <= _LONGEST else safe[: _LONGEST - 1] + "…")


def _without_math(text: str) -> str:
    return text.replace("$", r"\$")
