"""Options of what resamples units: `intervals` and `power_curve`."""

from __future__ import annotations

from collections.abc import Iterable, Sized
from dataclasses import dataclass

from headscore.declarations import is_whole, option, or_none, probability
from headscore.options.test import BY_PVALUES, AdjustOptions, ClusterOptions, TestOptions

LEAST_SIZE = 8  # units of a corpus: with fewer no head is tested


@dataclass(frozen=True, kw_only=True)
class IntervalOptions(ClusterOptions):
    """What `headscore.intervals` takes."""

    level: float = probability(0.95, "coverage of the two-sided intervals")
    resamples: int = option(
        2000,
        "bootstrap draws; memory: 8 bytes a draw and cell",
        least=100,
    )
    seed: int = option(0, "seed of the draws", least=0)


# A generator would be used up by this check.
def _are_sizes(value: object) -> bool:
    if not isinstance(value, Iterable) or not isinstance(value, Sized) or isinstance(value, str):
        return False
    return len(value) > 0 and all(map(is_whole(LEAST_SIZE), value))


@dataclass(frozen=True, kw_only=True)
class PowerOptions(TestOptions):
    """What `headscore.power_curve` takes."""

    documents: Iterable[int] | None = option(
        None,
        "sizes of the corpora: numbers of documents, or of sequences where no documents are known",
        rule=f"be a list of whole numbers of at least {LEAST_SIZE}",
        accepts=or_none(_are_sizes),
        unset="a quarter, half, once, twice and four times those of the pilot",
    )
    resamples: int = option(
        200,
        "corpora that are drawn of each size; memory: 240 bytes a size, draw and cell",
        least=20,
    )
    seed: int = option(0, "seed of the draws", least=0)
    power: float = probability(0.8, "probability to label a head at the size that it needs")
    adjust: str = option(
        AdjustOptions.adjust,
        "correction for the number of tests",
        allowed=BY_PVALUES,
    )
