"""Roles of special tokens, and of the two texts that they separate."""

from __future__ import annotations

import numpy as np

from headscore.arrays import Array
from headscore.encoding.encoded import Encoded
from headscore.roles.role import Labels, Role, to_everyone


def _special(batch: Encoded) -> Array:
    return batch.grid(batch.special, fill=0)


def _to_keys(batch: Encoded, special: Array) -> Labels:
    return to_everyone(np.where(special, 0, -1), batch.tokens)


def _first_special(batch: Encoded) -> Array:
    # The running count is 1 from the first special token to the token before the second one.
    special = _special(batch)
    return np.asarray(special & (special.cumsum(1) == 1))


def _delimiter(batch: Encoded) -> Labels:
    return _to_keys(batch, _special(batch.keyed))


def _delimiter_cls(batch: Encoded) -> Labels:
    return _to_keys(batch, _first_special(batch.keyed))


def _delimiter_sep(batch: Encoded) -> Labels:
    return _to_keys(batch, _special(batch.keyed) & ~_first_special(batch.keyed))


def _block(batch: Encoded) -> Labels:
    """Return labels by segment, for text pairs only.

    Special tokens are no keys. As queries, those before the first text belong to it, later ones to
    the second text::

        token     [CLS]  a  b  [SEP]  c  [SEP]  padding
        key         -1   0  0    -1   1    -1     -1
        query        0   0  0     1   1     1     -1
    """
    text = batch.real & ~_special(batch)
    segment = batch.grid(batch.segments, fill=-1)
    key = np.where(text, segment, -1)
    # No text token up to here: the running count is still 0.
    before = text.cumsum(1) == 0
    query = np.where(text, segment, np.where(before, 0, 1))
    # (batch, 1): a single text, or a pair of which truncation left one text, has no block role.
    is_pair = (key == 0).any(1, keepdims=True) & (key == 1).any(1, keepdims=True)
    return Labels(np.where(is_pair & batch.real, query, -1), np.where(is_pair, key, -1))


def _no_special(encoded: Encoded) -> str | None:
    if encoded.keyed.special.any():
        return None
    return (
        "the tokenizer adds no special tokens (sink is the role of the first token), "
        "or they are dropped"
    )


def _no_separator(encoded: Encoded) -> str | None:
    # Special tokens per sequence, from the differences of a running count at the offsets.
    seen = np.concatenate([[0], encoded.keyed.special.cumsum()])[encoded.keyed.offsets]
    if (np.diff(seen) > 1).any():
        return None
    return _no_special(encoded) or "the tokenizer adds no special token but the first"


def _no_pair(encoded: Encoded) -> str | None:
    if (encoded.segments[~encoded.special] == 1).any():
        return None
    return "the corpus has no pair of texts (pairs consecutive makes them of sentences)"


SPECIAL = (
    Role("delimiter", _delimiter, lacking=_no_special),
    Role("delimiter_cls", _delimiter_cls, lacking=_no_special),
    Role("delimiter_sep", _delimiter_sep, lacking=_no_separator),
    Role("block", _block, times_entropy=True, lacking=_no_pair, one_text=True),
    Role("block_plain", _block, lacking=_no_pair, one_text=True),
)
