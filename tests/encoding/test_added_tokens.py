"""Tokens that a tokenizer adds, in ids that a user passes to a model."""

import numpy as np
import pytest
from helpers.tokenizers import KINDS, TOKENIZERS
from transformers import ByT5Tokenizer, PreTrainedTokenizerFast

from headscore.corpus.sequence import Sequence
from headscore.encoding.added_tokens import added_by, special_mask
from headscore.encoding.encode import encode


def masks(tokenizer, encoded):
    ids = encoded.grid(encoded.input_ids, fill=tokenizer.pad_token_id)
    return special_mask(ids, encoded.lengths, added_by(tokenizer))


@pytest.mark.parametrize("kind", [*KINDS, "bytes"])
def test_added_tokens_are_those_of_encoding(kind):
    make = ByT5Tokenizer if kind == "bytes" else KINDS[kind]
    tokenizer = TOKENIZERS.setdefault(kind, make())
    items = [
        Sequence.from_text("the dog ☃ barked"),
        Sequence.from_text("dog"),
        Sequence.from_text("the dog", "other ☃ dogs"),
        Sequence.from_text("☃"),
    ]
    encoded = encode(items, tokenizer, max_length=99)
    want = encoded.grid(encoded.special, fill=False)
    assert masks(tokenizer, encoded).tolist() == want.tolist()


def test_unknown_and_masked_tokens_and_markers_are_text(wordpiece):
    marked = {"mask_token": "<mask>", "additional_special_tokens": ["[E1]"]}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=wordpiece.backend_tokenizer,
        **{name: getattr(wordpiece, name) for name in ("cls_token", "sep_token", "unk_token")},
        **marked,
    )
    ids = tokenizer("[E1] the <mask> ŧŧ <s> dog <mask>")["input_ids"]
    got = special_mask(np.array([[*ids, 7, 7]]), np.array([len(ids)]), added_by(tokenizer))
    assert set(tokenizer.all_special_ids) >= set(ids[1:2] + ids[3:6])
    assert got.tolist() == [[True, *[False] * (len(ids) - 2), True, False, False]]


def test_ends_that_a_user_writes_count(bpe):
    plain = PreTrainedTokenizerFast(
        tokenizer_object=bpe.backend_tokenizer, bos_token="<s>", eos_token="</s>"
    )
    plain.backend_tokenizer.post_processor = None
    bos, eos = plain.bos_token_id, plain.eos_token_id
    ids = [bos, *plain("the dog")["input_ids"], bos, eos]
    got = special_mask(np.array([ids]), np.array([len(ids)]), added_by(plain))[0]
    assert got.nonzero()[0].tolist() == [0, len(ids) - 1]


def test_without_a_tokenizer_no_token_is_special():
    assert not special_mask(np.ones((2, 3), np.int64), np.array([3, 1]), added_by(None)).any()


@pytest.fixture
def wordpiece():
    return KINDS["wordpiece"]()


@pytest.fixture
def bpe():
    return KINDS["bpe"]()
