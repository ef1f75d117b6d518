"""Scores with the rows of a matched control, whose odds are known."""

import numpy as np

import headscore as hs

ROLES = ("local", "nsubj", "obj")
SHAPE = 3, 2, 4
SEQUENCES, STRATA = 60, 12


def rows_of(seed=0, odds=(0.7, 1.5, 4.0, 4.0), n=SEQUENCES):
    """Rows whose cases have some odds for each head, those of controls 0.05 to 0.3 by stratum."""
    rng = np.random.default_rng(seed)
    base = rng.uniform(0.05, 0.3, STRATA)
    found = []
    for sequence in range(n):
        for role, most in ((-1, 5), (1, 2), (2, 3)):
            chosen = rng.choice(STRATA, rng.integers(0, most + 1), replace=False)
            for stratum in np.sort(chosen):
                weight = float(rng.integers(1, 4))
                k = np.array(odds) if role >= 0 else np.ones(4)
                c = base[stratum]
                share = k * c / (1 + (k - 1) * c) * rng.gamma(9, 1 / 9, (2, 4))
                attention = weight * np.minimum(share, 0.95)
                found.append((sequence, role, stratum + 1, weight, attention))
    return {
        "matched": np.array([each[4] for each in found], np.float32),
        "matched_weight": np.array([[each[3]] * 2 for each in found], np.float32),
        "matched_sequence": np.array([each[0] for each in found], np.int64),
        "matched_role": np.array([each[1] for each in found], np.int32),
        "matched_stratum": np.array([each[2] for each in found], np.uint64),
    }


def made(seed=0, n=SEQUENCES, rows=None):
    """Scores of 2 layers of 4 heads that have all roles, with matched rows of nsubj and obj."""
    values = np.random.default_rng(seed).normal(6, 0.5, (n, *SHAPE)).astype(np.float32)
    return hs.HeadScores.from_arrays(
        values,
        ROLES,
        documents=[f"d{s % 15}" for s in range(n)],
        **(rows_of(seed, n=n) if rows is None else rows),
    )
