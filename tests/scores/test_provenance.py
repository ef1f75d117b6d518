"""Hashes and facts of a signature: equal for equal input, different for any change."""

import dataclasses
import logging

import numpy as np
import pytest
import torch
from helpers import tiny

from headscore.corpus import Segment, Sequence
from headscore.encoding import encode as encode_all
from headscore.roles.specs import parse_roles
from headscore.scores import provenance
from headscore.scores.repeats import Repeats


def encode(sequences, family="bert"):
    return encode_all(sequences, tiny.tokenizer(family), max_length=128)


def with_words(words="bal dan gor", heads=(1, -1, 1), relations=("nsubj", "root", "obj"), **more):
    return Sequence("a", (Segment.from_words(words.split(), heads, relations),), **more)


@pytest.fixture(scope="module")
def network():
    return tiny.network("bert")


def test_the_same_weights_have_the_same_hash(network):
    want = provenance.weights_hash(network)
    assert len(want) == 12
    assert provenance.weights_hash(tiny.network("bert")) == want
    assert provenance.weights_hash(network.train()) == want


def test_any_other_weights_have_another_hash(network):
    hashes = {
        provenance.weights_hash(each)
        for each in (
            network,
            tiny.network("bert", seed=1),
            tiny.network("bert").bfloat16(),
            tiny.network("electra"),
        )
    }
    assert len(hashes) == 4


def test_one_bit_of_any_weight_changes_the_hash():
    network = tiny.network("bert")
    hashes = {provenance.weights_hash(network)}
    weights = network.state_dict()
    for weight in weights.values():
        bits = weight.view(torch.int32).view(-1)
        bits[-1] ^= 1
        hashes.add(provenance.weights_hash(network))
        bits[-1] ^= 1
    assert len(hashes) == 1 + len(weights)


def test_swapped_layers_have_another_hash(network):
    swapped = tiny.network("bert")
    layers = swapped.encoder.layer
    layers[0], layers[1] = layers[1], layers[0]
    assert provenance.weights_hash(swapped) != provenance.weights_hash(network)


def test_the_name_of_a_weight_changes_the_hash():
    layer = torch.nn.Linear(2, 2)
    hashes = {
        provenance.weights_hash(torch.nn.ModuleDict({name: layer})) for name in ("key", "query")
    }
    assert len(hashes) == 2


def test_calling_a_tokenizer_does_not_change_its_hash():
    tokenizer = tiny.tokenizer()
    want = provenance.tokenizer_hash(tokenizer)
    tokenizer(["bal dan gor"], truncation=True, max_length=4)
    assert provenance.tokenizer_hash(tokenizer) == want
    tokenizer(["bal dan", "gor"], padding=True)
    assert provenance.tokenizer_hash(tokenizer) == want
    assert provenance.tokenizer_hash(tiny.tokenizer()) == want


def test_another_tokenizer_has_another_hash():
    more = tiny.tokenizer()
    more.add_tokens(["newword"])
    tokenizers = [tiny.tokenizer(family) for family in ("bert", "roberta", "gpt2")]
    assert len({provenance.tokenizer_hash(each) for each in [*tokenizers, more]}) == 4


def test_the_same_corpus_has_the_same_hash():
    first, second = (provenance.corpus_hash(encode(tiny.sequences(6))) for _ in range(2))
    assert first == second
    assert len(first) == 12


OTHER_CORPORA = {
    "word": with_words("bal dan mon"),
    "order": with_words("dan bal gor"),
    "head": with_words(heads=(2, -1, 1)),
    "relation": with_words(relations=("amod", "root", "obj")),
    "relations swapped": with_words(relations=("obj", "root", "nsubj")),
    "document": with_words(document="d"),
    "no parse": Sequence.from_text("bal dan gor", id="a"),
    "pair": Sequence.from_text("bal dan", "gor", id="a"),
}


def test_any_other_corpus_has_another_hash():
    hashes = {name: provenance.corpus_hash(encode([each])) for name, each in OTHER_CORPORA.items()}
    hashes["as it is"] = provenance.corpus_hash(encode([with_words()]))
    assert len(set(hashes.values())) == len(hashes), hashes


def test_other_word_offsets_have_another_hash():
    whole = encode([with_words("baling dan gor", (1, -1, 1))])
    pairs = whole.pairs
    assert pairs.dependent_offsets.tolist() == [0, 2, 3]
    other = dataclasses.replace(
        whole, pairs=dataclasses.replace(pairs, dependent_offsets=np.array([0, 1, 3]))
    )
    assert provenance.corpus_hash(other) != provenance.corpus_hash(whole)


@pytest.mark.parametrize("name", ["segments", "special"])
def test_segments_and_special_change_the_hash(name):
    encoded = encode([with_words()])
    values = getattr(encoded, name).copy()
    values[1] = 1 - values[1]
    other = dataclasses.replace(encoded, **{name: values})
    assert provenance.corpus_hash(other) != provenance.corpus_hash(encoded)


def test_token_hashes_depend_only_on_the_tokens():
    items = tiny.sequences(8)
    hashes = provenance.token_hashes(encode(items))
    assert hashes.dtype == np.uint64
    assert len(set(hashes.tolist())) == 8
    np.testing.assert_array_equal(provenance.token_hashes(encode(items[::-1])), hashes[::-1])
    texts = [
        Sequence(each.id, tuple(Segment(s.text) for s in each.segments), "d") for each in items
    ]
    np.testing.assert_array_equal(provenance.token_hashes(encode(texts)), hashes)
    hashes[0] = 0  # it is not a view of read-only memory


@pytest.mark.parametrize(
    ("tokens", "repeated"), [([1, 2, 3], 0), ([3, 1, 3], 1), ([5, 5, 5, 2], 2)]
)
def test_duplicates_are_counted_and_logged(tokens, repeated, caplog):
    with caplog.at_level(logging.WARNING, "headscore"):
        repeats = Repeats()
        repeats.add(np.array(tokens, np.uint64))
        counts = repeats.counts()
    assert counts == ({"duplicate_sequences": repeated} if repeated else {})
    want = f"{repeated} of {len(tokens)} sequences repeat an earlier one"
    assert (want in caplog.text) == bool(repeated)


def test_facts_name_model_data_options_and_versions():
    loaded = tiny.load("bert")
    facts = provenance.facts_of(loaded, "abc", parse_roles("local,sink"), None, "reference")
    assert (
        list(facts)
        == (
            "headscore model weights tokenizer corpus parser roles max_length dtype backend torch "
            "transformers"
        ).split()
    )
    assert facts["weights"] == provenance.weights_hash(loaded.network)
    assert facts["tokenizer"] == provenance.tokenizer_hash(loaded.tokenizer)
    assert facts["corpus"] == "abc"
    assert facts["torch"] == torch.__version__
    del facts["headscore"], facts["transformers"], facts["torch"]
    del facts["weights"], facts["tokenizer"], facts["corpus"]
    assert facts == {
        "model": "BertModel",
        "parser": "none",
        "roles": "local,sink",
        "max_length": "128",
        "dtype": "float32",
        "backend": "reference",
    }
