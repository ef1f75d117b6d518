"""Verdict: what a test and its mirror image show of each cell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from headscore.arrays import Bools, Floats, Texts
from headscore.options import AdjustOptions
from headscore.statistics.adjust import adjust, of_pvalues

if TYPE_CHECKING:
    import pandas as pd

HAS, HAS_NOT, UNDECIDED = "has", "has_not", "undecided"
VERDICTS = (HAS, HAS_NOT, UNDECIDED)
OR_NONE = ("", *VERDICTS)  # a column of verdicts: empty where nothing was tested


def control_of(table: pd.DataFrame) -> str:
    """Return the column of the strongest control of a table: beyond_position or matched."""
    return "matched" if (table["matched"] != "").any() else "beyond_position"


def beyond_controls(rows: pd.DataFrame, control: str) -> pd.Series[str]:
    """Return the verdict of the strongest control of each row: whether word pairs go beyond it.

    What position alone explains goes beyond no control, also where the strongest is undecided.
    """
    return rows[control].mask(rows["beyond_position"] == HAS_NOT, HAS_NOT)


def verdicts(shown: Bools, pvalue_below: Floats, options: AdjustOptions) -> Texts:
    """Return the verdict of each cell, one of `VERDICTS`, empty where nothing was tested.

    ``has``: shown; ``has_not``: the test of H0 "the mean is at least the threshold" rejects,
    adjusted over a family of its own; ``undecided``: neither. Both directions keep the guarantee of
    the adjustment, each on its own: Shaffer, "Multiple hypothesis testing", Annual Review of
    Psychology 46 (1995). For maxT the other direction is adjusted by Holm: scores are skewed to the
    right, and flips of signs find too small a chance of a mean far below the threshold.

    Parameters
    ----------
    shown
        Which cells are shown to exceed the threshold.
    pvalue_below
        Unadjusted p-value of the other direction, NaN where nothing is tested.
    options
        How p-values are adjusted.
    """
    below = adjust(pvalue_below, of_pvalues(options.adjust)) <= options.alpha
    found = np.select([np.isnan(pvalue_below), shown, below], ["", HAS, HAS_NOT], UNDECIDED)
    return found.astype(object)
