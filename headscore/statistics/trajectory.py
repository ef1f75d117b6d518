"""Trajectory: from which step of training on each cell has its role, and until when it lacks it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from headscore.arrays import Bools, Floats
from headscore.options import AdjustOptions
from headscore.statistics.adjust import adjust
from headscore.statistics.both_directions import BothDirections
from headscore.statistics.chains import adjust_chains
from headscore.statistics.columns import Columns
from headscore.statistics.status import STATUSES

COLUMNS = Columns(
    {
        "layer": "int64",
        "head": "int64",
        "role": "str",
        "n_steps": "int64",
        "has_from": "float64",
        "absent_until": "float64",
        "pvalue_adj": "float64",
        "mean_first": "float64",
        "mean_last": "float64",
        "lost": "bool",
        "status": "str",
    },
    allowed={"status": STATUSES},
)


def trajectory_table(
    steps: Floats, roles: Sequence[str], tests: Sequence[BothDirections], options: AdjustOptions
) -> pd.DataFrame:
    """Return from which step on each cell is shown to have its role.

    "From step t on it has the role" is false where it lacks the role at t or any later step, so its
    p-value is the largest of these steps (Berger, "Multiparameter hypothesis testing and
    acceptance sampling", Technometrics 24 (1982)). The statements of a cell are nested: a chain
    from the last step backwards, adjusted over cells and steps at once by
    `headscore.statistics.chains`. "Up to step t it lacks the role" is the mirror image: a chain
    from the first step forwards, a family of its own. Where a cell is not tested at a step, its
    p-value there is 1.

    Parameters
    ----------
    steps
        (step,), increasing.
    roles
        Name of each role.
    tests
        The tests of each step.
    options
        How p-values become labels.

    Returns
    -------
    pandas.DataFrame
        The columns of `COLUMNS`; rows in the order of the roles, then layers, then heads.
    """
    above, below = (stacked(tests, name) for name in ("above", "below"))
    backwards = adjust_chains(above[::-1], options.adjust)
    n_has = (backwards <= options.alpha).sum(axis=0)
    n_absent = (adjust_chains(below, options.adjust) <= options.alpha).sum(axis=0)
    # n of T steps shown, the last ones or the first ones: steps[T - n:] or steps[:n].
    padded = np.concatenate([[np.nan], steps, [np.nan]])
    role, layer, head = np.indices(tests[0].mean.shape).reshape(3, -1)
    tested = np.stack([~np.isnan(each.above) for each in tests]).sum(axis=0)
    columns = {
        "layer": layer,
        "head": head,
        "role": np.array(roles, dtype=object)[role],
        "n_steps": tested.ravel(),
        "has_from": padded[len(steps) + 1 - n_has],
        "absent_until": padded[n_absent],
        "pvalue_adj": backwards[0],
        "mean_first": tests[0].mean.ravel(),
        "mean_last": tests[-1].mean.ravel(),
        "lost": _lost(above, below, options),
        "status": tests[-1].status.ravel(),
    }
    return COLUMNS.frame(columns)


def stacked(tests: Sequence[BothDirections], name: str) -> Floats:
    """Return the p-values of all steps, (step, cell): 1 where a cell is tested at other steps only.

    NaN where it is tested at none.
    """
    pvalues = np.stack([getattr(each, name).ravel() for each in tests])
    never = np.isnan(pvalues).all(axis=0)
    return np.where(never, np.nan, np.where(np.isnan(pvalues), 1.0, pvalues))


def labels_alone(tests: Sequence[BothDirections], options: AdjustOptions) -> Bools:
    """Return the labels of each step on its own, bool (step, role, layer, head)."""
    return np.stack([adjust(each.above, options.adjust) <= options.alpha for each in tests])


def _lost(above__tc: Floats, below__tc: Floats, options: AdjustOptions) -> Bools:
    """Return which cells are shown to have had their role at some step, and to lack it at the last.

    Both must be shown, so the larger p-value counts; that of "at some step" is the smallest one,
    times the number of steps before the last (Bonferroni). Adjusted over the cells.
    """
    earlier = np.minimum((len(above__tc) - 1) * above__tc[:-1].min(axis=0), 1.0)
    return adjust(np.maximum(earlier, below__tc[-1]), options.adjust) <= options.alpha
