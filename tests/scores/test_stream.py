"""Scoring chunk by chunk: the same scores in memory and on disk, with one set of warnings."""

import logging

import numpy as np
import pytest
from helpers import tiny
from helpers.batches import relative

import headscore as hs
from headscore.corpus.sequence import Segment, Sequence
from headscore.errors import IncompleteError, InputError, UsageError
from headscore.sieves.odds import UNIT

ROLES = "local,nsubj,obj,delimiter"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny.save(tmp_path_factory.mktemp("bert"))


@pytest.fixture(scope="module")
def items():
    return tiny.sequences(70)


@pytest.fixture(scope="module")
def whole(folder, items):
    return hs.score(folder, items, roles=ROLES)


def same(one, other):
    for name in ("values", "attainable", "tokens", "overlap", "excess", "position_sums", "lengths"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.sequence_ids == other.sequence_ids
    assert one.counts == other.counts


@pytest.mark.parametrize("chunk", [1, 16, 69, 70])
def test_chunks_change_scores_only_by_rounding(folder, items, whole, chunk):
    scores = hs.score(folder, iter(items), roles=ROLES, chunk=chunk)
    assert relative(scores.values, whole.values) <= 1e-4
    np.testing.assert_array_equal(scores.attainable, whole.attainable)
    np.testing.assert_array_equal(scores.overlap, whole.overlap)
    np.testing.assert_array_equal(scores.lengths, whole.lengths)
    # Below 1e-4 of a score for each of the sequences, and below rounding where they are equal.
    assert abs(scores.position_sums - whole.position_sums).max() * UNIT <= 1e-4 * len(items)
    assert (scores.position_sums[1] == whole.position_sums[1]).all()
    assert scores.sequence_ids == whole.sequence_ids
    assert (scores.facts == whole.facts) == (chunk == 70)
    same(scores, hs.score(folder, items, roles=ROLES, chunk=chunk))


def test_scores_in_memory_and_on_disk_have_the_same_bits(folder, items):
    in_memory, on_disk = (
        hs.score(folder, items, roles=ROLES, chunk=20, keep_scores=keep)
        for keep in ("auto", "disk")
    )
    assert isinstance(on_disk.values, np.memmap)
    assert not isinstance(in_memory.values, np.memmap)
    same(in_memory, on_disk)
    reports = [hs.test(scores) for scores in (in_memory, on_disk)]
    assert reports[0].table.equals(reports[1].table)
    assert reports[0].signature == reports[1].signature


def test_the_sums_of_chunks_are_those_of_their_sequences(folder, items):
    chunks = [hs.score(folder, items[at : at + 20], roles=ROLES) for at in range(0, 70, 20)]
    together = hs.score(folder, items, roles=ROLES, chunk=20)
    sums = sum(each.position_sums for each in chunks)
    np.testing.assert_array_equal(together.position_sums, sums)
    assert sums[:, [1, 2]].all()
    assert not sums[:, [0, 3]].any()  # roles without word pairs


@pytest.mark.parametrize("special", ["keep", "drop"])
def test_lengths_count_special_tokens_in_any_case(folder, items, special):
    scores = hs.score(folder, items, roles="local", special=special)
    pieces = tiny.tokenizer()
    want = [len(pieces(*(s.text for s in each.segments)).input_ids) for each in items]
    assert scores.lengths.tolist() == want


def test_without_position_nothing_is_compared(folder, items):
    scores = hs.score(folder, items, roles=ROLES, position=False)
    assert scores.excess is None
    assert scores.position_sums is None


def test_scores_on_disk_can_be_saved(folder, items, whole, tmp_path):
    hs.score(folder, items, roles=ROLES, keep_scores="disk").save(tmp_path / "a.hs")
    same(hs.load(tmp_path / "a.hs"), whole)


def test_a_chunk_without_usable_sequences_is_counted(folder, items):
    blank = [Sequence.from_text(" ", id=f"b{n}") for n in range(5)]
    scores = hs.score(folder, [*items[:5], *blank, *items[5:8]], roles=ROLES, chunk=5)
    assert scores.sequence_ids == tuple(f"s{n}" for n in range(8))
    assert scores.counts["empty"] == 5
    with pytest.raises(InputError, match=r"the corpus holds no usable sequence \(empty: 5\)"):
        hs.score(folder, blank, roles=ROLES, chunk=2)


def parsed(n, relation):
    return Sequence(
        f"{relation}{n}", (Segment.from_words(["bal", "dan"], [1, -1], [relation, "root"]),)
    )


def test_a_role_is_absent_only_if_it_is_in_no_chunk(folder, caplog):
    caplog.set_level(logging.WARNING, "headscore")
    items = [*(parsed(n, "amod") for n in range(4)), *(parsed(n, "nsubj") for n in range(4))]
    scores = hs.score(folder, items, roles="nsubj,obj,local", chunk=4)
    assert np.isnan(scores.values[:4, 0]).all()
    assert not np.isnan(scores.values[4:, 0]).any()
    assert [r.message for r in caplog.records if "no pair" in r.message] == [
        "no pair of relation 'obj' in the corpus; the corpus has nsubj, amod"
    ]
    with pytest.raises(InputError, match="none of the roles occurs in the corpus: no pair of rel"):
        hs.score(folder, items, roles="obj", chunk=4)


def test_unparsed_chunks_raise_only_if_no_chunk_is_parsed(folder):
    items = [*(Sequence.from_text("bal dan", id=f"t{n}") for n in range(4)), parsed(0, "nsubj")]
    scores = hs.score(folder, items, roles="nsubj", chunk=4)
    assert scores.values.shape[0] == 5
    with pytest.raises(InputError, match="the text is not parsed, so nsubj has no sieve"):
        hs.score(folder, items[:4], roles="nsubj", chunk=2)


def test_the_limit_of_skipped_sequences_applies_to_the_whole_corpus(items):
    network = tiny.network()
    bad = tiny.VOCABULARY.index(tiny.BAD_WORD)
    network.embeddings.word_embeddings.weight.data[bad] = float("nan")
    spoilt = Sequence.from_text(tiny.BAD_WORD, id="spoilt")
    many = [*(each.renamed(f"{n}-{each.id}") for n in range(2) for each in items), spoilt]
    options = {
        "tokenizer": tiny.tokenizer(),
        "roles": "local",
        "on_nonfinite": "skip",
        "chunk": 20,
    }
    assert hs.score(network, many, **options).counts["nonfinite_skipped"] == 1
    with pytest.raises(IncompleteError, match=r"at most 1 % .* got 1 of 71"):
        hs.score(network, many[70:], **options)


@pytest.mark.parametrize("chunk", [0, 1.5, "1"])
def test_invalid_chunks_raise(folder, chunk):
    with pytest.raises(UsageError, match="chunk must be an integer of at least 1"):
        hs.score(folder, ["bal"], chunk=chunk)
