"""Text pairs of consecutive sentences."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from headscore.corpus._segments import joined
from headscore.corpus.invalid import INVALID_SKIPPED
from headscore.corpus.seen_ids import SeenIds
from headscore.corpus.sequence import Sequence
from headscore.errors import InputError


def consecutive(
    sequences: Iterable[Sequence], counts: Counter[str] | None = None
) -> Iterator[Sequence]:
    """Join the 1st and 2nd sentence of a document, the 3rd and 4th, and so on.

    No sentence is in two pairs, so the pairs stay independent. A sentence without a partner stays
    alone: the last of an odd number, one before or after a blank text, one beside a skipped entry.
    Sentences without a document all belong to one.

    Parameters
    ----------
    sequences
        Single texts.
    counts
        The reader's counts; a change of their ``"invalid_skipped"`` marks a gap.

    Raises
    ------
    InputError
        A sequence is a pair already, or two pairs would have the same id.
    """
    counts = Counter() if counts is None else counts
    ids = SeenIds()
    for number, sequence in enumerate(_joined(sequences, counts)):
        if ids.get(sequence.id) is not None:
            raise InputError(f"ids must differ once paired, got {sequence.id!r} twice")
        ids.add(sequence.id, number)
        yield sequence


def _joined(sequences: Iterable[Sequence], counts: Counter[str]) -> Iterator[Sequence]:
    waiting: Sequence | None = None
    skipped = 0
    for sequence in sequences:
        if sequence.is_pair:
            raise InputError(
                f"pairs='consecutive' needs single texts, got a pair in sequence {sequence.id!r}"
            )
        # The reader has counted an entry since the last sequence: the two are no neighbours.
        before, skipped = skipped, counts.get(INVALID_SKIPPED, 0)
        gap = skipped != before
        blank = not sequence.segments[0].text.strip()
        if waiting is not None:
            if not (gap or blank or waiting.document != sequence.document):
                yield joined(waiting, sequence)
                waiting = None
                continue
            yield waiting
        # State: at most one sentence waits for a partner. A blank text is passed on alone at once.
        #
        #     read      a  b  c  d(new document)  e
        #     yielded      ab    c                de     (c when d is read)
        waiting = sequence
        if blank:
            yield sequence
            waiting = None
    if waiting is not None:
        yield waiting
