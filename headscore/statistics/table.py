"""The table of a report: one row per (layer, head, role)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from headscore.arrays import Bools
from headscore.corpus.naming import CORPUS_NAME
from headscore.options import AdjustOptions
from headscore.statistics.adjust import robust
from headscore.statistics.beyond_position import BeyondPosition, beyond_position
from headscore.statistics.columns import Columns
from headscore.statistics.criterion import Criterion
from headscore.statistics.flags import flags
from headscore.statistics.looks import at_each, spent
from headscore.statistics.matched import BeyondMatched, beyond_matched
from headscore.statistics.max_t import adjust_units, level_of_units
from headscore.statistics.status import STATUSES, statuses
from headscore.statistics.summary import Summary
from headscore.statistics.t_test import TTest, t_test
from headscore.statistics.verdict import HAS, OR_NONE, verdicts

COLUMNS = Columns(
    {
        # What one reads first; the names of corpus and model, the same in all rows, come last.
        "role": "str",
        "layer": "int64",
        "head": "int64",
        "mean": "float64",
        "ci_low": "float64",
        "verdict": "str",
        "position_mean": "float64",
        "beyond_position": "str",
        "beyond_odds": "float64",
        "matched": "str",
        "matched_ratio": "float64",
        "n": "int64",
        "n_clusters": "int64",
        "n_effective": "float64",
        "deff": "float64",
        "coverage": "float64",
        "sd": "float64",
        "skew": "float64",
        "attainable": "float64",
        "attained": "float64",
        "attained_low": "float64",
        "attained_high": "float64",
        "share_above": "float64",
        "tau": "float64",
        "statistic": "float64",
        "df": "float64",
        "pvalue": "float64",
        "pvalue_adj": "float64",
        "pvalue_below": "float64",
        "pvalue_skew": "float64",
        "log_evalue": "float64",
        "label": "bool",
        "label_unadjusted": "bool",
        "robust": "bool",
        "beyond_pvalue": "float64",
        "beyond_pvalue_below": "float64",
        "matched_share": "float64",
        "matched_pvalue": "float64",
        "status": "str",
        "flags": "str",
        "corpus": "str",
        "model": "str",
    },
    optional=(
        *("pvalue_below", "beyond_pvalue_below"),
        *("matched_share", "matched_ratio", "matched_pvalue", "matched"),
        "corpus",
    ),
    allowed={
        **dict.fromkeys(("verdict", "beyond_position", "matched"), OR_NONE),
        "status": STATUSES,
    },
)
_HALF_PRECISION = ("bfloat16", "float16")


def make_table(summary: Summary, criterion: Criterion, options: AdjustOptions) -> pd.DataFrame:
    """Test every head of the scores in every role.

    Of scores that one of several looks may have stopped, `pvalue_adj` holds for all looks, and
    everything else is decided at alpha over their number, see `headscore.statistics.looks`.

    Parameters
    ----------
    summary
        The moments of each cell, and the facts of the scores.
    criterion
        The thresholds of the means.
    options
        How p-values become labels.

    Returns
    -------
    pandas.DataFrame
        The columns of `COLUMNS`; rows in the order of the roles, then layers, then heads.
    """
    cells, units, facts = summary.cells, summary.units, summary.facts
    each = at_each(options, facts)
    tau = criterion.thresholds(cells.attainable)
    status = statuses(cells, units, tau, heads__l=summary.heads, invisible__rl=summary.hidden)
    tested = t_test(cells, units, status, criterion, alpha=each.alpha)
    adjusted = adjust_units(tested.pvalue, options.adjust, summary.sums)
    level = level_of_units(tested.pvalue, adjusted, each.alpha, options.adjust)
    pvalue_adj = spent(adjusted, facts)
    label = pvalue_adj <= options.alpha
    beyond = _beyond_position(summary, tested, label, each)
    matched = _beyond_matched(summary, tested, label, beyond, each)
    columns = {
        **_names(summary, status.shape),
        **_described(summary),
        "attained_low": tested.attained_low,
        "attained_high": tested.attained_high,
        "tau": tau,
        "statistic": tested.statistic,
        "df": tested.df,
        "pvalue": tested.pvalue,
        "pvalue_adj": pvalue_adj,
        "pvalue_below": tested.pvalue_below,
        "ci_low": tested.ci_low,
        "pvalue_skew": tested.pvalue_skew,
        "log_evalue": units.log_evalue,
        "label": label,
        "verdict": verdicts(label, tested.pvalue_below, each),
        "label_unadjusted": tested.pvalue <= each.alpha,
        "robust": label & robust(tested, units.log_evalue, each),
        "position_mean": beyond.position_mean,
        "beyond_odds": beyond.odds,
        "beyond_pvalue": beyond.pvalue,
        "beyond_pvalue_below": beyond.pvalue_below,
        "beyond_position": beyond.state,
        "matched_share": matched.share,
        "matched_ratio": matched.ratio,
        "matched_pvalue": matched.pvalue,
        "matched": matched.state,
        "status": status,
        "flags": flags(cells, units, tested, status, tau, level=level, tolerance=_tolerance(facts)),
    }
    return COLUMNS.frame({name: column.ravel() for name, column in columns.items()})


def _beyond_position(
    summary: Summary, tested: TTest, label: Bools, options: AdjustOptions
) -> BeyondPosition:
    """Test each cell against position; missing where the excess is unknown."""
    shape = summary.cells.n.shape
    if summary.excess is None:
        unknown = np.full(shape, np.nan)
        return BeyondPosition(unknown, unknown, unknown, unknown, np.full(shape, "", object))
    return beyond_position(summary.excess, tested.pvalue, label, options)


def _beyond_matched(
    summary: Summary,
    tested: TTest,
    label: Bools,
    beyond: BeyondPosition,
    options: AdjustOptions,
) -> BeyondMatched:
    """Test each cell against matched controls; missing where there are none."""
    if summary.matched is None:
        unknown = np.full(label.shape, np.nan)
        return BeyondMatched(unknown, unknown, unknown, np.full(label.shape, "", object))
    if summary.excess is None:
        return beyond_matched(summary.matched, tested.pvalue, label, label, options)
    both = np.maximum(tested.pvalue, beyond.pvalue)
    return beyond_matched(summary.matched, both, label, beyond.state == HAS, options)


def _names(summary: Summary, shape: tuple[int, ...]) -> dict[str, npt.NDArray[Any]]:
    """Return the columns that identify the head and role of a row."""
    # Raveled in C order these run as the rows do: roles, then layers, then heads.
    role, layer, head = np.indices(shape)
    return {
        "corpus": np.full(shape, _corpus(summary.facts), dtype=object),
        "model": np.full(shape, summary.facts.get("model", ""), dtype=object),
        "layer": layer,
        "head": head,
        "role": np.array(summary.roles, dtype=object)[role],
    }


def _corpus(facts: Mapping[str, str]) -> str:
    """Return the name of the corpus; its hash where it has none."""
    return facts.get(CORPUS_NAME, facts.get("corpus", ""))


def _tolerance(facts: Mapping[str, str]) -> float:
    """Return the relative error of a score at the precision of the run."""
    # 2e-3 is about 2^-9, the rounding error of bfloat16 (eight significant bits).
    return 2e-3 if facts.get("dtype", "").endswith(_HALF_PRECISION) else 1e-5


def _described(summary: Summary) -> dict[str, npt.NDArray[Any]]:
    """Return the columns that describe the scores of a cell, without a test."""
    cells, units = summary.cells, summary.units
    return {
        "n": cells.n,
        "n_clusters": units.n,
        "n_effective": units.effective,
        "deff": units.deff,
        "coverage": cells.n / summary.n_sequences,
        "mean": cells.mean,
        "sd": cells.sd,
        "skew": cells.skew,
        "attainable": cells.attainable,
        "attained": cells.attained,
        "share_above": cells.share_above,
    }
