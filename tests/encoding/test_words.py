"""Words of tokens: tokenizers without a pre-tokenizer, words of the corpus, unspaced scripts."""

import tracemalloc

import numpy as np
import pytest
from helpers.tokenizers import KINDS, TOKENIZERS, llama

import headscore as hs
from headscore.corpus.sequence import Segment, Sequence
from headscore.encoding.encode import encode
from headscore.roles.presence import missing
from headscore.roles.specs import parse_roles


def forms(encoded, tokenizer):
    """The tokens of each word; None for the tokens of no word."""
    tokens = tokenizer.convert_ids_to_tokens(encoded.input_ids.tolist())
    numbers = encoded.columns["word"].labels.tolist()
    found = {}
    for token, number in zip(tokens, numbers, strict=True):
        found.setdefault(None if number < 0 else number, []).append(token)
    return found


@pytest.mark.parametrize("spaces", ["prepended", "replaced", "metaspace"])
def test_without_a_pre_tokenizer_white_space_separates_words(spaces):
    tokenizer = llama(spaces)
    text = "the transformational dog didn't bark, the dog"
    words = set(tokenizer(text).word_ids())
    assert words == {None, 0}
    encoded = encode([Sequence.from_text(text)], tokenizer, max_length=99)
    found = forms(encoded, tokenizer)
    assert found.pop(None) == ["<s>"]
    assert ["".join(each).strip("▁") for each in found.values()] == text.split()
    assert all(not each[1:] or "▁" not in "".join(each[1:]) for each in found.values())


def test_words_of_the_corpus_come_first():
    tokenizer = llama("prepended")
    text, spans = "xyzwvu bark", ((0, 3), (3, 6), (7, 11))
    words = tuple(text[start:end] for start, end in spans)
    items = [
        Sequence("whole", (Segment(text, (text,), ((0, len(text)),)),)),
        Sequence("split", (Segment(text, words, spans),)),
        Sequence("mixed", (Segment(text, words, spans), Segment(text))),
    ]
    whole, split, mixed = (encode([each], tokenizer, max_length=99) for each in items)
    assert len(forms(whole, tokenizer)) == 2
    for encoded, want in ((split, words), (mixed, (*words, *text.split()))):
        found = [
            tokenizer.convert_tokens_to_string(tokens)
            for number, tokens in forms(encoded, tokenizer).items()
            if number is not None
        ]
        assert [each.strip() for each in found] == list(want)


@pytest.mark.parametrize("kind", ["bpe", "unigram", "llama"])
def test_letters_of_unspaced_scripts_are_words(kind):
    made = {**KINDS, "llama": llama}
    tokenizer = TOKENIZERS.setdefault(kind, made[kind]())
    text = "สวัสดี田中山 水です the dog"
    letters = ["ส", "วั", "ส", "ดี", "田", "中", "山", "水", "で", "す", "the", "dog"]
    if kind == "bpe":  # its pre-tokenizer takes vowel signs off their letters
        letters[1:4] = ["ว", "ั", "ส", "ด", "ี"]
    encoded = encode([Sequence.from_text(text)], tokenizer, max_length=99)
    offsets = tokenizer(text).encodings[0].offsets
    numbers = encoded.columns["word"].labels
    spelled = {}
    for (start, end), number in zip(offsets, numbers.tolist(), strict=True):
        if number >= 0:
            first, last = spelled.get(number, (start, end))
            spelled[number] = min(first, start), max(last, end)
    found = [text[start:end].strip() for start, end in spelled.values()]
    assert "".join(found) == "".join(letters)
    if kind != "unigram":  # it has one token for letters that it does not know
        assert found == letters


def test_pieces_grow_with_the_words_and_not_with_the_text():
    tokenizer = llama()
    text = "the transformational dog didn't bark " * 700
    entries = []
    tracemalloc.start()
    for tokens in (1024, 4096):
        encoded = encode([Sequence.from_text(text)], tokenizer, max_length=tokens)
        assert encoded.lengths.tolist() == [tokens]
        entries.append(len(hs.SievePlan.compile("same_word", encoded).entry_key))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert entries[1] < 4.5 * entries[0]
    assert most < 64 * 2**20


def test_a_text_without_spaces_has_no_words():
    encoded = hs.Encoded.from_arrays(
        np.ones((1, 300), int), columns={"word": np.array([[0] * 129 + [1] * 128 + [-1] * 43])}
    )
    plan = hs.SievePlan.compile("same_word", encoded)
    assert set(plan.entry_query.tolist()) == set(range(129, 257))
    alone = encode([Sequence.from_text("ab" * 400)], llama(), max_length=999)
    assert missing(parse_roles("local,same_word"), alone) == [
        "same_word has no sieve: every word of several pieces has more than 128"
    ]
