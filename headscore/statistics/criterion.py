"""Criterion: the threshold that the mean score of a head must exceed."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any

import numpy as np
import numpy.typing as npt

from headscore.arrays import Floats
from headscore.errors import InputError, UsageError, unknown_name
from headscore.options import TestOptions, Thresholds

REST = "*"  # all roles that have no threshold of their own


@dataclass(frozen=True, eq=False)
class Criterion:
    """The hypothesis tested for each role: the mean of ``score - allowance`` exceeds `tau`.

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
        """Return the criterion of a mean above `tau`, (role,)."""
        return cls(tau, None, tau)

    @classmethod
    def above_zero(cls, n_roles: int) -> Criterion:
        """Return the criterion of differences, of either sign and no known bound: a mean above 0.

        With an infinite scale every bet is 0, so that no e-value shows anything.
        """
        return cls(np.zeros(n_roles), None, np.full(n_roles, np.inf))

    @classmethod
    def of_attained(
        cls, fraction: Floats, attainable: npt.NDArray[np.floating[Any]] | None
    ) -> Criterion:
        """Return the criterion of a mean above a fraction, (role,), of the attainable excess.

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
        # Largest attainable of a role over sequences and layers, (role,), NaN skipped, at least 1.
        # The largest threshold is 1 + fraction (most - 1): with bets of at most 0.95 / scale no
        # factor 1 + bet (x - threshold) of a score x >= 0 falls below 0.05.
        most = np.fmax.reduce(attainable, axis=(0, 2), initial=1.0).astype(np.float64)
        return cls(np.ones_like(fraction), fraction, _scale(fraction, most))

    def allowance(self, attainable__srl: npt.NDArray[np.floating[Any]] | None) -> Floats | float:
        """Return the allowance of each score, (sequence, role, layer, 1), or 0."""
        if self.fraction is None or attainable__srl is None:
            return 0.0
        # (role, 1) against (sequence, role, layer), and a last axis for the heads.
        return (self.fraction[:, None] * (attainable__srl.astype(np.float64) - 1))[..., None]

    @property
    def nonnegative(self) -> bool:
        """Whether the numbers that are tested are scores, at least 0, and tau is above 0."""
        return self.fraction is None and bool((self.tau > 0).all())

    def scale_at(self, most: Floats) -> Floats:
        """Return the scale where `most`, (role,) or (any, role), is the largest attainable."""
        return self.scale if self.fraction is None else _scale(self.fraction, most)

    def slope(self) -> Floats | float:
        """Return the change of the allowance with attainable, (role, 1, 1), or 0."""
        return 0.0 if self.fraction is None else self.fraction[:, None, None]

    def mean_allowance(self, attainable: Floats) -> Floats | float:
        """Return the allowance of each mean, (role, layer, head), from the mean attainable."""
        return 0.0 if self.fraction is None else self.slope() * (attainable - 1)

    def thresholds(self, attainable: Floats) -> Floats:
        """Return the threshold of each mean, (role, layer, head), from the mean attainable."""
        allowance = self.mean_allowance(attainable)
        return np.broadcast_to(self.tau[:, None, None], attainable.shape) + allowance

    def spelled(self, roles: Sequence[str]) -> str:
        """Return the thresholds as text, as they were asked for: fractions for "attained"."""
        return taus_as_text(self.tau if self.fraction is None else self.fraction, roles)

    def of_role(self, role: int) -> Criterion:
        """Return the criterion of one role."""
        return self.of_roles(slice(role, role + 1))

    def of_roles(self, roles: slice) -> Criterion:
        """Return the criterion of some roles."""
        fraction = None if self.fraction is None else self.fraction[roles]
        return Criterion(self.tau[roles], fraction, self.scale[roles])


def _scale(fraction: Floats, most: Floats) -> Floats:
    return np.asarray(1 + fraction * (most - 1))


def criterion_of(
    options: TestOptions,
    roles: Sequence[str],
    attainable: npt.NDArray[np.floating[Any]] | None,
) -> Criterion:
    """Return the criterion that the options of a test define.

    Raises
    ------
    UsageError
        A threshold is not allowed.
    InputError
        Attainable is needed and unknown.
    """
    tau__r = thresholds(options.tau, roles)
    if options.criterion == "mean":
        return Criterion.of_mean(tau__r)
    return Criterion.of_attained(tau__r, attainable)


def taus_as_text(tau__r: Floats, roles: Sequence[str]) -> str:
    """Return thresholds as text: one number where they are equal, else one for each role."""
    tau = [f"{number:.12g}" for number in tau__r]
    by_role = ",".join(f"{role}={number}" for role, number in zip(roles, tau, strict=True))
    return tau[0] if len(set(tau)) == 1 else by_role


def thresholds(tau: Thresholds, roles: Sequence[str]) -> Floats:
    """Return tau for each role, (role,), from one number or one number for each name.

    The name ``"*"`` stands for all roles that are not named.

    Raises
    ------
    UsageError
        If a tau is not a finite number above 0, or the names are not those of the roles.
    """
    by_role = dict(tau) if isinstance(tau, Mapping) else dict.fromkeys(roles, tau)
    # {"*": 3, "local": 2}: "*" for every role first, then overridden by the roles that are named.
    if REST in by_role and REST not in roles:
        rest = by_role.pop(REST)
        by_role = {**dict.fromkeys(roles, rest), **by_role}
    for role in by_role:
        if role not in roles:
            raise UsageError(unknown_name("tau must name roles of the scores", role, roles))
    for role in roles:
        if role not in by_role:
            raise UsageError(f"tau must give a threshold for each role, got none for {role!r}")
    return np.array([_threshold(by_role[role]) for role in roles])


def _threshold(tau: float) -> float:
    if not isinstance(tau, Real) or isinstance(tau, bool) or not 0 < float(tau) < math.inf:
        raise UsageError(f"tau must be a finite number above 0, got {tau!r}")
    return float(tau)
