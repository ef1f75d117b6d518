"""Take parts of the arrays of scores, and list their numbers as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from headscore.arrays import Array, Ints

if TYPE_CHECKING:
    import pandas as pd


def taken(array: Array | None, axes: str, numbers: Mapping[str, Ints]) -> Any:
    """Return the part of an array at some numbers of some axes; None for None.

    Parameters
    ----------
    array
        With an axis for each letter of `axes`.
    axes
        Letters of the axes, as in `headscore.scores.head_scores.LAYOUT`.
    numbers
        Letter of an axis -> the numbers that are taken, in order.
    """
    if array is None:
        return None
    for axis, letter in enumerate(axes):
        rows = numbers.get(letter)
        # An axis that stays as it is costs no copy.
        if rows is not None and not np.array_equal(rows, np.arange(array.shape[axis])):
            array = np.take(array, rows, axis)
    return array


def scores_frame(
    values: Array, ids: Sequence[str], documents: Sequence[str | None] | None, roles: Sequence[str]
) -> pd.DataFrame:
    """Return a row for each score that is there; arguments and columns as of `HeadScores`."""
    import pandas as pd

    def categories(codes: Array, texts: Sequence[str]) -> Any:
        return pd.Categorical.from_codes(codes, pd.Index(list(texts)))

    there = np.nonzero(~np.isnan(values))
    sequence, role, layer, head = there
    names = list(documents or [None] * len(ids))
    known = [name for name in dict.fromkeys(names) if name is not None]
    code = {name: number for number, name in enumerate(known)} | {None: -1}
    document = np.array([code[name] for name in names])
    return pd.DataFrame(
        {
            "id": categories(sequence, ids),
            "document": categories(document[sequence], known),
            "role": categories(role, roles),
            "layer": layer,
            "head": head,
            "score": values[there],
        }
    )
