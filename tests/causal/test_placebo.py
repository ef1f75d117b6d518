"""Placebo edges against plain loops, on ragged batches of every kind of role."""

from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
from helpers import loops, tiny

import headscore as hs
from headscore.backends.contract import Visibility
from headscore.causal import entry_blocks, placebo
from headscore.causal.entry_blocks import EntryBlocks
from headscore.causal.hashing import draw_from, mixed, sequence_keys
from headscore.roles.specs import parse_roles

ROLES = (
    "previous", "next", "local", "local:0", "offset:-3", "sink", "delimiter", "delimiter_sep",
    "block", "duplicate", "induction", "punctuation", "same_word", "nsubj", "syntactic",
    "amod@both", "obj@head2dep",
)  # fmt: skip
VISIBILITIES = (Visibility(), Visibility(True), Visibility(True, 4), Visibility(False, 3))
MODEL = tiny.load("bert")


@lru_cache
def batch_of(n_sequences=9, seed=0, longest=7):
    return tiny.encode(MODEL, tiny.sequences(n_sequences, seed, longest))


def draw(role, batch, visibility, *, seed):
    return placebo.draw(EntryBlocks.of(role, batch, visibility), batch, seed=seed)


def custom(batch):
    """Listed entries that are no arcs of the parse."""
    return hs.Pairs.from_lists([[([1], [2])] if n > 3 else [] for n in batch.lengths])


def drawn_mask(batch):
    """A sieve given as a mask: a few random entries."""
    shape = (len(batch), batch.tokens, batch.tokens)
    query, key = np.indices(shape[1:])
    return np.broadcast_to((3 * query + 5 * key) % 7 == 1, shape).copy()


OWN = (hs.Role("custom", custom), hs.Role("mask", drawn_mask))


def roles():
    return [*(parse_roles(name)[0] for name in ROLES), *OWN]


def entries_of(role, batch):
    """The entries of each sequence, from the sieve itself."""
    sieve = role.sieve(batch)
    found = [set() for _ in range(len(batch))]
    for s, length in enumerate(batch.lengths.tolist()):
        for i in range(length):
            for j in range(length):
                if isinstance(sieve, hs.Labels):
                    low, high = role.band
                    same = sieve.query[s, i] == sieve.key[s, j] != -1
                    inside = bool(same) and low <= j - i <= high
                elif isinstance(sieve, hs.Pairs):
                    inside = False
                else:
                    inside = bool(sieve[s, i, j])
                if inside:
                    found[s].add((i, j))
    if isinstance(sieve, hs.Pairs):
        for s, i, j in zip(
            sieve.sequence.tolist(), sieve.query.tolist(), sieve.key.tolist(), strict=True
        ):
            found[s].add((i, j))
    return found


def arcs_of(batch, s):
    found = set()
    for pairs in tiny._pairs(batch, s).values():
        for dependents, heads in pairs:
            found |= {(i, j) for i in dependents for j in heads}
    return found | {(j, i) for i, j in found}


def loop_placebo(role, batch, visibility, seed):
    """The placebo of each sequence by plain loops: [(query, key, same offset), ...]."""
    keys, entries = sequence_keys(batch, seed), entries_of(role, batch)
    listed = isinstance(role.sieve(batch), hs.Pairs)
    result = []
    for s, (start, end) in enumerate(pairwise(batch.offsets.tolist())):
        n, arcs = int(end - start), arcs_of(batch, s)
        special, segment = batch.special[start:end].tolist(), batch.segments[start:end].tolist()
        seen = [loops.visible(i, n, *visibility) for i in range(n)]
        own = {(i, j) for i, j in entries[s] if j in seen[i]}

        def free(i, j, s=s, arcs=arcs, special=special, segment=segment, seen=seen):
            if j not in seen[i] or (i, j) in entries[s]:
                return False
            if not listed:
                return True
            apart = special[i] or special[j] or segment[i] != segment[j]
            return not apart and (i, j) not in arcs and (j, i) not in entries[s]

        query, key = np.indices((n, n))
        hashes = mixed(np.full((n, n), keys[s]), key - query, query).tolist()

        def order(entry, hashes=hashes):
            return hashes[entry[0]][entry[1]]

        rows = {i for i, _ in own}
        edges, left = [], {}
        for offset in sorted({j - i for i, j in own}):
            mine = sorted((e for e in own if e[1] - e[0] == offset), key=order)
            others = [
                (i, i + offset)
                for i in range(n)
                if i not in rows and 0 <= i + offset < n and free(i, i + offset)
            ]
            chosen = sorted(others, key=order)[: len(mine)]
            edges += [(i, j, True) for i, j in chosen]
            for i, j in mine[: len(mine) - len(chosen)]:
                left.setdefault(i, []).append(j)
        for i, marked in left.items():
            near = [
                (min(abs(j - k) for k in marked), -abs(j - i), j) for j in range(n) if free(i, j)
            ]
            edges += [(i, j, False) for _, _, j in sorted(near)[: len(marked)]]
        result.append(sorted(edges))
    return result


