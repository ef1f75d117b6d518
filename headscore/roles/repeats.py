"""Roles of repeated tokens: duplicates, induction.

Duplicate token heads: Wang et al. 2023 (arXiv 2211.00593). Induction heads: Olsson et al. 2022
(2209.11895). Special tokens are excluded: they repeat in every sequence.
"""

from __future__ import annotations

import numpy as np

from headscore.arrays import Array
from headscore.encoding.encoded import NO_ID, Encoded
from headscore.roles.role import Labels, Role

# Keys before the query only. The bound stands for "any distance" and leaves room for sums in int32.
_EARLIER = (-(2**30), -1)


def _words(batch: Encoded) -> Array:
    """Return token ids as labels, -1 for special tokens and padding."""
    # A token without an id has the label -1 too, which matches nothing. Labels are compared and
    # counted by sorting, so that a large vocabulary costs nothing.
    ids = np.where(batch.special, -1, batch.input_ids)
    return batch.grid(ids, fill=-1)


def _duplicate(batch: Encoded) -> Labels:
    """Return labels that match a query with its earlier equal tokens."""
    words = _words(batch)
    return Labels(words, words)


def _induction(batch: Encoded) -> Labels:
    """Return labels that match a query with the tokens after its earlier equal tokens."""
    # The key label of j is the token at j - 1:
    #
    #     token        A  B  C  A
    #     query label  A  B  C  A        query 3 (A) matches key 1, the B after the first A
    #     key label    .  A  B  C
    words = _words(batch)
    before = np.full_like(words, -1)
    before[:, 1:] = words[:, :-1]
    return Labels(words, np.where(words < 0, -1, before))


def _no_repeat(encoded: Encoded) -> str | None:
    if (encoded.input_ids == NO_ID).all():
        return "the model is called without token ids"
    # Fewer distinct (sequence, token) than tokens: some token repeats within its sequence.
    rows = encoded.places[0][~encoded.special]
    tokens = np.stack([rows, encoded.input_ids[~encoded.special]])
    if np.unique(tokens, axis=1).shape[1] < tokens.shape[1]:
        return None
    return "no token of the corpus repeats an earlier one of its sequence"


REPEATS = (
    Role("duplicate", _duplicate, band=_EARLIER, lacking=_no_repeat, one_text=True),
    Role("induction", _induction, band=_EARLIER, lacking=_no_repeat, one_text=True),
)
