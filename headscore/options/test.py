"""Options of tests."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from headscore.declarations import Options, option, probability
from headscore.errors import UsageError
from headscore.options.checks import is_among_or_ids

# One threshold for all roles, or role name -> threshold.
Thresholds: TypeAlias = float | Mapping[str, float]
# Values of `clusters`: the documents of the corpus; these where they are known; none.
DOCUMENT, AUTO, NONE = "document", "auto", "none"
MAXT = "maxt"  # value of `adjust`
BY_PVALUES = ("holm", "bh", "by", "none")  # values of `adjust` that need p-values alone
FLIPS = 10_000  # of the signs of units, for `MAXT`: no p-value is below 1 / FLIPS
LEAST_ALPHA = 10 / FLIPS  # for `MAXT`
ATTAINED = "attained"  # value of `criterion`


@dataclass(frozen=True, kw_only=True)
class AdjustOptions(Options):
    """How p-values become labels."""

    alpha: float = probability(0.05, "significance level of the tests")
    adjust: str = option(
        "holm",
        "correction for the number of tests; maxt: by flipping the signs of whole units, which "
        "counts cells that depend on each other as fewer",
        allowed=("holm", "bh", "by", MAXT, "none"),
    )
    ddof: int = option(
        1,
        "1: the unbiased variance; 0: divide by n, for comparison with the authors' notebooks",
        allowed=(0, 1),
        rule="be 0 or 1",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.adjust == MAXT and self.alpha < LEAST_ALPHA:
            raise UsageError(
                f"alpha must be at least {LEAST_ALPHA:g} where adjust is {MAXT}, got {self.alpha!r}"
            )


@dataclass(frozen=True, kw_only=True)
class ClusterOptions(Options):
    """What is independent of each other."""

    clusters: str | Iterable[Hashable] | None = option(
        AUTO,
        "unit of independence; document: sequences of one document may depend on each other; "
        "auto: documents if every sequence has one and there are at least 10; or a cluster id for "
        "each sequence; None or none: all sequences are independent",
        rule='be "auto", "document", "none", None or an id for each sequence',
        accepts=is_among_or_ids((DOCUMENT, AUTO, NONE)),
    )


@dataclass(frozen=True, kw_only=True)
class EffectOptions(AdjustOptions, ClusterOptions):
    """How the effects of an experiment are tested."""


@dataclass(frozen=True, kw_only=True)
class TestOptions(AdjustOptions, ClusterOptions):
    """How means are tested."""

    __test__ = False  # keeps pytest from collecting the class by its name

    tau: Thresholds = option(
        3.0,
        "threshold on the mean score: one number, or one for each role, where ``*`` stands for "
        'the others: ``{"*": 3, "local": 2}``',
    )
    criterion: str = option(
        "mean",
        "what must exceed tau; attained: ``(mean - 1) / (attainable - 1)``, then tau lies "
        "between 0 and 1",
        allowed=("mean", "attained"),
    )


@dataclass(frozen=True, kw_only=True)
class SelectOptions(Options):
    """Which part of the scores is tested; adjustment is over this part alone."""

    roles: Any = option(
        None,
        "role specs, or a list of them, of those in the scores",
        unset="all roles of the scores",
    )
    where: Any = option(
        None,
        "True or False for each sequence, or a function that returns it for the id of one",
        unset="all sequences",
    )


@dataclass(frozen=True, kw_only=True)
class TestSomeOptions(SelectOptions, TestOptions):
    """What `headscore.test` takes."""

    __test__ = False