def lists(edges, sequences):
    found = [[] for _ in range(sequences)]
    for s, i, j, same in zip(*(column.tolist() for column in edges), strict=True):
        found[s].append((i, j, same))
    return found


@pytest.mark.parametrize(
    ("visibility", "block"),
    [*((each, entry_blocks._BLOCK_ENTRIES) for each in VISIBILITIES), (VISIBILITIES[3], 100)],
    ids=str,
)
def test_placebo_equals_plain_loops(visibility, block, monkeypatch):
    monkeypatch.setattr(entry_blocks, "_BLOCK_ENTRIES", block)
    batch, total = batch_of(), [0, 0]
    for role in roles():
        found = lists(draw(role, batch, visibility, seed=3), len(batch))
        assert found == loop_placebo(role, batch, visibility, 3), role.name
        for each in found:
            total[0] += len(each)
            total[1] += sum(same for *_, same in each)
    assert total[0] > 100
    assert total[1] > 20


@pytest.mark.parametrize("visibility", VISIBILITIES, ids=str)
def test_role_edges_are_the_visible_entries_of_the_sieve(visibility):
    batch = batch_of(7, seed=1)
    for role in roles():
        found = lists(placebo.role_edges(EntryBlocks.of(role, batch, visibility)), len(batch))
        for s, own in enumerate(entries_of(role, batch)):
            n = int(batch.lengths[s])
            wanted = sorted(e for e in own if e[1] in loops.visible(e[0], n, *visibility))
            assert found[s] == [(i, j, True) for i, j in wanted], role.name


def test_a_sequence_has_the_same_placebo_in_any_batch():
    batch = batch_of(12, seed=2)
    order = np.random.default_rng(0).permutation(12)[:5]
    for role in roles():
        whole = lists(draw(role, batch, Visibility(), seed=0), 12)
        part = lists(draw(role, batch.take(order), Visibility(), seed=0), 5)
        assert part == [whole[s] for s in order.tolist()], role.name


def test_another_seed_draws_other_edges():
    batch = batch_of(20, seed=4)
    role = parse_roles("syntactic")[0]
    first, again, other = (draw(role, batch, Visibility(), seed=seed) for seed in (0, 0, 1))
    assert lists(first, 20) == lists(again, 20) != lists(other, 20)


def test_rows_that_are_all_the_roles_take_the_nearest_key():
    batch = hs.Encoded.from_arrays(np.arange(12).reshape(2, 6), lengths=[6, 3])
    previous = draw(parse_roles("previous")[0], batch, Visibility(True), seed=0)
    # Row 1 has no key before the previous one: itself is left.
    assert lists(previous, 2) == [
        [(1, 1, False), (2, 0, False), (3, 1, False), (4, 2, False), (5, 3, False)],
        [(1, 1, False), (2, 0, False)],
    ]
    sink = draw(parse_roles("sink")[0], batch, Visibility(True), seed=0)
    # Row 0 sees nothing else: one edge fewer.
    assert lists(sink, 2)[1] == [(1, 1, False), (2, 1, False)]


def test_no_edges_where_the_role_has_none():
    batch = hs.Encoded.from_arrays([[5, 6, 7]])
    for name in ("delimiter", "nsubj", "block"):
        assert len(draw(parse_roles(name)[0], batch, Visibility(), seed=0).query) == 0


def test_drawing_takes_each_member_equally_often():
    rng = np.random.default_rng(1)
    group = np.repeat([0, 1, 2, 4], [5, 3, 4, 6])
    wanted, taken = np.array([2, 3, 9, 1, 0]), np.zeros(18)
    for _ in range(2000):
        chosen = draw_from(group, rng.integers(0, 2**63, 18).astype(np.uint64), wanted)
        taken[chosen] += 1
    assert (taken[5:12] == 2000).all()
    assert not taken[12:].any()
    assert taken[:5].sum() == 4000
    assert abs(taken[:5] - 800).max() < 4.5 * np.sqrt(2000 * 0.4 * 0.6)
