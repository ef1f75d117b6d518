"""Counts of each sequence, of which those of a corpus, or of some of its sequences, are the sums.

`HeadScores.entries` has a column for each pair of roles, in the order of `numpy.triu_indices`:

    roles     0 1 2
          0   0 1 2     the pair (1, 2) is column 4, and so is (2, 1)
          1     3 4
          2       5
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from headscore.arrays import Array, Ints
from headscore.errors import InputError
from headscore.scores.checks import check_counts

_CHECKED = 64  # sequences at a time


def role_pairs(n_roles: int) -> int:
    """Return the number of columns for some roles."""
    return n_roles * (n_roles + 1) // 2


def packed(overlap__srr: Ints) -> Ints:
    """Return the entries that roles share, int64 (sequence, role, role), as columns."""
    first, second = np.triu_indices(overlap__srr.shape[-1])
    return np.ascontiguousarray(overlap__srr[..., first, second])


def columns_of(roles: Ints, n_roles: int) -> Ints:
    """Return the columns of the pairs of some of the roles, in the order of the new pairs."""
    column = np.empty((n_roles, n_roles), np.int64)
    first, second = np.triu_indices(n_roles)
    column[first, second] = column[second, first] = np.arange(role_pairs(n_roles))
    return packed(column[np.ix_(roles, roles)])


def with_sums(entries: Array | None, invisible: Array | None, n_roles: int) -> dict[str, Any]:
    """Return both by name, with their sums `overlap` and `hidden`; None where they are unknown."""
    overlap = hidden = None
    if entries is not None:
        overlap = np.zeros((n_roles, n_roles), np.int64)
        first, second = np.triu_indices(n_roles)
        overlap[first, second] = overlap[second, first] = entries.sum(axis=0)
    if invisible is not None:
        hidden = invisible.sum(axis=0, dtype=np.int64)
    return {"entries": entries, "invisible": invisible, "overlap": overlap, "hidden": hidden}


def check_sums(known: Mapping[str, Array | None], n_roles: int) -> None:
    """Raise InputError where a sum of a corpus is not that of its sequences.

    Parameters
    ----------
    known
        `entries`, `invisible`, `overlap` and `hidden` of `HeadScores`, each checked on its own.
    n_roles
        Number of roles.
    """
    summed = with_sums(known["entries"], known["invisible"], n_roles)
    for name, parts in (("overlap", "entries"), ("hidden", "invisible")):
        total, given = summed[name], known[name]
        if total is not None and given is not None and not np.array_equal(total, given):
            raise InputError(f"{name} must be the sum of {parts} over the sequences, got another")


def check_entries(entries: Array, n_sequences: int, n_roles: int) -> None:
    """Raise InputError where two roles of a sequence share more entries than either has."""
    check_counts("entries", entries, (n_sequences, role_pairs(n_roles)), np.iinfo(np.int64).max)
    first, second = np.triu_indices(n_roles)
    own = np.flatnonzero(first == second)  # the column of each role alone
    for start in range(0, n_sequences, _CHECKED):
        shared = entries[start : start + _CHECKED]
        larger = shared > np.minimum(shared[:, own[first]], shared[:, own[second]])
        if larger.any():
            raise InputError(
                "entries of two roles must not exceed those of either role, got more for sequence "
                f"{start + int(np.argmax(larger.any(axis=1)))}"
            )


def check_overlap(overlap: Array, n_roles: int) -> None:
    """Raise InputError where an array is no valid count of common sieve entries."""
    if overlap.shape != (n_roles, n_roles) or overlap.dtype != np.int64:
        raise InputError(
            f"overlap must be int64 (role, role) of shape {(n_roles, n_roles)}, "
            f"got {overlap.dtype} of shape {overlap.shape}"
        )
    # Two roles cannot share more entries than either has; overlap > own compares each row with the
    # diagonal of its column, and symmetry covers the other side.
    own = np.diagonal(overlap)
    if (overlap < 0).any() or (overlap != overlap.T).any() or (overlap > own).any():
        raise InputError(
            "overlap must be symmetric, with no number below 0 or above those of its two roles "
            "on the diagonal"
        )
