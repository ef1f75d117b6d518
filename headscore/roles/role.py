"""Define roles: a name and a sieve, the key tokens that each query token looks at."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from collections.abc import Sequence as Many
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from headscore.arrays import Array
from headscore.corpus.sequence_table import SequenceTable
from headscore.encoding.encoded import Encoded
from headscore.errors import UsageError

# A band without limits. Its ends are 2**30 and not more, so that position + band fits int32.
EVERYWHERE = (-(2**30), 2**30)


@dataclass(frozen=True)
class Labels:
    """Query i looks at the keys with the same label; -1 matches nothing.

    Attributes
    ----------
    query, key
        integers (sequence, T); with a source (sequence, Tq), and (sequence, Tk) of its tokens.
    """

    query: Array
    key: Array


@dataclass(frozen=True)
class Pairs:
    """Listed entries: in its group, query i looks at key j.

    The score of a group is the mean over its queries of the mean over their keys; the score of
    the sequence is the mean over its groups.

    Attributes
    ----------
    sequence, group, query, key
        int64 (entry,); groups are numbered within their sequence.
    """

    sequence: Array
    group: Array
    query: Array
    key: Array

    @classmethod
    def from_lists(cls, pairs: Many[Many[tuple[Iterable[int], Iterable[int]]]]) -> Pairs:
        """Make pairs from lists: for each sequence, groups of (query positions, key positions)."""
        # Within a group every query is paired with every key.
        rows = [
            (s, g, i, j)
            for s, groups in enumerate(pairs)
            for g, (queries, keys) in enumerate(groups)
            for i in queries
            for j in keys
        ]
        return cls(*np.array(rows, np.int64).reshape(-1, 4).T)


Sieve: TypeAlias = Labels | Pairs | Array


@dataclass(frozen=True)
class Role:
    """A named function that a head may have.

    Attributes
    ----------
    name
        Its name in tables.
    sieve
        Encoded batch -> `Labels`, `Pairs`, or a bool mask (sequence, T, T). Where the batch has a
        source, queries are its own tokens and keys those of ``batch.source``.
    band
        For `Labels`: only keys with ``lo <= j - i <= hi``.
    times_entropy
        Multiply each token score by the Shannon entropy of its row, in nats.
    relation
        The dependency relation of its word pairs, if any.
    lacking
        Encoded corpus -> reason why no sequence of it has a sieve, or None.
    from_set
        Part of a set such as "paper": where it cannot apply, it is reported and no error is raised.
    one_text
        Its queries and keys are tokens of one text: it has no sieve where a batch has a source.
    check
        Raises InputError for sequences that it does not fit, before they are encoded; its sieve
        then gets the places of words, see `headscore.encoding.word_places`.
    ids
        The sequences that it was made for; empty: any.

    Examples
    --------
    >>> import numpy as np, headscore as hs
    >>> def commas(batch):
    ...     ids = batch.grid(batch.input_ids, fill=-1)
    ...     key = np.where(ids == 1010, 0, -1)
    ...     return hs.Labels(np.zeros_like(key), key)
    >>> role = hs.Role("commas", commas)
    """

    name: str
    sieve: Callable[[Encoded], Sieve]
    band: tuple[int, int] = EVERYWHERE
    times_entropy: bool = False
    relation: str | None = None
    lacking: Callable[[Encoded], str | None] | None = None
    from_set: bool = False
    one_text: bool = False
    check: Callable[[SequenceTable], None] | None = None
    ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name:
            raise UsageError(f"the name of a role must be a text, got {self.name!r}")
        # Names are used as specs, in a comma-separated text.
        if re.search(r"[\s,]", self.name):
            raise UsageError(
                f"the name of a role must have no comma or blank in it, got {self.name!r}"
            )
        if not callable(self.sieve):
            raise UsageError(
                f"the sieve of role {self.name!r} must be a function of an Encoded batch, "
                f"got {self.sieve!r}"
            )
        low, high = EVERYWHERE
        whole = isinstance(self.band, tuple) and [type(each) for each in self.band] == [int, int]
        if not whole or not all(low <= each <= high for each in self.band):
            raise UsageError(
                f"the band of role {self.name!r} must be two integers within {EVERYWHERE}, "
                f"got {self.band!r}"
            )


def to_everyone(key: Array, queries: int | None = None) -> Labels:
    """Return labels with which every query looks at the keys of label 0.

    `queries` is their padded length; None: that of the keys.
    """
    tokens = key.shape[1] if queries is None else queries
    return Labels(np.zeros((len(key), tokens), np.int32), key)
