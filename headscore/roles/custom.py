"""Make roles from a mask or a list of pairs for each sequence, by its id."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from collections.abc import Sequence as Many
from functools import partial
from typing import Any

import numpy as np

from headscore.encoding.encoded import Encoded
from headscore.errors import InputError
from headscore.roles.role import Pairs, Role

Groups = Many[tuple[Iterable[int], Iterable[int]]]


def from_pairs(name: str, pairs: Mapping[str, Groups]) -> Role:
    """Make a role of listed pairs of tokens.

    Parameters
    ----------
    name
        The role's name.
    pairs
        Sequence id -> groups of (query positions, key positions), counted in tokens from 0,
        special tokens included. The score is the mean over the groups. A sequence that is not
        among them takes no part.

    Examples
    --------
    >>> import headscore as hs
    >>> coreference = hs.roles.from_pairs("coreference", {"s1": [([7], [1, 2])]})
    """
    drawn = dict(pairs)
    return Role(
        name, partial(_listed, pairs=drawn), lacking=partial(no_id, drawn=drawn), ids=tuple(drawn)
    )


def from_masks(name: str, masks: Mapping[str, Any]) -> Role:
    """Make a role of masks.

    Parameters
    ----------
    name
        The role's name.
    masks
        Sequence id -> bool (n, n) for a sequence of n tokens, special tokens included: query i
        looks at key j; (n, m) where its keys are the m tokens of a source. A sequence that is not
        among them takes no part.
    """
    drawn = dict(masks)
    sieve = partial(_drawn, name=name, masks=drawn)
    return Role(name, sieve, lacking=partial(no_id, drawn=drawn), ids=tuple(drawn))


def _listed(batch: Encoded, *, pairs: Mapping[str, Groups]) -> Pairs:
    return Pairs.from_lists([pairs.get(id_, ()) for id_ in batch.ids])


def _drawn(batch: Encoded, *, name: str, masks: Mapping[str, Any]) -> Pairs:
    """Return the entries of the masks, one group per sequence: the score is a mean over rows."""
    # The empty part keeps the shape (3, 0) where no sequence has a mask.
    parts = [np.zeros((3, 0), np.int64)]
    sizes = zip(batch.lengths.tolist(), batch.keyed.lengths.tolist(), strict=True)
    for s, (id_, size) in enumerate(zip(batch.ids, sizes, strict=True)):
        if id_ not in masks:
            continue
        mask = np.asarray(masks[id_])
        if mask.shape != size or mask.dtype != np.bool_:
            raise InputError(
                f"the mask of role {name!r} for sequence {id_!r} must be bool {size}, "
                f"got {mask.dtype} {mask.shape}"
            )
        query, key = mask.nonzero()
        parts.append(np.stack([np.full_like(query, s), query, key]))
    sequence, query, key = np.concatenate(parts, axis=1)
    return Pairs(sequence, np.zeros_like(sequence), query, key)


def no_id(encoded: Encoded, *, drawn: Mapping[str, Any]) -> str | None:
    """Return why no sequence of a corpus is among those that were drawn, None where one is."""
    if any(id_ in drawn for id_ in encoded.ids):
        return None
    asked, there = (", ".join(map(repr, list(ids)[:3])) or "none" for ids in (drawn, encoded.ids))
    return f"none of its sequence ids ({asked}) is in the corpus, whose first are {there}"
