"""The maps of layers x heads of a report as text, a sign for each head."""

from __future__ import annotations

from itertools import chain

import numpy as np

from headscore.arrays import Texts
from headscore.report.maps import maps
from headscore.report.role_table import RoleTable
from headscore.report.signs import NO_HEAD, POSITION, UNTESTED, legend
from headscore.report.terminal.style import Style, flowed, wrapped
from headscore.report.terminal.widths import padded, width_of
from headscore.report.wording import explained_by
from headscore.scores.signature import printable
from headscore.statistics.verdict import HAS

_GAP = "   "
_SPACED = 16  # heads of a layer that have blanks between their signs


def role_maps(report: RoleTable, style: Style) -> list[str]:
    """Return the maps side by side, one per role, as many as fit into the width."""
    state__rlh = maps(report).state
    by = explained_by(report.control, report.facts)
    meanings = legend({*state__rlh.ravel()}, by).items()
    lines = [
        style.heading("Heads of each role"),
        *flowed([f"{style.signs[state]} {words}" for state, words in meanings], style),
        *wrapped(
            "rows are layers, columns are heads, both counted from 0; 1.8 is layer 1, head 8", style
        ),
    ]
    panels = list(
        chain.from_iterable(
            _panels(role, state__lh, style)
            for role, state__lh in zip(report.roles, state__rlh, strict=True)
        )
    )
    size = max(map(width_of, chain.from_iterable(panels)))
    # n panels need n * size + (n - 1) * gap columns, so n <= (width + gap) / (size + gap).
    across = max(1, (style.width + len(_GAP)) // (size + len(_GAP)))
    for start in range(0, len(panels), across):
        row = [[padded(line, size) for line in panel] for panel in panels[start : start + across]]
        # zip turns panels of lines into lines of panels; only lines of signs are coloured.
        name, *rows = (_GAP.join(parts).rstrip() for parts in zip(*row, strict=True))
        lines += ["", name, *map(style.painted, rows)]
    return lines


def _panels(role: str, state__lh: Texts, style: Style) -> list[list[str]]:
    """Return the map of a role; in several parts where its layers are wider than the terminal."""
    n_layers, n_heads = state__lh.shape
    margin = len(str(n_layers - 1)) + 1
    # Heads are numbered by their last digit.
    space = " " if n_heads <= _SPACED else ""
    most = max((style.width - margin + len(space)) // (1 + len(space)), 10)
    panels = []
    for first in range(0, n_heads, most):
        part = state__lh[:, first : first + most]
        title = f"{printable(role)}, from {first}" if first else _title(role, state__lh)
        numbers = space.join(str(head % 10) for head in range(first, first + part.shape[1]))
        signs = [space.join(style.signs[state] for state in row) for row in part]
        panels.append(
            [
                title,
                " " * margin + numbers,
                *(f"{layer:>{margin - 1}} {line}" for layer, line in enumerate(signs)),
            ]
        )
    return panels


def _title(role: str, state__lh: Texts) -> str:
    """Return a role with the number of heads that have it, or that none of them was tested."""
    if np.isin(state__lh, (UNTESTED, NO_HEAD)).all():
        return f"{printable(role)}: not tested"
    return f"{printable(role)}: {np.isin(state__lh, (HAS, POSITION)).sum()}"
