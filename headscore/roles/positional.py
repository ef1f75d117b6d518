"""Positional roles: neighbours, a fixed offset, the last tokens, the first token."""

from __future__ import annotations

import numpy as np

from headscore.encoding.encoded import Encoded
from headscore.errors import UsageError
from headscore.roles.role import Labels, Role, to_everyone


def local(name: str, width: int) -> Role:
    """Make the role of the tokens up to `width` away, the token itself among them."""
    if width < 0:
        raise UsageError(f"the width of a local role must be 0 or more, got {name!r}")
    return Role(name, _all_keys, band=(-width, width))


def offset(name: str, distance: int) -> Role:
    """Make the role of the token at i + `distance`."""
    return Role(name, _all_keys, band=(distance, distance))


def recent(name: str, width: int) -> Role:
    """Make the role of the last `width` tokens, the token itself among them.

    The tokens that a cache keeps beside the sinks: Xiao et al. 2024 (arXiv 2309.17453).
    """
    if width < 1:
        raise UsageError(f"the width of a recent role must be 1 or more, got {name!r}")
    return Role(name, _all_keys, band=(1 - width, 0))


# One label for all tokens: the role's band alone makes the sieve. Compilation sets padding to -1.
def _all_keys(batch: Encoded) -> Labels:
    return to_everyone(np.zeros((len(batch), batch.tokens), np.int32))


def _first_key(batch: Encoded) -> Labels:
    key = np.full((len(batch), batch.tokens), -1)
    key[:, :1] = 0
    return to_everyone(key)


# Previous and next token: Voita et al. 2019 (arXiv 1905.09418), Clark et al. 2019 (1906.04341).
# Sink: Xiao et al. 2024, "Efficient streaming language models with attention sinks" (2309.17453).
PLACES = (offset("previous", -1), offset("next", 1), Role("sink", _first_key))
