"""Pieces of a corpus: compiled encoding equals plain loops, and pieces and chunks join to it."""

import itertools
import pickle
from pathlib import Path

import numpy as np
import pytest
from helpers.encoding_loops import encode_by_loops
from helpers.same import assert_same_encoded
from helpers.tokenizers import KINDS, TOKENIZERS

from headscore.corpus import read
from headscore.corpus.sequence import Segment, Sequence
from headscore.corpus.sequence_table import SequenceTable
from headscore.encoding.encode import encode_part, encode_piece
from headscore.encoding.join import join
from headscore.errors import InputError
from headscore.options import ReadOptions

WORDS = (
    "the dog the dogs barked didn't transformational café naïve 我 猫 🙂 \x07 , ! ŧŧħ it's “the” ก็"
).split(" ")
RELATIONS = ("nsubj", "obj", "det", "amod", "nsubj:pass", "punct")
TAGS = ("", "NOUN", "VERB", "DET", "X")
SPACES = (" ", "  ", "\u3000", "\n", "")


def random_segment(rng, columns):
    """Words with spaces between them or not, some split in two, some sharing their span."""
    text, spans = "", []
    for _ in range(int(rng.integers(0, 12))):
        word, start = str(rng.choice(WORDS)), len(text)
        middle = start + int(rng.integers(1, len(word) + 1))
        ways = [
            [(start, start + len(word))],
            [(start, middle), (middle, start + len(word))],  # maybe an empty span
            [(start, start + len(word))] * 2,
            [],
        ]
        spans += ways[int(rng.choice(4, p=[0.6, 0.2, 0.1, 0.1]))]
        text += word + str(rng.choice(SPACES, p=[0.7, 0.1, 0.05, 0.05, 0.1]))
    n = len(spans)
    if n and rng.random() < 0.3:
        spans.insert(1, (spans[0][1], spans[0][1] + 1))  # often a word of a space
        n += 1
    heads = relations = None
    if rng.random() < 0.8:
        heads = tuple((w + 1 + int(rng.integers(0, n - 1))) % n if n > 1 else -1 for w in range(n))
        heads = tuple(-1 if rng.random() < 0.1 else head for head in heads)
        relations = tuple(str(rng.choice(RELATIONS)) for _ in heads)
    labels = {name: tuple(str(rng.choice(TAGS)) for _ in spans) for name in columns}
    if rng.random() < 0.1:
        return Segment(text)
    words = tuple(text[start:end] for start, end in spans)
    return Segment(text, words, tuple(spans), heads, relations, labels or None)


def random_sequences(seed, n=60):
    rng = np.random.default_rng(seed)
    columns = (("upos", "entity") if seed % 2 else ("upos",)) if seed % 3 else ()
    return [
        Sequence(
            f"s{i}",
            tuple(random_segment(rng, columns) for _ in range(int(rng.integers(1, 3)))),
            None if rng.random() < 0.5 else f"d{i // 9}",
        )
        for i in range(n)
    ]


@pytest.fixture(params=KINDS)
def tokenizer(request):
    return TOKENIZERS.setdefault(request.param, KINDS[request.param]())


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize(
    ("max_length", "too_long"), [(500, "truncate"), (9, "truncate"), (9, "skip")]
)
def test_compiled_encoding_equals_plain_loops(tokenizer, seed, max_length, too_long):
    items = random_sequences(seed)
    options = {
        "max_length": max_length,
        "too_long": too_long,
        "asked": lambda name: name != "det",
    }
    tokenizer.truncation_side = "left" if seed % 2 else "right"
    try:
        got, want = (
            encode_part(items, tokenizer, **options),
            encode_by_loops(items, tokenizer, **options),
        )
    finally:
        tokenizer.truncation_side = "right"
    assert_same_encoded(got, want)
    assert set(want.counts) >= {"empty"}
    assert ("truncated" in want.counts) == (max_length == 9 and too_long == "truncate")


@pytest.mark.parametrize("seed", range(3))
def test_pieces_join_to_the_whole_and_chunks_are_cut_from_it(tokenizer, seed):
    items = random_sequences(seed) + random_sequences(seed + 3)
    whole = encode_by_loops(items, tokenizer, max_length=12)
    bounds = [0, 1, 1, 40, 60, 97, len(items)]  # columns change at 60
    pieces = [
        encode_piece(SequenceTable.of(items[start:stop]), tokenizer, max_length=12)
        for start, stop in itertools.pairwise(bounds)
    ]
    joined = join(pickle.loads(pickle.dumps(pieces)))
    assert_same_encoded(joined, whole)
    assert_same_encoded(join([join(pieces[:3]), join(pieces[3:])]), whole)
    assert len(joined.sources) == len(items)
    for start, stop in [(0, 120), (0, 50), (50, 100), (100, 150), (7, 8), (500, 600)]:
        assert_same_encoded(
            joined.chunk(start, stop), encode_part(items[start:stop], tokenizer, max_length=12)
        )
    again = joined.chunk(20, 90).chunk(10, 40)
    assert_same_encoded(again, encode_part(items[30:60], tokenizer, max_length=12))


@pytest.mark.parametrize("max_length", [4, 12])
def test_chunks_have_the_columns_of_their_own_sequences(tokenizer, max_length):
    rng = np.random.default_rng(5)
    columns = [("upos", "entity"), ("entity", "upos"), ("entity",), ("word", "upos"), ()]
    items = [
        Sequence(f"s{s}", (random_segment(rng, columns[int(rng.integers(5))]),)) for s in range(90)
    ]
    limits = {"max_length": max_length, "too_long": "skip"}
    whole = encode_part(items, tokenizer, **limits)
    assert_same_encoded(whole, encode_by_loops(items, tokenizer, **limits))
    for step in (1, 2, 7):
        for start in range(0, 90, step):
            own = encode_by_loops(items[start : start + step], tokenizer, **limits)
            assert_same_encoded(whole.chunk(start, start + step), own)
            assert_same_encoded(encode_part(items[start : start + step], tokenizer, **limits), own)


def test_chunks_count_only_the_relations_that_are_asked_for(tokenizer):
    items = random_sequences(1)
    whole = encode_part(items, tokenizer, max_length=12)
    for name in RELATIONS:
        got = whole.chunk(10, 50).counting(name.__eq__)
        want = encode_part(items[10:50], tokenizer, max_length=12, asked=name.__eq__)
        assert got.counts == want.counts
    assert "relations_dropped" in whole.counts


def test_given_arrays_have_no_chunks():
    import headscore as hs

    given = hs.Encoded.from_arrays([[1, 2]])
    with pytest.raises(InputError, match="an Encoded that headscore"):
        given.chunk(0, 1)


@pytest.mark.shared
@pytest.mark.model
@pytest.mark.parametrize("language", ["en_ewt", "pt_bosque"])
def test_real_texts_are_encoded_as_by_plain_loops(minilm, language, shared):
    corpus = Path(shared) / "data" / "ud" / f"{language}-ud-dev.conllu"
    items = list(read(corpus, ReadOptions(pairs="consecutive")))[:300]
    for max_length in (512, 24):
        got = encode_part(items, minilm.tokenizer, max_length=max_length)
        assert_same_encoded(got, encode_by_loops(items, minilm.tokenizer, max_length=max_length))
