"""Scores with everything that a sequence may have, and parts of them made of their arrays."""

from dataclasses import fields

import numpy as np
from hypothesis import strategies as st

import headscore as hs
from headscore.sieves.odds import ROWS

ROLES = ("local", "nsubj", "obj")
N = 60
SHAPE = (N, 3, 2, 4)


def arrays_of(seed=0):
    """What `from_arrays` takes, with everything that a sequence may have."""
    rng = np.random.default_rng(seed)
    attainable = rng.uniform(5, 20, (N, 3, 2))
    values = 1 + rng.beta(2, 3, SHAPE) * (attainable[..., None] - 1)
    values[rng.random((N, 3)) < 0.2] = np.nan
    values[:, 2, 1, 3] = np.nan  # a cell without a sequence
    attainable[np.isnan(values).all(axis=3)] = np.nan
    excess = np.where(rng.random((N, 3, 1, 1)) < 0.3, np.nan, rng.normal(0.3, 1, SHAPE))
    excess[:, 0] = np.nan
    return {
        "values": values,
        "sequence_ids": [f"s{n}" for n in range(N)],
        "documents": [f"d{n // 4}" for n in range(N)],
        "attainable": attainable,
        "excess": excess,
        "lengths": rng.integers(5, 40, N),
    }


def scores_of(sequences=None, roles=None, seed=0, **sums):
    """Scores of some sequences and roles, made of their arrays alone."""
    arrays = arrays_of(seed)
    sequences = range(N) if sequences is None else sequences
    roles = range(3) if roles is None else roles
    for name, array in arrays.items():
        arrays[name] = [array[s] for s in sequences]
    for name in ("values", "attainable", "excess"):
        arrays[name] = np.array(arrays[name], np.float32)[:, list(roles)]
    return hs.HeadScores.from_arrays(roles=[ROLES[r] for r in roles], **arrays, **sums)


def assert_same(found, wanted, but=()):
    for name in {each.name for each in fields(wanted)} - {"facts", *but}:
        one, other = getattr(found, name), getattr(wanted, name)
        if isinstance(other, np.ndarray):
            assert one.dtype == other.dtype, name
            np.testing.assert_array_equal(one, other, err_msg=name)
        else:
            assert one == other, name


CHOICES = st.lists(st.booleans(), min_size=N, max_size=N).filter(any)


def sums_of(n_roles=3):
    entries = np.arange(1, n_roles + 1)
    return {
        "overlap": np.minimum.outer(entries, entries),
        "hidden": np.arange(n_roles * 2).reshape(n_roles, 2),
        "position_sums": np.arange(ROWS * n_roles * 8).reshape(ROWS, n_roles, 2, 4),
    }
