"""Bars of an effect: what the model loses in each arm of each role."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from headscore.arrays import Floats
from headscore.causal.values import HEADS, KEEP, KNOCKOUT, MATCHED, PLACEBO
from headscore.plots import style
from headscore.report.effect_sentences import ARMS
from headscore.report.effect_table import EffectTable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Fill and edge of the bars of each arm; the matched sets are dots in the last row.
_BLUE = "#2b6cb0"
_COLOURS = {
    KNOCKOUT: (_BLUE, _BLUE),
    PLACEBO: ("white", _BLUE),
    KEEP: ("#a9c6e3", "#a9c6e3"),
    HEADS: ("#6b6b6b", "#6b6b6b"),
}
_SETS = ARMS[MATCHED]
_STEP = 1.0 / (len(_COLOURS) + 2)  # of a role: its arms, the matched sets, and a gap


def effect(effect: EffectTable, role: str | None = None, *, ax: Axes | None = None) -> Axes:
    """Draw what the model loses in each arm of each role, with both confidence bounds.

    Parameters
    ----------
    effect
        The effect.
    role
        One of ``effect.roles``; None: all of them, on one scale.
    ax
        Axes to draw on; None: a new figure.

    Raises
    ------
    UsageError
        If there is no such role, or `effect` is something else.
    """
    style.check("effect", effect, EffectTable, "an Effect", "validate")
    roles = effect.roles if role is None else (role,)
    arms = {each: effect.arms(each) for each in roles}
    ax = style.axes(ax, 6.0, 1.1 + 1.05 * len(roles))
    for number, (arm, (fill, edge)) in enumerate(_COLOURS.items()):
        rows = [arms[each].loc[arm].to_dict() for each in roles]
        _bars(ax, rows, (number + 0.5) * _STEP, fill=fill, edge=edge, label=ARMS[arm])
    sets = effect.sets()
    for at, each in enumerate(roles):
        means = sets["delta"][sets["role"] == each].to_numpy()
        _dots(ax, means, at + (len(_COLOURS) + 0.5) * _STEP, label=_SETS)
    ax.axvline(0, color=style.INK, linewidth=0.8)
    verdicts = effect.used().set_index("role")["verdict"]
    names = [f"{style.name(each)}\n{verdicts[each]}" for each in roles]
    ax.set_yticks([at + 0.5 - _STEP / 2 for at in range(len(roles))], names)
    ax.set_ylim(len(roles), -_STEP / 2)
    style.bare(ax)
    ax.set_xlabel(
        f"change, {style.name(effect.values.unit)}\nlines: from bound to bound, "
        f"each of level {1 - effect.alpha:g}"
    )
    style.title(ax, f"what the model loses, in {style.name(effect.values.unit)}")
    _legend(ax)
    return ax


def _bars(
    ax: Axes, rows: list[dict[Any, Any]], offset: float, *, fill: str, edge: str, label: str
) -> None:
    """Draw the bars of an arm, one for each role in which it was tried, with whiskers."""
    known = [(at + offset, row) for at, row in enumerate(rows) if np.isfinite(row["delta"])]
    if not known:
        return
    y = [at for at, _ in known]
    ax.barh(
        y,
        [row["delta"] for _, row in known],
        height=0.8 * _STEP,
        facecolor=fill,
        edgecolor=edge,
        linewidth=0.8,
        label=label,
    )
    low, high = (np.array([row[name] for _, row in known]) for name in ("ci_low", "ci_high"))
    ax.hlines(y, low, high, color="white", linewidth=3)
    ax.hlines(y, low, high, color=style.INK, linewidth=1)
    for ends in (low, high):
        ax.plot(ends, y, "|", color=style.INK, markersize=4, markeredgewidth=1)


def _dots(ax: Axes, means: Floats, y: float, *, label: str) -> None:
    if len(means):
        at = np.full(len(means), y)
        ax.scatter(means, at, s=12, color=style.INK, alpha=0.45, linewidths=0, label=label)


def _legend(ax: Axes) -> None:
    """Explain each sign once."""
    handles, labels = ax.get_legend_handles_labels()
    # matplotlib lists dots before bars: the rows have them last.
    once = dict(sorted(zip(labels, handles, strict=True), key=lambda item: item[0] == _SETS))
    if once:
        ax.legend(
            once.values(),
            once.keys(),
            loc="upper left",
            bbox_to_anchor=(1.0, 1.0),
            frameon=False,
            borderaxespad=0.2,
        )
