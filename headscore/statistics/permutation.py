"""What permutation tests share: their generator and their p-value."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from headscore.errors import UsageError


def generator(permutations: int, seed: int) -> np.random.Generator:
    """Return a generator; the same seed, 0 included, gives the same numbers.

    Raises
    ------
    UsageError
        If there is not at least one permutation, or the seed is no whole number of at least 0.
    """
    for name, number, least in (("permutations", permutations, 1), ("seed", seed, 0)):
        whole = isinstance(number, int | np.integer) and not isinstance(number, bool)
        if not whole or number < least:
            raise UsageError(f"{name} must be a whole number of at least {least}, got {number!r}")
    return np.random.default_rng(seed)


def pvalue(drawn: npt.NDArray[Any], observed: float) -> float:
    """Return ``(1 + #{drawn >= observed}) / (1 + R)`` for R draws under the null hypothesis.

    Never 0: Phipson and Smyth, "Permutation p-values should never be zero", Statistical
    Applications in Genetics and Molecular Biology 9 (2010).
    """
    return float((1 + np.count_nonzero(drawn >= observed)) / (1 + len(drawn)))
