"""The word pairs of a role one by one, each as a role of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from headscore.arrays import Array
from headscore.encoding.encoded import Encoded
from headscore.errors import UsageError
from headscore.report.example_set import Pair
from headscore.roles.role import Pairs, Role


def sieve_of_pairs(role: Role, one: Encoded) -> Pairs:
    """Return the sieve of a role of word pairs; raises UsageError for any other role."""
    sieve = role.sieve(one)
    if not isinstance(sieve, Pairs):
        raise UsageError(f"examples need a role of word pairs, got {role.name!r}")
    return sieve


def alone(role: Role, group: int) -> Role:
    """Return a role whose sieve is one group of that of a role of word pairs."""

    def sieve(batch: Encoded) -> Pairs:
        whole = role.sieve(batch)
        assert isinstance(whole, Pairs)
        mine = whole.group == group
        return Pairs(whole.sequence[mine], whole.group[mine], whole.query[mine], whole.key[mine])

    return replace(role, name=f"{role.name}#{group}", sieve=sieve, relation=None, lacking=None)


def pairs_of(sieve: Pairs, groups: Array, values: Array) -> tuple[Pair, ...]:
    """Return the groups of a sieve with their scores, strongest first."""
    pairs = [
        Pair(_positions(sieve, group, "query"), _positions(sieve, group, "key"), float(value))
        for group, value in zip(groups, values, strict=True)
    ]
    return tuple(sorted(pairs, key=lambda pair: -pair.score))


def _positions(sieve: Pairs, group: int, side: str) -> tuple[int, ...]:
    return tuple(np.unique(getattr(sieve, side)[sieve.group == group]).tolist())
