"""Roles of tokens that came before: duplicates, induction.

Duplicate token heads: Wang et al. 2023 (arXiv 2211.00593). Induction heads: Olsson et al. 2022
(2209.11895). Special tokens are neither: they repeat in every sequence.
"""

from __future__ import annotations

import numpy as np

from headscore.arrays import Array
from headscore.encoding.encoded import Encoded
from headscore.roles.role import Labels, Role

_EARLIER = (-(2**30), -1)


def _words(batch: Encoded) -> Array:
    """Token ids, -1 for special tokens and padding: labels however large the vocabulary is."""
    ids = np.where(batch.special, -1, batch.input_ids)
    return batch.grid(ids, fill=-1)


def _duplicate(batch: Encoded) -> Labels:
    """Look at an earlier token equal to this one."""
    words = _words(batch)
    return Labels(words, words)


def _induction(batch: Encoded) -> Labels:
    """Look at the token after an earlier one equal to this one."""
    words = _words(batch)
    before = np.full_like(words, -1)
    before[:, 1:] = words[:, :-1]
    return Labels(words, np.where(words < 0, -1, before))


def _no_repeat(encoded: Encoded) -> str | None:
    rows = np.repeat(np.arange(len(encoded)), encoded.lengths)[~encoded.special]
    tokens = np.stack([rows, encoded.input_ids[~encoded.special]])
    if np.unique(tokens, axis=1).shape[1] < tokens.shape[1]:
        return None
    return "no token of the corpus repeats an earlier one of its sequence"


REPEATS = (
    Role("duplicate", _duplicate, band=_EARLIER, lacking=_no_repeat),
    Role("induction", _induction, band=_EARLIER, lacking=_no_repeat),
)
