"""Options of what takes several runs: `compare`, `replicate` and `trajectory`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from headscore.declarations import option, or_none
from headscore.errors import UsageError
from headscore.options.checks import are_names, is_among_or_ids
from headscore.options.labels import LabelOptions
from headscore.options.test import (
    ATTAINED,
    BY_PVALUES,
    MAXT,
    AdjustOptions,
    ClusterOptions,
    TestOptions,
    Thresholds,
)

TAU_ATTAINED = 0.2  # of what is attainable, where a comparison is by `ATTAINED`
PARTS = ("genre", "length")  # values of `by`


def _are_two_names(value: object) -> bool:
    return are_names(value) and len(value) == 2 and value[0] != value[1]


@dataclass(frozen=True, kw_only=True)
class CompareOptions(AdjustOptions, ClusterOptions):
    """What `headscore.compare` takes."""

    paired: bool = option(
        True,
        "both sides are of the same sequences; False: of two corpora, or two conditions of one, "
        "whose means are compared by Welch's test over documents",
    )
    names: Any = option(
        None,
        "names of the two sides, for texts and pages",
        rule="be two different texts",
        accepts=or_none(_are_two_names),
        unset="before and after",
    )
    criterion: str | None = option(
        None,
        "what must exceed tau on each side, and what is compared where sides are not paired: mean "
        "scores grow with the length of sequences, attained allows for that",
        allowed=(None, "mean", ATTAINED),
        rule="be None, mean or attained",
        unset="mean; attained where paired is False",
    )
    tau: Thresholds | None = option(
        None,
        "threshold on the mean score or the attained share, as in `test`",
        unset="3; 0.2 where criterion is attained",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.paired and self.adjust == MAXT:
            raise UsageError(
                f"adjust must be one of {', '.join(BY_PVALUES)} where paired is False, got {MAXT!r}"
            )

    @property
    def of_sides(self) -> TestOptions:
        """The options of the tests of each side, with their defaults filled in."""
        criterion = self.criterion or ("mean" if self.paired else ATTAINED)
        usual = TAU_ATTAINED if criterion == ATTAINED else TestOptions.tau
        return TestOptions(
            alpha=self.alpha,
            adjust=self.adjust,
            ddof=self.ddof,
            clusters=self.clusters,
            criterion=criterion,
            tau=usual if self.tau is None else self.tau,
        )


@dataclass(frozen=True, kw_only=True)
class ReplicateOptions(TestOptions):
    """What `headscore.replicate` takes."""

    at_least: int | None = option(
        None,
        "studies in which a head must have the role",
        least=1,
        unset="all studies",
    )
    by: Any = option(
        None,
        "make the studies of one corpus; genre: what stands before the first hyphen of the names "
        "of its documents; length: thirds by tokens; or a label for each sequence, None to leave "
        "it out",
        rule='be None, "genre", "length" or a label for each sequence',
        accepts=is_among_or_ids(PARTS),
        unset="each study is a corpus or a model of its own",
    )
    aligned: bool = option(True, "head h of one study is head h of every other")
    label: str = option(
        "label",
        "what is replicated; beyond_position: in roles of word pairs only what goes beyond "
        "position",
        allowed=("label", "beyond_position"),
    )
    adjust: str = option(
        AdjustOptions.adjust,
        "correction for the number of cells; of these only holm covers all numbers of studies "
        "at once",
        allowed=BY_PVALUES,
    )


@dataclass(frozen=True, kw_only=True)
class TrajectoryOptions(TestOptions, LabelOptions):
    """What `headscore.trajectory` takes."""

    label: str = option(
        "label",
        "what a head has; label: a mean score above tau; beyond_position: in roles of word pairs "
        "also more attention than position explains",
        allowed=("label", "beyond_position"),
    )
    adjust: str = option(
        AdjustOptions.adjust,
        "correction for the number of cells; of these only holm covers all steps at once",
        allowed=BY_PVALUES,
    )
