"""Word pairs besides those of the parse: the same pieces as the parse gives, in every sequence."""

import random

import pytest
from helpers import tiny

import headscore as hs
from headscore.corpus.sequence import Segment, Sequence
from headscore.encoding.encode import encode
from headscore.errors import InputError


def pairs_of(encoded):
    """For each sequence the sorted (relation, dependent pieces, head pieces)."""
    pairs, found = encoded.pairs, []
    for start, stop in zip(pairs.offsets, pairs.offsets[1:], strict=False):
        found.append(
            sorted(
                (
                    encoded.relation_names[pairs.relation[p]],
                    pairs.dependents[slice(*pairs.dependent_offsets[p : p + 2])].tolist(),
                    pairs.heads[slice(*pairs.head_offsets[p : p + 2])].tolist(),
                )
                for p in range(start, stop)
            )
        )
    return found


def test_drawn_pairs_have_the_pieces_of_parsed_ones():
    rng, tokenizer = random.Random(0), tiny.tokenizer()
    drawn, parsed = [], []
    for n in range(30):
        segments = ([], [])
        for _ in range(rng.choice([1, 2])):
            words = [rng.choice(["bal", "dangor", "x", "balbal"]) for _ in range(rng.randint(1, 6))]
            heads = [
                rng.choice([h for h in range(-1, len(words)) if h != w]) for w in range(len(words))
            ]
            names = [rng.choice("pqr") for _ in words]
            pairs = [(names[w], w, head) for w, head in enumerate(heads) if head >= 0]
            rng.shuffle(pairs)
            segments[0].append(Segment.from_words(words, word_pairs=pairs))
            segments[1].append(Segment.from_words(words, heads, names))
        drawn.append(Sequence(str(n), tuple(segments[0])))
        parsed.append(Sequence(str(n), tuple(segments[1])))
    mine, theirs = (encode(each, tokenizer, max_length=12) for each in (drawn, parsed))
    assert pairs_of(mine) == pairs_of(theirs)
    assert mine.counts == theirs.counts
    assert mine.parsed


def test_both_kinds_of_pairs_of_a_segment_are_kept():
    words, heads, relations = ["bal", "dan", "bal"], [1, -1, 1], ["nsubj", "root", "obj"]
    pairs = [("coref", 2, 0)]
    both = hs.Sequence.from_words(words, heads, relations, word_pairs=pairs)
    encoded = encode([both], tiny.tokenizer(), max_length=20)
    assert [name for name, _, _ in pairs_of(encoded)[0]] == ["coref", "nsubj", "obj"]


@pytest.mark.parametrize(
    ("pair", "message"),
    [
        (("coref", 0, 2), "must join two of the 2 words, counted from 0, got"),
        (("coref", 2, 0), "must join two of the 2 words"),
        (("coref", 1, 1), "must join two of the 2 words"),
        (("coref", -1, 1), "must join two of the 2 words"),
        (("coref", 0), r"must be \(relation, word, head word\), got"),
        ((1, 0, 1), r"must be \(relation, word, head word\), got"),
    ],
)
def test_pairs_of_other_words_raise(pair, message):
    with pytest.raises(InputError, match=message):
        hs.Sequence.from_words(["a", "b"], word_pairs=[pair])
