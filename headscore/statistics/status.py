"""Status: whether a cell (role, layer, head) can be tested, and if not, why."""

from __future__ import annotations

import numpy as np

from headscore.arrays import Floats, Ints, Texts
from headscore.statistics.criterion import of_cells
from headscore.statistics.moments import Moments
from headscore.statistics.units import Units

ABSENT = ("no_attention", "no_head")  # there is no such head in the model
STATUSES = (
    *ABSENT,
    "nonfinite",
    "no_sieve",
    "insufficient_n",
    "unattainable",
    "zero_variance",
    "ok",
)
TESTABLE = ("zero_variance", "ok")
LEAST_UNITS = 8  # fewer are not tested


def statuses(
    cells: Moments,
    tau: Floats,
    *,
    units: Units | None = None,
    heads__l: Ints | None = None,
    invisible__rl: Ints | None = None,
) -> Texts:
    """Return the status of each cell, one of `STATUSES`; texts (role, layer, head).

    The first that fits: ``no_attention``, the layer has none; ``no_head``, the layer has fewer
    heads; ``nonfinite``, a score is infinite or is missing where it should not be;
    ``unattainable``, where no sequence takes part, but some would if the tokens that the role
    points to were visible; ``no_sieve``, no sequence takes part; ``insufficient_n``, fewer than two
    units do; ``unattainable``, even the largest possible score does not exceed tau;
    ``zero_variance``, all scores are equal; ``ok``.

    Parameters
    ----------
    cells, tau, units
        As in `t_test`.
    heads__l
        Heads of each layer; None: there are all.
    invisible__rl
        Sequences with a sieve of which no entry is visible; None: there are none.
    """
    _, n_layers, n_heads = cells.n.shape
    heads = np.full(n_layers, n_heads) if heads__l is None else heads__l
    invisible = np.zeros(cells.n.shape[:2]) if invisible__rl is None else invisible__rl
    n_units = cells.n if units is None else units.n
    conditions = {
        "no_attention": np.broadcast_to(heads[:, None] == 0, cells.n.shape),
        "no_head": np.broadcast_to(np.arange(n_heads) >= heads[:, None], cells.n.shape),
        "nonfinite": cells.nonfinite,
        "no_sieve": cells.n == 0,
        "insufficient_n": n_units < 2,
        "unattainable": cells.attainable <= of_cells(tau),
        "zero_variance": cells.minimum == cells.maximum,
    }
    # Order matters: np.select takes the first condition that holds.
    status = np.select([*conditions.values()], [*conditions], "ok").astype(object)
    # Some sequence has a sieve, but no entry of it is visible (a later token in a causal decoder).
    status[(status == "no_sieve") & (invisible > 0)[:, :, None]] = "unattainable"
    return status
