"""The scores of captured passes, and their join to those of all sequences."""

from __future__ import annotations

from collections.abc import Sequence as Many
from typing import NamedTuple

import numpy as np

from headscore.arrays import Array, Bools, Ints
from headscore.encoding.encoded import Encoded
from headscore.model.forward import Pass
from headscore.scores.by_sequence import with_sums
from headscore.scores.head_scores import HeadScores
from headscore.scores.pass_results import check_faults, collect
from headscore.scores.user_batch import UserBatch


class Captured(NamedTuple):
    """The scores of one pass.

    Attributes
    ----------
    encoded
        Its batch.
    hashes
        As in `UserBatch`.
    values, attainable, entries, invisible
        As in `headscore.scores.pass_results.PassResults`.
    """

    encoded: Encoded
    hashes: Array
    values: Array
    attainable: Array
    entries: Ints
    invisible: Bools


def captured(batch: UserBatch, done: Pass) -> Captured:
    """Bring the scores of a complete pass to the host; raises InputError for faulty input."""
    found = collect(done)
    assert found is not None  # masks were read, so that none can differ from what was expected
    check_faults(found.faults, batch.encoded.ids)
    return Captured(
        encoded=batch.encoded,
        hashes=batch.hashes,
        values=found.values,
        attainable=found.attainable,
        entries=found.entries,
        invisible=found.invisible,
    )


def join(
    done: Many[Captured], roles: tuple[str, ...], facts: dict[str, str], heads: Many[int]
) -> HeadScores:
    """Join the scores of passes, in order; `heads` are those of each layer."""
    batches = [each.encoded for each in done]
    documents = tuple(document for batch in batches for document in batch.documents)
    return HeadScores(
        values=np.concatenate([each.values for each in done]),
        roles=roles,
        sequence_ids=tuple(id_ for batch in batches for id_ in batch.ids),
        documents=documents if any(documents) else None,
        attainable=np.concatenate([each.attainable for each in done]),
        tokens=np.concatenate([each.hashes for each in done]),
        facts=facts,
        lengths=np.concatenate([batch.lengths for batch in batches]),
        heads=np.array(heads),
        **with_sums(
            np.concatenate([each.entries for each in done]),
            np.concatenate([each.invisible for each in done]),
            len(roles),
        ),
    )
