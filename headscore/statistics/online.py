"""Online summary: tally the scores of each part of a corpus and discard them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headscore.arrays import Ints
from headscore.errors import UsageError
from headscore.log import log
from headscore.options import AUTO, MAXT, NONE, TestOptions
from headscore.roles.presence import Presence
from headscore.scores.head_scores import HeadScores
from headscore.scores.parts import Part, Totals
from headscore.scores.repeats import Repeats
from headscore.statistics.beyond_position import Excess
from headscore.statistics.clusters import Clusters
from headscore.statistics.criterion import Criterion, criterion_of
from headscore.statistics.merge_tree import BLOCK, TallyTree, join_trees, tally_blocks, total
from headscore.statistics.moments import Moments, summarise
from headscore.statistics.summary import Summary
from headscore.statistics.units import sequences


def online_criterion(options: TestOptions, roles: Sequence[str]) -> Criterion:
    """Return the criterion of a test that keeps no scores.

    Raises
    ------
    UsageError
        The test needs the score of each sequence, or a threshold is not allowed.
    """
    clusters = options.clusters
    # An array of ids is compared with texts element by element: look at the type first.
    if clusters is not None and not (isinstance(clusters, str) and clusters in (AUTO, NONE)):
        raise UsageError(f"keep_scores 'none' needs clusters 'auto' or None, got {clusters!r}")
    if options.criterion != "mean":
        raise UsageError(f"keep_scores 'none' needs criterion 'mean', got {options.criterion!r}")
    if options.adjust == MAXT:
        raise UsageError(f"keep_scores 'none' needs another adjust than {MAXT!r}")
    return criterion_of(options, roles, None)


def summarise_parts(
    parts: Iterable[Part],
    counts: Counter[str],
    presence: Presence,
    *,
    criterion: Criterion,
    ddof: int = TestOptions.ddof,
) -> Summary | None:
    """Return the summary of the parts of a corpus, in order, holding one part at a time.

    Memory does not grow with the number of sequences.

    Parameters
    ----------
    parts
        With the same roles, layers and heads.
    counts, presence
        As in `headscore.scores.parts.gather`.
    criterion
        The criterion of the test, without an allowance.
    ddof
        As in `headscore.statistics.moments.moments`.

    Returns
    -------
    Summary
        Bit-identical to the summary of kept scores; None where no part has scores.
    """
    log.warning(
        "the scores of each sequence are added up and not kept: no intervals, no comparison, and "
        "p-values take sequences as independent, also those of one document"
    )
    totals = Totals()
    repeats = Repeats()
    added: _Added | None = None
    for scores in totals.join(parts, counts, presence):
        if scores.tokens is not None:
            repeats.add(scores.tokens)
        added = added or _Added(criterion, len(scores.roles))
        added.add(scores)
        del scores  # before the next ones are made
    if added is None:
        return None
    counts.update(repeats.counts())
    cells = added.scores.moments(ddof)
    return Summary(
        roles=totals.roles,
        facts={**totals.facts, "corpus": totals.corpus()},
        counts=dict(sorted(counts.items())),
        n_sequences=totals.n_sequences,
        cells=cells,
        units=sequences(cells, criterion),
        excess=added.over_position(totals.sums.get("position_sums"), ddof),
        overlap=totals.sums.get("overlap"),
        heads=totals.heads,
        hidden=totals.sums.get("hidden"),
        clusters=Clusters.none("their scores were not kept"),
    )


class _Added:
    """The tallies of the scores and of their excess over position, grown chunk by chunk."""

    def __init__(self, criterion: Criterion, n_roles: int) -> None:
        self._on_excess = Criterion.above_zero(n_roles)
        self.scores = _Tallies(criterion, evalues=True)
        self._excess, self._compared = _Tallies(self._on_excess), False

    def add(self, scores: HeadScores) -> None:
        """Add the scores of the next chunk."""
        self.scores.add(scores.values, scores.attainable)
        self._compared |= scores.excess is not None
        # A chunk without comparisons adds NaN rows, to keep the block boundaries of both equal.
        nothing = np.full_like(scores.values, np.nan)
        self._excess.add(nothing if scores.excess is None else scores.excess)

    def over_position(self, sums: Ints | None, ddof: int) -> Excess | None:
        """Return the excess over position; None where no chunk has a comparison."""
        if not self._compared:
            return None
        cells = self._excess.moments(ddof)
        return Excess(cells, sequences(cells, self._on_excess), sums)


class _Tallies:
    """Tallies of rows added in any portions; rows that fill no block wait for the next ones."""

    def __init__(self, criterion: Criterion, *, evalues: bool = False) -> None:
        self._criterion, self._evalues = criterion, evalues
        self._tree = TallyTree({})
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
        # Only whole blocks are tallied; the rest is copied, so that the chunk itself can be freed.
        blocks = len(rows[0]) // BLOCK * BLOCK
        self._tally([None if each is None else each[:blocks] for each in rows])
        self._rest = [None if each is None else each[blocks:].copy() for each in rows]

    def moments(self, ddof: int) -> Moments:
        """Return the moments of all rows."""
        self._tally(self._rest)
        return summarise(total(self._tree), self._criterion, ddof=ddof)

    def _tally(self, rows: list[npt.NDArray[Any] | None]) -> None:
        values, attainable = rows
        assert values is not None
        tallied = tally_blocks(
            values, attainable, self._criterion, start=self._start, evalues=self._evalues
        )
        self._tree = join_trees(self._tree, tallied)
        self._start += len(values)


def _joined(
    first: npt.NDArray[Any] | None, second: npt.NDArray[Any] | None
) -> npt.NDArray[Any] | None:
    return None if first is None or second is None else np.concatenate([first, second])
