"""Special tokens that a text spells, and added tokens of slow tokenizers."""

import logging

import numpy as np
import pytest
from helpers.tokenizers import KINDS, SENTENCES, TOKENIZERS, llama
from transformers import ByT5Tokenizer, EsmTokenizer

import headscore as hs
from headscore.corpus.sequence import Sequence
from headscore.encoding.encode import encode
from headscore.errors import UsageError

RESIDUES = "LAGVSERTIDPKQNFYMHWCXBUZO.-"
MADE = {
    **KINDS,
    **{f"llama {each}": lambda way=each: llama(way) for each in ("prepended", "replaced")},
    "bytes": ByT5Tokenizer,
}


def esm(folder):
    path = folder / "vocab.txt"
    names = ["<cls>", "<pad>", "<eos>", "<unk>", *RESIDUES, "<null_1>", "<mask>"]
    path.write_text("\n".join(names))
    return EsmTokenizer(str(path))


def ids_of(text, tokenizer, **options):
    return encode([Sequence.from_text(text)], tokenizer, max_length=999, **options).input_ids


@pytest.mark.parametrize("choice", ["split", "keep"])
@pytest.mark.parametrize("kind", MADE)
def test_token_ids_of_random_texts_are_those_of_the_tokenizer(kind, choice):
    tokenizer = TOKENIZERS.setdefault(kind, MADE[kind]())
    rng = np.random.default_rng(0)
    letters = np.array(sorted(set("".join(SENTENCES) + "[]<>/“…।\u2003ⅷ\n")))
    texts = ["".join(rng.choice(letters, 30)) for _ in range(40)]
    texts = [text for text in texts if text.strip()]
    encoded = encode(
        map(Sequence.from_text, texts), tokenizer, max_length=999, special_in_text=choice
    )
    want = [tokenizer(text)["input_ids"] for text in texts]
    assert encoded.input_ids.tolist() == [token for each in want for token in each]
    assert encoded.counts == {}


def test_a_vocabulary_of_added_tokens_is_not_split(tmp_path):
    tokenizer = esm(tmp_path)
    protein = "".join(np.random.default_rng(0).choice(list(RESIDUES), 60))
    assert ids_of(protein, tokenizer).tolist() == tokenizer(protein)["input_ids"]
    masked = f"{protein}<mask>{protein}"
    kept = ids_of(masked, tokenizer, special_in_text="keep")
    assert kept.tolist() == tokenizer(masked)["input_ids"]
    assert len(kept) == 2 * len(protein) + 3


def test_slow_tokenizers_split_special_tokens_alone():
    tokenizer = ByT5Tokenizer()
    tokenizer.add_tokens(["[DRUG]"])
    drug = tokenizer.convert_tokens_to_ids("[DRUG]")
    assert drug in ids_of("a[DRUG]b", tokenizer)
    assert ids_of("a[DRUG]b", tokenizer).tolist() == tokenizer("a[DRUG]b")["input_ids"]
    text = "a[DRUG]</s>[DRUG]b"
    split = ids_of(text, tokenizer).tolist()
    a, b, end = *tokenizer("ab")["input_ids"][:2], tokenizer.eos_token_id
    spelled = [each + tokenizer.offset for each in b"</s>"]
    assert split == [a, drug, *spelled, drug, b, end]
    assert ids_of("</s>", tokenizer).tolist() == [*spelled, end]
    with pytest.warns(UserWarning, match="already has"):
        ended = encode(
            [Sequence.from_text("ab</s>")], tokenizer, max_length=9, special_in_text="keep"
        )
    assert ended.input_ids.tolist() == [a, b, end]
    assert ended.special.tolist() == [False, False, True]
    assert ids_of(text, tokenizer, special_in_text="keep").tolist() == [a, drug, end, drug, b, end]


@pytest.fixture
def marked():
    tokenizer = KINDS["wordpiece"]()
    tokenizer.add_special_tokens({"additional_special_tokens": ["[E1]", "[/E1]"]})
    return tokenizer


def test_kept_special_tokens_are_text(marked):
    text = "the [E1] dog [/E1] barked"
    encoded = encode([Sequence.from_text(text)], marked, max_length=99, special_in_text="keep")
    assert encoded.input_ids.tolist() == marked(text)["input_ids"]
    assert encoded.special.nonzero()[0].tolist() == [0, len(encoded.input_ids) - 1]
    assert encoded.counts == {"literal_special": 1}
    split = encode([Sequence.from_text(text)], marked, max_length=99)
    assert len(split.input_ids) > len(encoded.input_ids)
    with pytest.raises(UsageError, match="special_in_text must be one of split, keep, got 'drop'"):
        hs.encode([text], marked, special_in_text="drop")


def test_an_encoded_corpus_records_what_was_kept(marked, tmp_path):
    encoded = hs.encode(["the [E1] dog"], marked, max_length=99, special_in_text="keep")
    assert encoded.facts["special_in_text"] == "keep"
    encoded.save(tmp_path / "corpus.hse")
    again = hs.load(tmp_path / "corpus.hse")
    assert again.facts["special_in_text"] == "keep"


@pytest.mark.parametrize(
    ("spelled", "others", "choice", "warned"),
    [(1, 0, "split", True), (1, 30, "split", False), (2, 30, "split", True),
     (5, 200, "split", True), (4, 200, "split", False), (9, 0, "keep", False),
     (0, 3, "split", False)],
)  # fmt: skip
def test_one_warning_where_more_than_a_few_texts_spell_special_tokens(
    marked, caplog, spelled, others, choice, warned
):
    texts = ["the [E1] dog"] * spelled + ["the dog"] * others
    with caplog.at_level(logging.WARNING, "headscore"):
        hs.encode(texts, marked, max_length=99, special_in_text=choice)
    found = [each.getMessage() for each in caplog.records]
    assert (
        found
        == [
            f"special tokens are split into pieces that {spelled} of {spelled + others} sequences "
            "spell, special_in_text='keep' lets the model read them as such"
        ]
        * warned
    )
