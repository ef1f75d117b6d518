"""Draws of units with replacement, as how often each unit is drawn."""

from __future__ import annotations

import numpy as np

from headscore.arrays import Floats, Ints


def counted(drawn: Ints, n_units: int) -> Floats:
    """Return how often each unit is drawn, (draw, unit), from the units of each draw, (draw, any).

    Changes `drawn`.
    """
    n_draws = len(drawn)
    # Draw r uses the codes r n_units .. (r + 1) n_units - 1, so one bincount counts all draws.
    drawn += n_units * np.arange(n_draws)[:, None]
    counts = np.bincount(drawn.ravel(), minlength=n_draws * n_units)
    return counts.reshape(n_draws, n_units).astype(np.float64)


def drawn_once(rng: np.random.Generator, n_units: int, size: int, draws: int) -> Floats:
    """Draw corpora of `size` units; (draw, unit)."""
    return counted(rng.integers(0, n_units, (draws, size)), n_units)


def drawn_twice(rng: np.random.Generator, n_units: int, size: int, draws: int) -> Floats:
    """Draw corpora of `size` units, each from another corpus that is drawn first; (draw, unit).

    The first corpora are as large as the one that they are drawn from, and differ from it as that
    one does from its population.
    """
    first = rng.integers(0, n_units, (draws, n_units))
    second = np.take_along_axis(first, rng.integers(0, n_units, (draws, size)), axis=1)
    return counted(second, n_units)
