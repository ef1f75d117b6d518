"""Attention with a multiple of the odds: the scale on which heads are compared with position.

Attention c has the odds c / (1 - c) against all other keys. Attention with k times these odds is

    m_k(c) = k c / (1 + (k - 1) c)

which adding log k to the logit of the key gives, whatever the other logits are. A plain multiple
k c could exceed 1, and saturates long before: a head that gives 0.7 to its next word cannot give
any word twice as much. See `headscore.sieves.excess` for the control that is made of it.
"""

from __future__ import annotations

import numpy as np

from headscore.arrays import Floats

# A word pair must get more than this many times the odds that its offset gives; at 1 a large corpus
# would make any trace of a difference significant.
MARGIN = 1.5

# The multiples of the odds for which sums are kept: 1/4, 1/2, 1, 2, ... 64.
FACTORS: Floats = np.exp2(np.arange(-2.0, 7.0))

# Sums are kept in units of this, as integers: those of parts of a corpus add up to the same bits in
# any order. About 1e-6, where a score of uniform attention is 1.
UNIT = 2.0**-20

# Rows of the sums: the score, the visible keys, then one for each of `FACTORS`.
ROWS = 2 + len(FACTORS)


def scaled(attention: Floats, factor: float) -> Floats:
    """Return attention with `factor` times the odds, ``m_k(c) = k c / (1 + (k - 1) c)``.

    Parameters
    ----------
    attention
        Of any shape, from 0 to 1; NaN stays NaN.
    factor
        Above 0.
    """
    return factor * attention / (1 + (factor - 1) * attention)
