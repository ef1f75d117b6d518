"""Tallying: the scores of a corpus that come part by part, added up and dropped."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headscore.errors import UsageError
from headscore.log import log
from headscore.report.report import Report
from headscore.roles.presence import Seen
from headscore.scores import provenance
from headscore.scores.parts import Part, Whole
from headscore.statistics import beyond_position
from headscore.statistics import t_test as statistics
from headscore.statistics.criterion import Criterion
from headscore.statistics.merge_tree import BLOCK, Stream, merge, stream, total
from headscore.statistics.moments import Moments, summarise
from headscore.statistics.summary import Summary
from headscore.statistics.units import sequences


@dataclass(frozen=True, eq=False)
class Tallying:
    """A test of scores that are added up as they come.

    Attributes
    ----------
    criterion
        What is tested, without an allowance.
    alpha, adjust, ddof
        As in `headscore.test`.
    """

    criterion: Criterion
    alpha: float
    adjust: str
    ddof: int

    @classmethod
    def of(
        cls,
        roles: Sequence[str],
        *,
        tau: statistics.Thresholds = 3.0,
        alpha: float = 0.05,
        adjust: str = "holm",
        ddof: int = 1,
        clusters: object = None,
        criterion: str = "mean",
    ) -> Tallying:
        """Make it of what `headscore.test` takes.

        Raises
        ------
        UsageError
            The test needs the score of each sequence, or an option has a value that is not allowed.
        """
        if clusters is not None:
            raise UsageError(f"keep_scores 'none' needs clusters None, got {clusters!r}")
        if criterion != "mean":
            raise UsageError(f"keep_scores 'none' needs criterion 'mean', got {criterion!r}")
        statistics.check_options(alpha=alpha, adjust=adjust, ddof=ddof)
        return cls(statistics.criterion_of(criterion, tau, roles, None), alpha, adjust, ddof)

    def collect(self, parts: Iterable[Part], counts: Counter[str], seen: Seen) -> Summary | None:
        """Add up the parts of a corpus; see `tally_parts`."""
        log.warning(
            "the scores of each sequence are added up and not kept: no intervals, no comparison"
        )
        return tally_parts(parts, self.criterion, counts, seen, ddof=self.ddof)

    def report(self, summary: Summary) -> Report:
        """Test what the scores add up to."""
        return Report.from_summary(
            summary, self.criterion, alpha=self.alpha, adjust=self.adjust, ddof=self.ddof
        )


def tally_parts(
    parts: Iterable[Part],
    criterion: Criterion,
    counts: Counter[str],
    seen: Seen,
    *,
    ddof: int = 1,
) -> Summary | None:
    """Sum up the scores of the parts of a corpus, in order, holding one part at a time.

    Parameters
    ----------
    parts
        With the same roles, layers and heads.
    criterion
        What is tested, without an allowance.
    counts, seen
        As in `headscore.scores.parts.gather`.
    ddof
        As in `headscore.statistics.moments.moments`.

    Returns
    -------
    Summary
        To the bit that of the scores, had they been kept; None where no part has any.
    """
    whole = Whole()
    tokens: list[npt.NDArray[np.uint64]] = []
    cells = beyond = None
    compared = False
    for scores in whole.join(parts, counts, seen):
        if scores.tokens is not None:
            tokens.append(scores.tokens)
        if cells is None or beyond is None:
            on_ratios = beyond_position.criterion(len(scores.roles))
            cells, beyond = _Tallies(criterion, evalues=True), _Tallies(on_ratios)
        cells.add(scores.values, scores.attainable)
        compared |= scores.beyond is not None
        beyond.add(np.full_like(scores.values, np.nan) if scores.beyond is None else scores.beyond)
        del scores  # before the next ones are made
    if cells is None or beyond is None:
        return None
    if tokens:
        counts.update(provenance.duplicates(np.concatenate(tokens)))
    moments, ratios = (each.moments(ddof) for each in (cells, beyond))
    return Summary(
        whole.roles,
        {**whole.facts, "corpus": whole.corpus()},
        dict(sorted(counts.items())),
        whole.n_sequences,
        moments,
        sequences(moments),
        ratios if compared else None,
        sequences(ratios) if compared else None,
        whole.sums.get("overlap"),
        whole.heads,
        whole.sums.get("hidden"),
    )


class _Tallies:
    """Tallies of rows that come a few at a time; what fills no block waits for the next."""

    def __init__(self, criterion: Criterion, *, evalues: bool = False) -> None:
        self._criterion, self._evalues = criterion, evalues
        self._stream = Stream({})
        self._rest: list[npt.NDArray[Any] | None] = []
        self._start = 0

    def add(
        self, values: npt.NDArray[np.float32], attainable: npt.NDArray[np.float32] | None = None
    ) -> None:
        """Add the next rows."""
        rows: list[npt.NDArray[Any] | None] = [values, attainable]
        if self._rest:
            rows = [_joined(*both) for both in zip(self._rest, rows, strict=True)]
        assert rows[0] is not None
        blocks = len(rows[0]) // BLOCK * BLOCK
        self._tally([None if each is None else each[:blocks] for each in rows])
        self._rest = [None if each is None else each[blocks:].copy() for each in rows]

    def moments(self, ddof: int) -> Moments:
        """Return the moments of all rows."""
        self._tally(self._rest)
        return summarise(total(self._stream), self._criterion, ddof=ddof)

    def _tally(self, rows: list[npt.NDArray[Any] | None]) -> None:
        values, attainable = rows
        assert values is not None
        tallied = stream(
            values, attainable, self._criterion, start=self._start, evalues=self._evalues
        )
        self._stream = merge(self._stream, tallied)
        self._start += len(values)


def _joined(
    first: npt.NDArray[Any] | None, second: npt.NDArray[Any] | None
) -> npt.NDArray[Any] | None:
    return None if first is None or second is None else np.concatenate([first, second])
