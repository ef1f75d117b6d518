"""Looks: tests at several planned sizes of one sample, each at alpha over their number.

Documents come in random order. The tests are made at 16, 32, 64, ... documents and at the end of
the corpus, and a run may stop at any of these looks, for whatever reason. By Bonferroni's
inequality over the looks the error of the tests at *some* look is at most alpha where that at each
is alpha / looks; nothing is assumed on how the tests of different looks depend on each other.
Group-sequential tests: Jennison and Turnbull, "Group Sequential Methods" (2000), chapter 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TypeVar

import numpy as np

from headscore.arrays import Floats, Ints
from headscore.errors import InputError, UsageError
from headscore.options import LEAST_ALPHA, LOOKS, MAXT, AdjustOptions

FIRST = 16  # units at the first look
FACT = LOOKS

Adjusting = TypeVar("Adjusting", bound=AdjustOptions)


def planned(n_units: int, first: int = FIRST) -> list[int]:
    """Return the number of units at each look: first, twice as many, ..., all of them."""
    sizes = []
    while first < n_units:
        sizes.append(first)
        first *= 2
    return [*sizes, n_units]


def rounds_of(units: Ints, sizes: list[int], seed: int) -> list[Ints]:
    """Put the units of a corpus into random order, and cut it into a round before each look.

    Parameters
    ----------
    units
        int64 (sequence,): the unit of each sequence, numbered from 0. The sequences of a unit keep
        the order of the corpus.
    sizes
        Units at each look, ascending; the last are all.
    seed
        Seed of the order.

    Returns
    -------
    list of int64 (sequence of the round,)
        The positions in the corpus of the sequences of each round, in the order of reading.
    """
    n_units = int(units.max()) + 1
    # place[u] is the place of unit u in the order, so that sorting by it reads one unit after the
    # other.
    place = np.empty(n_units, np.int64)
    place[np.random.default_rng(seed).permutation(n_units)] = np.arange(n_units)
    order = np.argsort(place[units], kind="stable")
    ends = np.searchsorted(place[units][order], sizes, side="left")
    return np.split(order, ends[:-1])


def looks_of(facts: Mapping[str, str]) -> int:
    """Return how many looks were planned at the scores with these facts; 1 for a plain run.

    Scores that were averaged have the numbers of several runs, of which the largest counts.

    Raises
    ------
    InputError
        The fact is no number above 0.
    """
    text = facts.get(FACT, "1")
    numbers = text.split("+")
    if not all(each.isdecimal() and int(each) > 0 for each in numbers):
        raise InputError(f"the fact {FACT} must be a number of looks, got {text!r}")
    return max(map(int, numbers))


def at_each(options: Adjusting, facts: Mapping[str, str]) -> Adjusting:
    """Return the options of the tests of one look: alpha over the number of looks.

    Raises
    ------
    UsageError
        That alpha is too small for `options.adjust`.
    """
    looks = looks_of(facts)
    if looks > 1 and options.adjust == MAXT and options.alpha / looks < LEAST_ALPHA:
        raise UsageError(
            f"alpha must be at least {looks * LEAST_ALPHA:g} where adjust is {MAXT} and {looks} "
            f"looks share it, got {options.alpha!r}"
        )
    return options if looks == 1 else replace(options, alpha=options.alpha / looks)


def spent(pvalues: Floats, facts: Mapping[str, str]) -> Floats:
    """Return p-values that hold for all looks: times their number, at most 1."""
    return np.asarray(np.minimum(1.0, looks_of(facts) * pvalues))
