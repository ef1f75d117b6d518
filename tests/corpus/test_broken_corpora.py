"""Corpora that are damaged or made to do harm: one sentence, or what their bytes say."""

import os
from collections import Counter

import pytest
from helpers.benchmark_modules import benchmark_module

from headscore.corpus import read
from headscore.errors import InputError

broken = benchmark_module("broken_inputs")
hostile = benchmark_module("hostile_inputs")


@pytest.fixture(scope="module")
def formats(tmp_path_factory):
    return {each.name: each for each in broken.corpora(tmp_path_factory.mktemp("corpora"))}


@pytest.mark.parametrize(
    ("name", "stride"),
    [("conllu", 5), ("cupt", 2), ("tsv", 1), ("jsonl", 1), ("txt", 1), ("spacy", 5)],
)
def test_flipped_bits_and_cuts_are_answered_or_read_as_the_bytes_say(formats, name, stride):
    each = formats[name]
    whole = each.path.read_bytes()
    assert broken.outcome(each, whole) == "agreed"
    found = Counter()
    for what, data in broken.damaged(whole, stride):
        outcome = broken.outcome(each, data)
        assert outcome in ("answered", "agreed"), what
        found[outcome] += 1
    each.path.write_bytes(whole)
    assert found["answered"]
    assert found["agreed"] or name == "spacy"  # whose bits a checksum covers


def test_another_reading_than_that_of_the_bytes_is_seen(formats):
    each = formats["txt"]
    other = broken.Format("txt", each.path, lambda: broken.sequences(each.path)[1:], each.plain)
    assert broken.outcome(other, b"a\nb\n").startswith("read [('2', ")
    assert "plainly refused" in broken.outcome(
        broken.Format("txt", each.path, lambda: 0, each.plain), b"\xff"
    )


def test_a_crash_of_a_reader_is_an_outcome():
    found = broken.in_children([lambda: "a", lambda: os.kill(os.getpid(), 9), lambda: 1 / 0])
    assert found == ["a", "ended by SIGKILL", "ZeroDivisionError: division by zero"]


ANSWERS = {
    "a line of 1 GB": "a.txt:1: a line, or a sentence of lines, must have less than 268435456",
    "a sentence of 1 GB": "a.conllu:1: a line, or a sentence of lines, must have less than",
    "a head of 10^7 digits": "a head must be '_' or lie in 0..1, got '9999",
    "an id of 10^7 digits": "ids must count up, got '9999",
    "a range of 10^9 words": "a range must end at a word of the sentence, got '1-999999999'",
    "a number of 10^7 digits": "a line must be a JSON object, got Exceeds the limit",
    "JSON of depth 100 000": "a line must be a JSON object, got maximum recursion depth",
    "a lone surrogate": "got the lone surrogate '\\ud800' at character 3",
    "a lone surrogate in a word": "got the lone surrogate '\\udfff' at character 3",
    "NUL in a text": "a.txt:1: the text must be UTF-8, got a NUL byte",
    "UTF-16": "a.tsv:1: the text must be UTF-8, got UTF-16",
    "an evil id twice": r"<script>evil()</script>\u202e\x1b[31m../../etc/passwd' as on line 1",
    "columns twice": "each column must have its own name, got 'sentence' twice",
    "a DocBin that holds 1000 times its size": "must hold at most 67108864 bytes, got more",
    "a DocBin with an unknown string": 'must be a spaCy DocBin that is whole, got "[E018]',
    "a DocBin with 2^31 tokens": "lengths of a DocBin must add up to its 6 tokens, got 4294967294",
    "a DocBin with -1 tokens": "lengths of a DocBin must add up to its 6 tokens, got -2",
    "a DocBin with an unknown attribute": "must be a spaCy DocBin that is whole",
    "a DocBin with a number of 2^63": "must be a spaCy DocBin that is whole",
    "a DocBin of another kind": "must be a spaCy DocBin that is whole",
}
TEXTS = {
    "a key twice": ["b"],
    "NUL as an escape": ["a\0b"],
    "a byte order mark inside": ["a", "\ufeffb"],
    "an evil word and relation": [hostile.EVIL],
}


@pytest.mark.parametrize("what", hostile.CORPORA)
def test_hostile_corpora_are_answered_by_one_sentence_or_read(tmp_path, what):
    path = hostile.write_corpus(tmp_path, what)
    if what in TEXTS:
        assert [each.segments[0].text for each in read(path)] == TEXTS[what]
    else:
        with pytest.raises(InputError) as caught:
            list(read(path))
        assert ANSWERS[what] in str(caught.value)
        assert str(caught.value).isprintable()
        assert len(str(caught.value)) < 500
