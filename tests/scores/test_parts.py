"""gather: parts are joined in memory or on disk, with the same scores, facts and counts."""

import itertools
import weakref
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headscore.errors import InputError
from headscore.scores.head_scores import HeadScores
from headscore.scores.parts import Part, gather


def sums_of(start, stop):
    """Sums to which sequence n adds 2**40 + n times the number of the element."""
    numbers = np.arange(11 * 2 * 3 * 4).reshape(11, 2, 3, 4)
    return (2**40 + np.arange(start, stop)).sum() * numbers


def whole(n=23, **changes):
    rng = np.random.default_rng(0)
    values = rng.gamma(2, 1.5, (n, 2, 3, 4)).astype(np.float32)
    values[::5, 1] = np.nan
    attainable = np.full((n, 2, 3), 50, np.float32)
    parts = {
        "values": values,
        "roles": ("local", "nsubj"),
        "sequence_ids": tuple(f"s{i}" for i in range(n)),
        "documents": tuple(None if i % 3 else f"d{i}" for i in range(n)),
        "attainable": attainable,
        "tokens": np.arange(n, dtype=np.uint64),
        "facts": {"model": "m", "corpus": "c"},
        "counts": {},
        "overlap": np.array([[9, 3], [3, 7]]) * n,
        "excess": values - 2,
        "position_sums": sums_of(0, n),
        "lengths": np.arange(n) + 3,
    }
    return HeadScores(**{**parts, **changes})


def cut(scores, start, stop):
    rows = slice(start, stop)
    return Part(
        HeadScores(
            scores.values[rows],
            scores.roles,
            scores.sequence_ids[rows],
            scores.documents[rows],
            scores.attainable[rows],
            scores.tokens[rows],
            {**scores.facts, "corpus": f"c{start}"},
            {"batches_halved": 1},
            np.array([[9, 3], [3, 7]]) * (stop - start),
            scores.excess[rows],
            sums_of(start, stop),
            scores.lengths[rows],
        ),
        {"empty": 2},
    )


NAMES = ("values", "attainable", "tokens", "overlap", "excess", "position_sums", "lengths")


def same(one, other):
    for name in NAMES:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    for name in ("roles", "sequence_ids", "documents"):
        assert getattr(one, name) == getattr(other, name)


@given(st.lists(st.integers(1, 22), unique=True).map(sorted), st.sampled_from([0, 100, 2**30]))
def test_any_split_is_joined_to_the_same_scores_in_memory_and_on_disk(cuts, budget):
    scores = whole()
    ends = [0, *cuts, 23]
    parts = [cut(scores, *span) for span in itertools.pairwise(ends)]
    joined = gather(iter([*parts, Part(None, {"empty": 1})]), budget=budget)
    same(joined, scores)
    assert isinstance(joined.values, np.memmap) == (budget < joined.values.nbytes)
    assert joined.counts == {"empty": 2 * len(parts) + 1, "batches_halved": len(parts)}


def test_keep_disk_returns_a_memmap():
    assert not isinstance(gather([cut(whole(), 0, 23)], keep="memory").values, np.memmap)
    joined = gather([cut(whole(), 0, 23)], keep="disk")
    assert isinstance(joined.values, np.memmap)
    same(joined, whole())


def test_one_part_is_held_at_a_time():
    made = []

    def parts():
        for start in range(20):
            assert [ref() for ref in made] == [None] * start
            part = cut(whole(), start, start + 1)
            made.append(weakref.ref(part.scores))
            yield part
            del part

    same(gather(parts(), keep="disk"), gather([cut(whole(), 0, 20)]))


def test_the_corpus_hash_does_not_depend_on_the_grouping_of_chunks():
    parts = [cut(whole(), *span) for span in ((0, 8), (8, 16), (16, 23))]
    direct = gather(parts).facts["corpus"]
    assert gather(parts[:1]).facts["corpus"] == "c0"
    shard = gather(parts[:2])
    again = HeadScores(**{**vars(shard), "facts": {**shard.facts, "corpus": "c0,c8"}})
    assert gather([Part(again), parts[2]]).facts["corpus"] == direct
    assert gather(parts[::-1]).facts["corpus"] != direct


def test_repeated_sequences_are_counted(caplog):
    joined = gather([cut(whole(tokens=np.zeros(23, np.uint64)), 0, 23)])
    assert joined.counts["duplicate_sequences"] == 22
    assert "22 of 23 sequences repeat an earlier one" in caplog.text


def test_no_parts_return_none():
    assert gather([]) is None
    assert gather([Part(None, {"empty": 1})]) is None


def test_parts_of_different_kinds_raise():
    with pytest.raises(InputError, match="parts of a corpus must have the same roles"):
        gather([cut(whole(), 0, 3), cut(whole(roles=("local", "obj")), 3, 6)])


def test_a_part_in_which_nothing_is_compared_adds_nothing():
    first, last = cut(whole(), 0, 8), cut(whole(), 8, 23)
    none = Part(replace(first.scores, excess=None, position_sums=None))
    joined = gather([none, last])
    assert np.isnan(joined.excess[:8]).all()
    np.testing.assert_array_equal(joined.excess[8:], whole().excess[8:])
    np.testing.assert_array_equal(joined.position_sums, sums_of(8, 23))
    assert gather([none]).position_sums is None


@pytest.mark.parametrize("lacking", [0, 1, 2])
def test_counts_that_one_part_lacks_are_unknown_of_the_whole(lacking):
    parts = [cut(whole(), *span) for span in ((0, 8), (8, 16), (16, 23))]
    entries = np.tile([9, 3, 7], (23, 1))
    parts = [
        replace(part, scores=replace(part.scores, entries=entries[: len(part.scores)]))
        for part in parts
    ]
    np.testing.assert_array_equal(gather(parts).entries, entries)
    older = replace(parts[lacking].scores, entries=None, lengths=None)
    parts[lacking] = replace(parts[lacking], scores=older)
    joined = gather(parts)
    assert joined.entries is None
    assert joined.lengths is None
    np.testing.assert_array_equal(joined.overlap, whole().overlap)
