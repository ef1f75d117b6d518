"""Roles of word pairs and of spans: tokens found by words and letters, errors of one sentence."""

import logging

import numpy as np
import pytest
from helpers import tiny

import headscore as hs
from headscore.corpus.sequence_table import SequenceTable
from headscore.encoding import encode
from headscore.errors import InputError, UsageError
from headscore.roles.presence import missing, unknown_ids
from headscore.roles.words import from_spans, from_word_pairs

# "au" is spelled by one token, and stands for the words à and le.
SHARED = hs.Sequence("shared", (hs.Segment(
    "au bal bal", ("a", "le", "bal", "bal"), ((0, 2), (0, 2), (3, 6), (7, 10))),),
)  # fmt: skip


def encoded(*items, max_length=32):
    return encode(hs.read(items), tiny.tokenizer(), max_length=max_length, places=True)


def groups(role, batch):
    """The groups of a sieve as {sequence: [(queries, keys), ...]}."""
    sieve = role.sieve(batch)
    found = {}
    for s, g, i, j in zip(sieve.sequence, sieve.group, sieve.query, sieve.key, strict=True):
        queries, keys = found.setdefault(int(s), {}).setdefault(int(g), (set(), set()))
        queries.add(int(i))
        keys.add(int(j))
    return {s: list(own.values()) for s, own in found.items()}


def tokens_of(batch, sequence, start, end, text=0):
    """Positions of the tokens with a letter of a span, by loops over what the tokenizer says."""
    found = set()
    begin, behind = (batch.columns[name].labels for name in ("first letter", "letter behind"))
    for flat in range(*batch.offsets[sequence : sequence + 2]):
        inside = any(start <= letter < end for letter in range(begin[flat], behind[flat]))
        if inside and not batch.special[flat] and batch.segments[flat] == text:
            found.add(flat - int(batch.offsets[sequence]))
    return found


def test_words_stand_for_all_of_their_tokens():
    sequences = tiny.sequences(30)
    batch = encoded(*sequences, max_length=128)
    for s, sequence in enumerate(sequences):
        first, second = sequence.segments[0], sequence.segments[1:]
        spans = [(*span, 0) for span in first.spans]
        spans += [(*span, 1) for segment in second for span in segment.spans]
        for word, span in enumerate(spans):
            other = (word + 1) % len(spans)
            role = from_word_pairs({batch.ids[s]: [(word, [other, word])]})
            want = (
                tokens_of(batch, s, *span),
                tokens_of(batch, s, *spans[other]) | tokens_of(batch, s, *span),
            )
            assert groups(role, batch) == {s: [want]}
            same = from_spans({batch.ids[s]: [(span, [spans[other], span])]})
            assert groups(same, batch) == {s: [want]}


def test_words_of_one_token_are_that_token():
    batch = encoded(SHARED)
    role = from_word_pairs({"shared": [(0, 2), (1, 3)]})
    (first, second) = groups(role, batch)[0]
    assert first[0] == second[0]
    assert first[1] != second[1]


def test_text_without_words_is_parted_at_white_space():
    batch = encoded("bal bal, bal", ("bal bal", "bal"))
    role = from_word_pairs({"0": [(0, 1)], "1": [(0, 2)]})
    found = groups(role, batch)
    assert found[0] == [(tokens_of(batch, 0, 0, 3), tokens_of(batch, 0, 4, 8))]
    assert found[1] == [(tokens_of(batch, 1, 0, 3), tokens_of(batch, 1, 0, 3, text=1))]


def test_words_that_were_cut_off_are_left_out():
    words = ["bal"] * 12
    batch = encoded(hs.Sequence.from_words(words, id="a"), max_length=6)
    assert groups(from_word_pairs({"a": [(11, 0)]}), batch) == {}
    assert groups(from_word_pairs({"a": [(0, 1)]}), batch) != {}


