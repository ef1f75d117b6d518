"""What plans should hold, from plain loops."""

import numpy as np

from headscore.backends.contract import Visibility
from headscore.roles.specs import parse_roles
from headscore.sieves.batch_plan import BatchPlan
from helpers import loops

MOST = 128  # comparison entries of an offset


def plan_of(roles, encoded, **options):
    return BatchPlan.of(parse_roles(roles), encoded, **options)


FULL = Visibility()


def overlap_of(roles, encoded, visibility=FULL):
    return plan_of(roles, encoded).under(visibility).overlap.sum(axis=0)


def visible_range(lengths, tokens, visibility):
    """V(i) = [begin, end) of every query: two (batch, T), empty for padding."""
    begin, end = np.zeros((2, len(lengths), tokens), int)
    for b, n in enumerate(np.asarray(lengths).tolist()):
        for i in range(n):
            keys = loops.visible(i, n, *visibility)
            if keys:
                begin[b, i], end[b, i] = keys[0], keys[-1] + 1
    return begin, end


def arcs_of(batch):
    """Entries that hold an arc of any relation, in either direction."""
    forward = {
        (sequence, i, j)
        for words in batch.pairs.values()
        for sequence, pairs in enumerate(words)
        for dependent, head in pairs
        for i in dependent
        for j in head
        if i != j
    }
    return forward | {(sequence, j, i) for sequence, i, j in forward}


def sampled_at(batch, arcs, sequence, offset):
    """All entries of one text at an offset without an arc or special token, `MOST` of them."""
    n = int(batch.lengths[sequence])
    special, segments = batch.special[sequence], batch.segments[sequence]
    every = [
        (sequence, query, query + offset)
        for query in range(n)
        if 0 <= query + offset < n
        and not special[query]
        and not special[query + offset]
        and segments[query] == segments[query + offset]
        and (sequence, query, query + offset) not in arcs
    ]
    # Number k m // MOST for k = 0 .. MOST - 1.
    m = len(every)
    return every if m <= MOST else [every[k * m // MOST] for k in range(MOST)]


def columns_of(batch, plan):
    """The further columns of each sequence, in order: lists of entries (sequence, query, key)."""
    sieves, arcs, columns = plan.sieves, arcs_of(batch), []
    listed = sieves.listed[sieves.entry_role]
    places = (sieves.entry_sequence, sieves.entry_query, sieves.entry_key)
    members = set(zip(*(column[listed].tolist() for column in places), strict=True))
    for sequence in range(plan.batch):
        own = {each for each in members if each[0] == sequence}
        offsets = sorted({key - query for _, query, key in own})
        sampled = [sampled_at(batch, arcs, sequence, offset) for offset in offsets]
        reverses = {(sequence, key, query) for _, query, key in own}
        single = own | (reverses & {entry for some in sampled for entry in some})
        free = [[entry for entry in some if entry not in single] for some in sampled]
        columns.append([[entry] for entry in sorted(single)] + free)
    return columns
