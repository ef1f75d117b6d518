"""Study: what the table of one report says of each cell, for a replication over several."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from headscore.arrays import Bools, Floats, Texts
from headscore.statistics.looks import looks_of, spent
from headscore.statistics.verdict import HAS, HAS_NOT, UNDECIDED


@dataclass(frozen=True, eq=False, kw_only=True)
class Study:
    """What one study says of each cell; arrays (cell,).

    Attributes
    ----------
    above, below
        p-values of H0: the head does not have the role, and of H0: it has it. Both are NaN where
        the cell is not tested.
    mean, ci_low, df
        Mean score, the lower confidence bound of the report and its degrees of freedom.
    equal
        Whether the bound is that of equal scores, see `headscore.statistics.t_test`.
    alpha
        One minus the level of that bound.
    verdict
        One of `headscore.statistics.verdict.VERDICTS`, empty where the cell is not tested.
    status
        As in a report.
    looks
        Planned looks of the run, see `headscore.statistics.looks`.
    """

    above: Floats
    below: Floats
    mean: Floats
    ci_low: Floats
    df: Floats
    equal: Bools
    alpha: float
    verdict: Texts
    status: Texts
    looks: int = 1

    @classmethod
    def of_table(cls, table: pd.DataFrame, compared: Bools, facts: Mapping[str, str]) -> Study:
        """Return the study of a report.

        Parameters
        ----------
        table
            Of the report.
        compared
            bool (cell,): where a head has the role only if it also goes beyond position.
        facts
            Of the report; where it stopped at a look, its p-values are those of all its looks.
        """
        column = {str(name): np.asarray(table[name]) for name in table}
        above, below = column["pvalue"], column["pvalue_below"]
        beyond, not_beyond = column["beyond_pvalue"], column["beyond_pvalue_below"]
        above = np.where(compared, np.maximum(above, beyond), above)
        # A head that has not the role, or does not go beyond position: either suffices, so the
        # smaller p-value counts twice. Files of older versions have neither.
        below = np.where(compared, np.minimum(2 * np.fmin(below, not_beyond), 1.0), below)
        above, below, looks = spent(above, facts), spent(below, facts), looks_of(facts)
        tested = ~np.isnan(above)
        return cls(
            above=above,
            below=np.where(tested, np.nan_to_num(below, nan=1.0), np.nan),
            mean=column["mean"],
            ci_low=column["ci_low"],
            df=column["df"],
            equal=(column["status"] == "zero_variance") & (facts["criterion"] == "mean"),
            alpha=float(facts["alpha"]) / looks,
            looks=looks,
            verdict=np.where(tested, _verdict(column, compared), "").astype(object),
            status=column["status"],
        )

    @property
    def tested_mean(self) -> Floats:
        """Mean score, NaN where the cell is not tested."""
        return np.where(np.isnan(self.above), np.nan, self.mean)

    def low(self, level: float) -> Floats:
        """Return the lower confidence bound of the mean at another level, (cell,).

        ``mean - t_{df,1-alpha} se``, so the standard error follows from the bound of the report;
        equal scores have ``mean alpha^(1/units)``.

        Parameters
        ----------
        level
            What takes the place of alpha.
        """
        level = level / self.looks
        with np.errstate(divide="ignore", invalid="ignore"):
            error = (self.mean - self.ci_low) / stats.t.isf(self.alpha, self.df)
            by_t = self.mean - stats.t.isf(level, self.df) * error
            units = np.log(self.alpha) / np.log(self.ci_low / self.mean)
            of_equal = np.where(self.mean > 0, self.mean * level ** (1 / units), self.ci_low)
        return np.asarray(np.where(self.equal, of_equal, by_t), np.float64)


def compared_with_position(tables: list[pd.DataFrame], label: str) -> Bools:
    """Return for which cells the role is one of word pairs that must go beyond position, (cell,).

    Those of the roles that any of the studies compares, if the label is ``"beyond_position"``.
    """
    roles = tables[0]["role"]
    if label != "beyond_position":
        return np.zeros(len(roles), np.bool_)
    found = {role for table in tables for role in table["role"][table["beyond_position"] != ""]}
    return np.asarray(roles.isin(found), np.bool_)


def _verdict(column: dict[str, npt.NDArray[Any]], compared: Bools) -> Texts:
    """Return the verdict of a report, of the role and of position together where compared."""
    role, position = column["verdict"], column["beyond_position"]
    has = (role == HAS) & (position == HAS)
    has_not = (role == HAS_NOT) | (position == HAS_NOT)
    return np.where(compared, np.select([has, has_not], [HAS, HAS_NOT], UNDECIDED), role)
