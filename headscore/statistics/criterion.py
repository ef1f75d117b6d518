"""Criterion: what the mean score of a head must exceed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from headscore.arrays import Floats
from headscore.errors import InputError, UsageError


@dataclass(frozen=True, eq=False)
class Criterion:
    """What is tested of each role: that the mean of ``score - allowance`` exceeds `tau`.

    For criterion "mean" there is no allowance. For "attained" each sequence has its own threshold
    ``1 + fraction (attainable - 1)``: tau is 1 and the allowance ``fraction (attainable - 1)``. The
    mean exceeds it where ``(mean - 1) / (attainable - 1)``, a ratio of means over the sequences,
    exceeds the fraction. The mean of the sequences' own ratios is not tested, because a short
    sequence whose sieve holds nearly all tokens would divide by almost nothing.

    Attributes
    ----------
    tau
        (role,), above 0.
    fraction
        (role,), between 0 and 1; None for criterion "mean".
    scale
        (role,), no less than the threshold of any sequence. The bets of the e-value are divided by
        it, so it may depend on the sieves and never on the scores.
    """

    tau: Floats
    fraction: Floats | None
    scale: Floats

    @classmethod
    def of_mean(cls, tau: Floats) -> Criterion:
        """Ask for a mean above `tau`, (role,)."""
        return cls(tau, None, tau)

    @classmethod
    def of_attained(
        cls, fraction: Floats, attainable: npt.NDArray[np.floating[Any]] | None
    ) -> Criterion:
        """Ask for more than a fraction, (role,), of what is attainable, (sequence, role, layer).

        Raises
        ------
        UsageError
            If a fraction is not below 1.
        InputError
            If attainable is unknown.
        """
        if (fraction >= 1).any():
            raise UsageError(
                "tau must lie between 0 and 1 where criterion is attained, "
                f"got {fraction[fraction >= 1][0]:g}"
            )
        if attainable is None:
            raise InputError("criterion attained needs scores with attainable, got none")
        most = np.fmax.reduce(attainable, axis=(0, 2), initial=1.0).astype(np.float64)
        return cls(np.ones_like(fraction), fraction, 1 + fraction * (most - 1))

    def allowance(self, attainable__srl: npt.NDArray[np.floating[Any]] | None) -> Floats | float:
        """Return what is taken off each score, (sequence, role, layer, 1), or 0."""
        if self.fraction is None or attainable__srl is None:
            return 0.0
        return (self.fraction[:, None] * (attainable__srl.astype(np.float64) - 1))[..., None]

    def mean_allowance(self, attainable: Floats) -> Floats | float:
        """Return what is taken off each mean, (role, layer, head), by the mean attainable."""
        return 0.0 if self.fraction is None else self.fraction[:, None, None] * (attainable - 1)

    def thresholds(self, attainable: Floats) -> Floats:
        """Return what each mean must exceed, (role, layer, head), by the mean attainable."""
        allowance = self.mean_allowance(attainable)
        return np.broadcast_to(self.tau[:, None, None], attainable.shape) + allowance

    def of_role(self, role: int) -> Criterion:
        """Return the criterion of one role."""
        one = slice(role, role + 1)
        fraction = None if self.fraction is None else self.fraction[one]
        return Criterion(self.tau[one], fraction, self.scale[one])
