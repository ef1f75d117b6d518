"""Nested roles: pairs of roles of which one is a part of the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from headscore.arrays import Bools
from headscore.roles.syntactic import SYNTACTIC, split_direction

_PARTS = {"syntactic": SYNTACTIC, "delimiter": ("delimiter_cls", "delimiter_sep")}


def nested(roles: Sequence[str], overlap: npt.NDArray[Any] | None = None) -> Bools:
    """Return which pairs of roles are nested, so that shared heads are no finding.

    A pair is nested where every sieve entry of one role is one of the other, or where by name one
    is a union of which the other is a part: syntactic and its relations in the same direction,
    delimiter and its two kinds.

    Parameters
    ----------
    roles
        Name of each role.
    overlap
        Integers (role, role): sieve entries that two roles have in common, on the diagonal all
        entries of a role; None if unknown, then names alone decide.

    Returns
    -------
    numpy.ndarray
        bool (role, role), symmetric, False on the diagonal.
    """
    parts = [[_is_part(a, b) for b in roles] for a in roles]
    inside = np.array(parts, dtype=bool).reshape(len(roles), len(roles))
    if overlap is not None:
        # Row a: a role with entries, all of which (the diagonal) are entries of b too.
        entries = np.diagonal(overlap)[:, None]
        inside |= (overlap == entries) & (entries > 0)
    np.fill_diagonal(inside, False)
    return np.asarray(inside | inside.T)


def _is_part(part: str, union: str) -> bool:
    """Return whether a role is by name a part of another one."""
    name, direction = split_direction(part)
    union_name, union_direction = split_direction(union)
    return direction == union_direction and name in _PARTS.get(union_name, ())
