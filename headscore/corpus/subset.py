"""Subset: the first sequences of a corpus, or a random sample of them."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable, Iterator

from headscore.corpus.sequence import Sequence


def subset(
    sequences: Iterator[Sequence],
    again: Callable[[], Iterator[Sequence]],
    *,
    limit: int | None,
    sample: int | None,
    seed: int,
) -> Iterator[Sequence]:
    """Yield the first `limit` sequences, or `sample` of these, in the order of the corpus.

    Each sequence gets a random number by its place, and the lowest are drawn. So a sample depends
    on the corpus, its size and the seed alone, and a smaller one is a part of a larger one.

    Parameters
    ----------
    sequences
        The corpus.
    again
        Reads it once more: to know which are drawn takes a pass of its own, which holds `sample`
        numbers and one sequence in memory.
    limit, sample, seed
        As in `headscore.options.ReadOptions`.
    """
    first = itertools.islice(sequences, limit)
    if sample is None:
        yield from first
        return
    draw = random.Random(seed).random
    numbered = ((draw(), place) for place, _ in enumerate(itertools.islice(again(), limit)))
    drawn = sorted(place for _, place in heapq.nsmallest(sample, numbered))
    place = 0
    for chosen in drawn:
        # What lies between two drawn sequences is read and passed over.
        yield from itertools.islice(first, chosen - place, chosen - place + 1)
        place = chosen + 1
