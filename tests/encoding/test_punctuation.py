"""Punctuation: marks of one token, of several bytes, and of slow tokenizers."""

import unicodedata

import numpy as np
import pytest
from helpers.tokenizers import KINDS, TOKENIZERS, llama
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import ByT5Tokenizer, PreTrainedTokenizerFast

from headscore.corpus.sequence import Sequence
from headscore.encoding.encode import encode

TEXTS = (
    "“cat” sat…",
    '"cat" sat...',
    "है।",
    "¿qué?",
    "a\u2003—\u2003b",
    "’",
    "dog’s «猫»、犬。",
    "۔ x",
    "cat, it's!?",
)


def is_mark(character):
    return unicodedata.category(character)[0] == "P"


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("kind", ["bpe", "llama"])
def test_all_tokens_of_a_mark_are_punctuation(kind, text):
    tokenizer = TOKENIZERS.setdefault(kind, {**KINDS, "llama": llama}[kind]())
    encoded = encode([Sequence.from_text(text)], tokenizer, max_length=99)
    got = (encoded.columns["punctuation"].labels == 0).tolist()
    names = tokenizer.convert_ids_to_tokens(encoded.input_ids.tolist())
    for name, (start, end), special, mark in zip(
        names, tokenizer(text).encodings[0].offsets, encoded.special.tolist(), got, strict=True
    ):
        spelled = text[start:end].strip()
        spaces = not name.strip("▁Ġ")
        want = bool(spelled) and all(map(is_mark, spelled)) and not special and not spaces
        assert mark == want, (name, spelled)


@pytest.mark.parametrize("text", TEXTS)
def test_bytes_of_a_mark_are_punctuation(text):
    tokenizer = ByT5Tokenizer()
    items = [Sequence.from_text(text), Sequence.from_text("é…"), Sequence.from_text(text, text)]
    encoded = encode(items, tokenizer, max_length=999)
    one = [is_mark(character) for character in text for _ in character.encode()]
    want = [*one, False, False, False, True, True, True, False, *one, False, *one, False]
    assert (encoded.columns["punctuation"].labels == 0).tolist() == want


def test_bytes_are_marks_without_a_decoder_too():
    tokenizer = llama()
    tokenizer.backend_tokenizer.decoder = None
    encoded = encode([Sequence.from_text("cat, it's!?")], tokenizer, max_length=99)
    marks = encoded.input_ids[encoded.columns["punctuation"].labels == 0]
    names = tokenizer.convert_ids_to_tokens(marks.tolist())
    assert names == [",", "'", "<0x21>", "?"]


def test_marks_with_a_suffix_at_the_end_of_words_are_punctuation():
    model = models.BPE(unk_token="<unk>", end_of_word_suffix="</w>")
    built = Tokenizer(model)
    built.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    built.decoder = decoders.BPEDecoder(suffix="</w>")
    trainer = trainers.BpeTrainer(
        special_tokens=["<unk>"], end_of_word_suffix="</w>", show_progress=False
    )
    built.train_from_iterator(["w w, w! ¿w w"], trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=built, unk_token="<unk>")
    encoded = encode([Sequence.from_text("w, w! ¿w")], tokenizer, max_length=9)
    names = tokenizer.convert_ids_to_tokens(encoded.input_ids.tolist())
    assert names == ["w</w>", ",</w>", "w</w>", "!</w>", "¿</w>", "w</w>"]
    labels = encoded.columns["punctuation"].labels
    assert labels.tolist() == [-1, 0, -1, 0, 0, -1]


def test_bytes_that_are_no_text_are_no_punctuation():
    tokenizer = ByT5Tokenizer()
    encoded = encode([Sequence.from_text("…" * 9)], tokenizer, max_length=9)
    labels = encoded.columns["punctuation"].labels
    assert labels.tolist() == [0] * 6 + [-1] * 3  # two bytes of the third one, and the end
    assert np.diff(encoded.offsets).tolist() == [9]
