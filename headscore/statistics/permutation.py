"""The p-value of permutation tests."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def pvalue(drawn: npt.NDArray[Any], observed: float) -> float:
    """Return ``(1 + #{drawn >= observed}) / (1 + R)`` for R draws under the null hypothesis.

    Never 0: Phipson and Smyth, "Permutation p-values should never be zero", Statistical
    Applications in Genetics and Molecular Biology 9 (2010).
    """
    return float((1 + np.count_nonzero(drawn >= observed)) / (1 + len(drawn)))
