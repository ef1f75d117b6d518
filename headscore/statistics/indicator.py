"""Indicator matrix of groups: a product with it adds up the rows of each group."""

from __future__ import annotations

import numpy as np
from scipy import sparse

from headscore.arrays import Ints


def indicator(codes: Ints, n_groups: int | None = None) -> sparse.csr_array:
    """Return the matrix (group, row) that holds 1 where a row belongs to a group, else 0.

    Parameters
    ----------
    codes
        int64 (row,): the number of the group of each row, from 0.
    n_groups
        Number of groups; None: the largest code plus 1.
    """
    n_groups = int(codes.max()) + 1 if n_groups is None else n_groups
    entries = np.ones(len(codes)), (codes, np.arange(len(codes)))
    return sparse.csr_array(entries, (n_groups, len(codes)))
