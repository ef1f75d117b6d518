"""The first sequences of a corpus, and samples: by place, size and seed alone."""

import random
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

import headscore as hs
from headscore.corpus import read
from headscore.options import ReadOptions

TEXTS = [f"text {number}" for number in range(40)]


def ids(corpus, **options):
    return [each.id for each in read(corpus, ReadOptions(**options))]


@given(
    n=st.integers(1, 40),
    limit=st.integers(1, 50),
    sample=st.integers(1, 50),
    seed=st.integers(0, 9),
)
def test_a_sample_is_that_of_the_lowest_random_numbers(n, limit, sample, seed):
    draw = random.Random(seed).random
    numbers = [draw() for _ in range(min(n, limit))]
    lowest = sorted(range(len(numbers)), key=lambda place: numbers[place])[:sample]
    want = [str(place) for place in sorted(lowest)]
    assert ids(TEXTS[:n], limit=limit, sample=sample, seed=seed) == want


def test_limit_reads_the_first_sequences_alone():
    def texts():
        yield from TEXTS[:3]
        raise AssertionError("read too far")

    assert ids(texts(), limit=3) == ["0", "1", "2"]


def test_a_smaller_sample_is_part_of_a_larger_one():
    small, large = (set(ids(TEXTS, sample=n, seed=4)) for n in (5, 20))
    assert small < large
    assert small != set(ids(TEXTS, sample=5, seed=5))


def test_pairs_are_sampled_as_pairs():
    found = ids(TEXTS, pairs="consecutive", sample=6)
    assert len(found) == 6
    assert set(found) < set(ids(TEXTS, pairs="consecutive"))


def test_invalid_entries_are_counted_and_logged_once(tmp_path):
    path = tmp_path / "table.tsv"
    path.write_text("sentence\tx\na\t1\nwrong\nb\t2\nc\t3\n", encoding="utf-8")
    logged, counts = [], {"invalid_skipped": 0}
    options = ReadOptions(skip_invalid=True, sample=3)
    assert [each.id for each in read(path, options, counts, logged.append)] == ["2", "4", "5"]
    assert (counts["invalid_skipped"], len(logged)) == (1, 1)


def test_a_generator_cannot_be_sampled():
    with pytest.raises(hs.UsageError, match="read twice to sample it, got a generator"):
        ids((each for each in TEXTS), sample=2)


@pytest.mark.parametrize("option", ["limit", "sample"])
@pytest.mark.parametrize("value", [0, -1, True, 1.5])
def test_sizes_are_whole_numbers(option, value):
    with pytest.raises(hs.UsageError, match=f"{option} must be an integer of at least 1"):
        ReadOptions(**{option: value})


def test_the_signature_names_the_part():
    assert ReadOptions().subset_facts() == {}
    options = ReadOptions(limit=9, sample=5, seed=2)
    assert options.subset_facts() == {"limit": "9", "sample": "5, seed 2"}
    assert replace(options, sample=None).subset_facts() == {"limit": "9"}


def test_read_is_public(tmp_path):
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(TEXTS), encoding="utf-8")
    assert [each.segments[0].text for each in hs.read(path, limit=2)] == TEXTS[:2]
    assert list(hs.read(TEXTS, sample=3, seed=1)) == list(hs.read(TEXTS, sample=3, seed=1))


def test_a_seed_without_a_sample_raises():
    with pytest.raises(hs.UsageError, match="seed must be left out without until or sample"):
        hs.score("model", TEXTS, seed=3)
