"""Options of what reads the labels of a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from headscore.declarations import Options, option
from headscore.options.test import AdjustOptions, ClusterOptions

TAUS = (1.0, 1.5, 2.0, 2.5, 3.0, 3.5)  # tried by Pande et al. (2021)


@dataclass(frozen=True, kw_only=True)
class LabelOptions(Options):
    """Which labels are read."""

    label: str = option(
        "label",
        "the labels; label_unadjusted: without adjustment; beyond_position: in roles of word pairs "
        "only the labels that go beyond position, in other roles all; matched: likewise those that "
        "go beyond a control of labels",
        allowed=("label", "label_unadjusted", "beyond_position", "matched"),
    )

    def __post_init__(self) -> None:
        # An older name of the same labels; the group is frozen, so it is set past its guard.
        if isinstance(self.label, str) and self.label == "label_paper":
            object.__setattr__(self, "label", "label_unadjusted")
        super().__post_init__()


@dataclass(frozen=True, kw_only=True)
class PermutationOptions(LabelOptions):
    """How the layers of labels are compared with those of shuffled labels."""

    permutations: int = option(10_000, "shuffles", least=1)
    seed: int = option(
        0,
        "seed of the shuffles",
        least=0,
    )


# A mapping would be a threshold per role, which a curve over thresholds does not take.
def _are_taus(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | Mapping)


@dataclass(frozen=True, kw_only=True)
class CurveOptions(AdjustOptions, ClusterOptions, LabelOptions):
    """What `headscore.tau_curve` takes."""

    label: str = option(
        "label",
        "the labels; label_unadjusted: without adjustment",
        allowed=("label", "label_unadjusted"),
    )
    taus: Iterable[float] = option(
        TAUS, "thresholds on the mean score", rule="be a list of thresholds", accepts=_are_taus
    )
