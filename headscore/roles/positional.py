"""Positional roles: neighbours, a fixed offset, the last tokens, the diagonal, the first token."""

from __future__ import annotations

from functools import partial

import numpy as np

from headscore.encoding.encoded import Encoded
from headscore.errors import UsageError
from headscore.roles.role import Labels, Pairs, Role, to_everyone


def local(name: str, width: int) -> Role:
    """Make the role of the tokens up to `width` away, the token itself among them."""
    return Role(name, _all_keys, band=_band(name, width), one_text=True)


def offset(name: str, distance: int) -> Role:
    """Make the role of the token at i + `distance`."""
    return Role(name, _all_keys, band=(distance, distance), one_text=True)


def diagonal(name: str, width: int) -> Role:
    """Make the role of the tokens up to `width` away from the diagonal; `local` in one text.

    Of a target of n tokens and a source of m, query i looks at the keys from c - `width` to
    c + `width`, where c is i (m - 1) / (n - 1) rounded to the nearest key, halves up: the first
    token looks at the first key and the last at the last. A target of one token looks at the first.
    Diagonal attention: Tachibana et al. 2018 (arXiv 1710.08969).
    """
    return Role(name, partial(_near_diagonal, width=width), band=_band(name, width))


def _band(name: str, width: int) -> tuple[int, int]:
    if width < 0:
        kind = name.partition(":")[0]
        raise UsageError(f"the width of a {kind} role must be 0 or more, got {name!r}")
    return (-width, width)


def recent(name: str, width: int) -> Role:
    """Make the role of the last `width` tokens, the token itself among them.

    The tokens that a cache keeps beside the sinks: Xiao et al. 2024 (arXiv 2309.17453).
    """
    if width < 1:
        raise UsageError(f"the width of a recent role must be 1 or more, got {name!r}")
    return Role(name, _all_keys, band=(1 - width, 0), one_text=True)


# One label for all tokens: the role's band alone makes the sieve. Compilation sets padding to -1.
def _all_keys(batch: Encoded) -> Labels:
    return to_everyone(np.zeros((len(batch), batch.tokens), np.int32))


def _near_diagonal(batch: Encoded, *, width: int) -> Labels | Pairs:
    if batch.source is None:
        return _all_keys(batch)
    sequence, query = batch.places
    keys, steps = batch.source.lengths[sequence], np.maximum(batch.lengths[sequence] - 1, 1)
    # floor(x + 1/2) of x = query (keys - 1) / steps, in whole numbers.
    centre = (2 * query * (keys - 1) + steps) // (2 * steps)
    first = np.maximum(centre - width, 0)
    count = np.minimum(centre + width + 1, keys) - first
    entry = np.repeat(np.arange(len(query)), count)
    within = np.arange(len(entry)) - np.repeat(np.cumsum(count) - count, count)
    return Pairs(sequence[entry], np.zeros_like(entry), query[entry], first[entry] + within)


def _first_key(batch: Encoded) -> Labels:
    key = np.full((len(batch), batch.keyed.tokens), -1)
    key[:, :1] = 0
    return to_everyone(key, batch.tokens)


# Previous and next token: Voita et al. 2019 (arXiv 1905.09418), Clark et al. 2019 (1906.04341).
# Sink: Xiao et al. 2024, "Efficient streaming language models with attention sinks" (2309.17453).
PLACES = (offset("previous", -1), offset("next", 1), Role("sink", _first_key))
