"""Find from the exact zeros of given attention which keys its queries see."""

from __future__ import annotations

from collections.abc import Sequence as Many
from typing import Any, NamedTuple

import numpy as np
import torch

from headscore.arrays import Array
from headscore.backends.checks import as_tensor, check_attention
from headscore.encoding.encoded import Encoded
from headscore.errors import InputError
from headscore.log import log


class _Reach(NamedTuple):
    """The smallest and largest ``key - query`` of the non-zero entries of a layer."""

    low: int
    high: int


def looks_causal(attentions: Many[Any], encoded: Encoded, window: int | None = None) -> bool:
    """Return whether attention is exactly 0 above the diagonal in every layer, head and sequence.

    The softmax of visible keys is above 0, unless it underflows in float16 or far below the row's
    maximum: that all heads of all layers have 0 at all later keys is a causal mask. Sequences of
    one token show nothing.

    Parameters
    ----------
    attentions
        Of each layer (batch, head, T, T), or None.
    encoded
        The batch.
    window
        The window that the caller knows of; None: a window in the zeros is logged.
    """
    longest = int(encoded.lengths.max())
    layers = {n: each for n, each in enumerate(attentions) if each is not None}
    if longest < 2 or encoded.source is not None:
        return False
    reaches: dict[int, _Reach] = {}
    for number, each in layers.items():
        tensor = _readable(each, encoded.lengths)
        reach = None if tensor is None else _reach(tensor, encoded.lengths)
        if tensor is None or reach is None or reach.high > 0:
            return False  # at the first layer of an encoder
        if window is None and 1 - longest < reach.low and _is_full(tensor, encoded.lengths, reach):
            reaches[number] = reach
    log.warning(
        "attention is taken as causal: it is exactly 0 above the diagonal in every layer, head and "
        "sequence (causal=False takes all keys as visible)"
    )
    for low in sorted({reach.low for reach in reaches.values()}):
        names = ", ".join(str(n) for n, reach in reaches.items() if reach.low == low)
        log.warning(
            "attention is exactly 0 beyond the last %d keys in layers %s: if that is the window of "
            "the model, score these layers with window=%d",
            1 - low,
            names,
            1 - low,
        )
    return True


def _readable(attention: Any, lengths: Array) -> torch.Tensor | None:
    """Return the attention of a layer; None for one that `sieve_scores` refuses."""
    try:
        tensor = as_tensor("attention", attention)
        check_attention(tensor)
    except InputError:
        return None
    fits = len(tensor) == len(lengths) and tensor.shape[2] >= lengths.max()
    return tensor if fits else None


def _reach(attention__bhqk: torch.Tensor, lengths: Array) -> _Reach | None:
    """Return the reach of a layer; None where every entry is 0."""
    nonzero__bqk: Array = (attention__bhqk != 0).any(1).cpu().numpy()
    real = np.arange(nonzero__bqk.shape[1]) < lengths[:, None]
    nonzero__qk: Array = np.any(nonzero__bqk & real[:, :, None] & real[:, None, :], axis=0)
    query, key = np.nonzero(nonzero__qk)
    return _Reach(int((key - query).min()), int((key - query).max())) if len(query) else None


def _is_full(attention__bhqk: torch.Tensor, lengths: Array, reach: _Reach) -> bool:
    """Return whether every entry within the reach is above 0, as a softmax over a window is."""
    for distance in range(reach.low, reach.high + 1):
        # diagonal[n] has the query n - distance and the key n, for distances up to 0.
        diagonal = attention__bhqk.diagonal(distance, dim1=2, dim2=3).ne(0).all(1).cpu().numpy()
        real = np.arange(diagonal.shape[1]) - distance < lengths[:, None]
        if not diagonal[real].all():
            return False
    return True
