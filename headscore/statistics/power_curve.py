"""Power from a pilot: the whole test on corpora that are drawn from its units."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headscore.arrays import Bools, Floats, Ints
from headscore.options import LEAST_SIZE, PowerOptions
from headscore.scores.head_scores import HeadScores
from headscore.statistics.adjust import adjust, robust
from headscore.statistics.clusters import Clusters
from headscore.statistics.criterion import Criterion
from headscore.statistics.draws import drawn_once, drawn_twice
from headscore.statistics.known_mean import known_mean
from headscore.statistics.resampled import Resampled
from headscore.statistics.status import statuses
from headscore.statistics.t_test import t_test
from headscore.statistics.unit_sums import unit_sums
from headscore.statistics.verdict import HAS_NOT, UNDECIDED, verdicts

STATES = ("labels", "robust", "has_not", "undecided")
SHARES = (0.25, 0.5, 1, 2, 4)  # of the units of the pilot, where no sizes are given


@dataclass(frozen=True, eq=False, kw_only=True)
class Draws:
    """What tests of the corpora that were drawn find.

    Attributes
    ----------
    documents
        int64 (size,), units of the corpora of each size.
    sequences
        (size,), mean number of their sequences.
    coverage, deff
        (size, role), means over draws and cells: the share of sequences that take part, and the
        design effect; NaN where there is none.
    once, twice
        int64 (size, draw, role, state), cells in each of `STATES`: of corpora drawn from the pilot,
        and of corpora drawn from one that was itself drawn from the pilot.
    power
        (size, role, layer, head), share of the latter with a label.
    """

    documents: Ints
    sequences: Floats
    coverage: Floats
    deff: Floats
    once: Ints
    twice: Ints
    power: Floats


def sizes_of(options: PowerOptions, n_units: int) -> Ints:
    """Return the sizes that the options ask for, in order; the default is of a pilot of n units."""
    asked = [round(n_units * share) for share in SHARES]
    if options.documents is not None:
        asked = [int(n) for n in options.documents]
    return np.unique([n for n in asked if n >= LEAST_SIZE])


def draw_corpora(
    scores: HeadScores, clusters: Clusters, criterion: Criterion, options: PowerOptions
) -> Draws:
    """Draw corpora of each size from the units of a pilot, and test them.

    Time grows with draws x units x cells; memory is that of the numbers of each draw and cell, see
    `headscore.statistics.resampled.Resampled`, and of a role of the scores in float64.

    Parameters
    ----------
    scores, clusters
        The pilot, and its units.
    criterion
        The criterion of its test.
    options
        Sizes, draws and the test.
    """
    codes = clusters.units(len(scores.values))
    size_of_unit = np.bincount(codes).astype(np.float64)
    documents = sizes_of(options, len(size_of_unit))
    # For each size the draws of both kinds; the generator of a size does not depend on the others.
    counts = np.concatenate(
        [
            draw(rng, len(size_of_unit), int(size), options.resamples)
            for size in documents
            for rng in [np.random.default_rng([options.seed, int(size)])]
            for draw in (drawn_once, drawn_twice)
        ]
    )
    units = unit_sums(scores, clusters, criterion)
    resampled = Resampled.of(units, counts, scores.values.shape[1:], criterion, ddof=options.ddof)
    # (size, kind, draw, ...) from here on.
    kinds = len(documents), 2, options.resamples
    counted, label = _test(resampled, criterion, options)
    counted = counted.reshape(*kinds, *counted.shape[1:])
    n_sequences = counts @ size_of_unit
    covered = resampled.found["n"] / n_sequences[:, None, None, None]
    return Draws(
        documents=documents,
        sequences=n_sequences.reshape(kinds)[:, 0].mean(axis=1),
        coverage=_mean_of_roles(_first(covered, kinds)),
        deff=_mean_of_roles(_first(resampled.found["deff"], kinds)),
        once=counted[:, 0],
        twice=counted[:, 1],
        power=label.reshape(*kinds, *label.shape[1:])[:, 1].mean(axis=1),
    )


def _first(numbers: Floats, kinds: tuple[int, int, int]) -> Floats:
    """Return the numbers of the draws of the first kind, (size, draw, ...)."""
    return numbers.reshape(*kinds, *numbers.shape[1:])[:, 0]


def _test(resampled: Resampled, criterion: Criterion, options: PowerOptions) -> tuple[Ints, Bools]:
    """Return the cells in each state, (draw, role, state), and which cells have a label."""
    n_draws, *shape = resampled.found["n"].shape
    counted = np.zeros((n_draws, shape[0], len(STATES)), np.int64)
    label = np.zeros((n_draws, *shape), np.bool_)
    for draw in range(n_draws):
        states = _states(resampled, draw, criterion, options)
        counted[draw] = np.sum(states, axis=(2, 3)).T
        label[draw] = states[0]
    return counted, label


def _states(
    resampled: Resampled, draw: int, pilot: Criterion, options: PowerOptions
) -> tuple[Bools, Bools, Bools, Bools]:
    """Test a drawn corpus; return which cells are in each of `STATES`, (role, layer, head)."""
    criterion = resampled.criterion(draw, pilot)
    cells, units = resampled.cells(draw, criterion), resampled.units(draw)
    status = statuses(cells, units, criterion.thresholds(cells.attainable))
    tested = t_test(cells, units, status, criterion, alpha=options.alpha)
    label = adjust(tested.pvalue, options.adjust) <= options.alpha
    verdict = verdicts(label, tested.pvalue_below, options)
    return (
        label,
        label & robust(tested, units.log_evalue, options),
        verdict == HAS_NOT,
        verdict == UNDECIDED,
    )


def _mean_of_roles(numbers__ndrlh: Floats) -> Floats:
    """Return the mean of each role over the draws and cells where it is known, (size, role)."""
    n_sizes, _, n_roles = numbers__ndrlh.shape[:3]
    of_roles = np.moveaxis(numbers__ndrlh, 2, 0).reshape(n_roles, n_sizes, -1)
    return known_mean(np.moveaxis(of_roles, 2, 0)).T