@pytest.mark.parametrize(
    ("make", "pairs", "message"),
    [
        (
            from_word_pairs,
            "coref",
            "must be a mapping from sequence ids to lists of pairs, got str",
        ),
        (from_word_pairs, {"a": [(1, 2, 3)]}, r"for sequence 'a' must be \(words that look"),
        (from_word_pairs, {"a": 3}, "for sequence 'a' must be"),
        (from_word_pairs, {"a": [(-1, 2)]}, "must be whole numbers from 0 on, got -1"),
        (from_word_pairs, {"a": [("1", 2)]}, "must be whole numbers from 0 on, got '1'"),
        (from_word_pairs, {"a": [(1, [])]}, r"must be whole numbers from 0 on, got \[\]"),
        (from_spans, {"a": [((3, 3), (0, 1))]}, r"with the start before the end .*, got \(3, 3\)"),
        (from_spans, {"a": [((0, 3, 2), (0, 1))]}, r"text 0 or 1, got \(0, 3, 2\)"),
        (from_spans, {"a": [([], (0, 1))]}, "must be one or more, got none"),
    ],
)
def test_what_is_no_pair_raises(make, pairs, message):
    with pytest.raises(UsageError, match=message):
        make(pairs)


@pytest.mark.parametrize(
    ("role", "message"),
    [
        (
            from_word_pairs({"1": [(0, 9)]}),
            "in sequence '1' must be among its 2, counted from 0, got 9",
        ),
        (
            from_spans({"1": [((0, 3), (5, 99))]}),
            r"must end within its text of 7 letters, got \(5, 99\)",
        ),
        (from_spans({"1": [((0, 3), (0, 3, 1))]}), "within its text of 0 letters"),
    ],
)
def test_a_place_that_is_not_there_raises(role, message, tmp_path):
    table = SequenceTable.of(list(hs.read(["bal", "bal bal"])))
    with pytest.raises(InputError, match=message):
        role.check(table)
    with pytest.raises(InputError, match=message):
        hs.score(tiny.save(tmp_path), ["bal", "bal bal"], roles=[role])


def test_unknown_ids_and_words_get_one_sentence(caplog, tmp_path):
    batch = encode(hs.read(["bal bal"]), tiny.tokenizer(), max_length=32)
    (sentence,) = missing([hs.roles.from_word_pairs({"0": [(0, 1)]}), *sink()], batch)
    assert sentence.endswith("(encode keeps them with word_places=True)")
    (sentence,) = missing([from_word_pairs({"x": [(0, 1)]}), *sink()], encoded("bal bal"))
    assert "none of its sequence ids ('x') is in the corpus" in sentence
    role = from_word_pairs({"0": [(0, 1)], "x": [(0, 1)], "y": [(0, 1)]}, "coref")
    want = "coref: 2 of its 3 sequence ids are not among the sequences scored, 'x' first"
    assert unknown_ids([role], ["0", "1"]) == [want]
    with caplog.at_level(logging.WARNING):
        hs.score(tiny.save(tmp_path), ["bal bal", "bal"], roles=[role])
    assert want in caplog.messages


def sink():
    from headscore.roles.specs import parse_roles

    return parse_roles("sink")


@pytest.mark.parametrize("workers", [0, 1])
def test_word_pairs_score_as_the_relation_of_the_same_pairs(workers, tmp_path):
    sequences = tiny.sequences(24)
    pairs = {}
    for number, each in enumerate(sequences):
        start = 0
        for segment in each.segments:
            for word, head in enumerate(segment.heads):
                if segment.relations[word] == "nsubj" and head >= 0:
                    pairs.setdefault(each.id or str(number), []).append(
                        (start + word, start + head)
                    )
            start += len(segment.words)
    model = tiny.save(tmp_path / "model")
    role = from_word_pairs(pairs, "mine")
    scores = hs.score(model, sequences, roles=["nsubj", role], host_workers=workers)
    np.testing.assert_array_equal(scores.values[:, 0], scores.values[:, 1])
    assert np.isfinite(scores.values[:, 1]).any()
    plain = hs.score(model, sequences, roles=["nsubj"])
    assert scores.facts["corpus"] == plain.facts["corpus"]


def test_an_encoded_corpus_keeps_the_places_of_words(tmp_path):
    model = tiny.save(tmp_path / "model")
    role = from_word_pairs({"0": [(0, [1, 2])]}, "mine")
    texts = ["bal bal bal bal", "bal"]
    path = tmp_path / "corpus.hse"
    hs.encode(texts, model, word_places=True).save(path)
    one, other = (hs.score(model, corpus, roles=[role]) for corpus in (texts, path))
    np.testing.assert_array_equal(one.values, other.values)
