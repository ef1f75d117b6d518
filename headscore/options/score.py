"""Options of `score` and `analyze`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Any

from headscore.declarations import Options, option
from headscore.errors import UsageError
from headscore.options.read import CorpusOptions
from headscore.options.run import HostOptions, LoadOptions, ProgressOptions, RunOptions
from headscore.options.test import TestOptions

LOOKS = "looks"  # fact of scores: the number of looks that were planned, where a run may stop
DECIDED = "decided"  # value of `until`: every test is
_SEED = "seed of the sample, and of the order in which `until` reads documents"


@dataclass(frozen=True, kw_only=True)
class ScoreOptions(CorpusOptions, LoadOptions, RunOptions, HostOptions, ProgressOptions):
    """How a corpus is scored."""

    roles: str | Iterable[Any] = option("paper", "role specs, or specs and `Role` objects")
    keep_scores: str = option(
        "auto",
        "where scores are kept; auto: in memory up to 1 GiB, else in a file that is mapped into "
        "memory, in the folder for temporary files",
        allowed=("auto", "memory", "disk"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        # The group is frozen, so the labels that roles and control name are set past its guard.
        asked = (*self.labels, *_labels_of(self.roles), *self.control_columns)
        object.__setattr__(self, "labels", tuple(dict.fromkeys(asked)))


def _labels_of(roles: object) -> list[str]:
    """Return the columns of the roles ``label:COLUMN`` among specs and `Role` objects."""
    items = roles.split(",") if isinstance(roles, str) else roles
    if not isinstance(items, list | tuple):  # one role, or what is refused later
        items = (items,)
    names = [str(getattr(item, "name", item)).strip() for item in items]
    columns = [name.removeprefix("label:") for name in names if name.startswith("label:")]
    return [column for each in columns if (column := each.partition("=")[0])]


def _is_until(value: object) -> bool:
    if isinstance(value, Real) and not isinstance(value, bool):
        return 0 < float(value) <= 1
    return value is None or value == DECIDED


@dataclass(frozen=True, kw_only=True)
class StopOptions(Options):
    """When a run stops before the end of its corpus."""

    until: str | float | None = option(
        None,
        "read documents in random order, until every test is decided or, for a number of at most "
        "1, this share of them; the tests are those of `test` at alpha over the number of looks",
        rule=f"be None, '{DECIDED}' or a number above 0 and at most 1",
        accepts=_is_until,
        unset="the whole corpus is read, in its order",
    )
    seed: int = option(0, _SEED, least=0)

    @property
    def share(self) -> float:
        """The share of the tests that must be decided."""
        return float(self.until) if isinstance(self.until, Real) else 1.0


@dataclass(frozen=True, kw_only=True)
class UntilOptions(ScoreOptions, StopOptions, TestOptions):
    """What `headscore.score` takes; options of the test only with until."""

    seed: int = option(0, _SEED, least=0)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.until is None and self.sample is None and self.seed != StopOptions.seed:
            raise UsageError(f"seed must be left out without until or sample, got {self.seed!r}")


@dataclass(frozen=True, kw_only=True)
class AnalyzeOptions(UntilOptions):
    """What `headscore.analyze` takes."""

    keep_scores: str = option(
        "auto",
        "as in `score`; none: scores are added up as they come and not kept. The table is "
        "that of clusters None, to the bit; clusters must be auto or None, and criterion mean",
        allowed=("auto", "memory", "disk", "none"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.keep_scores == "none" and self.control_columns:
            raise UsageError(f"keep_scores 'none' needs control 'offset', got {self.control!r}")
