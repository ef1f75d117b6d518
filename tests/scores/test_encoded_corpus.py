"""Encode once: files of encoded corpora, their chunks, and the models that may read them."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest
from helpers import tiny
from helpers.same import assert_same_array, assert_same_encoded

import headscore as hs
from headscore import files
from headscore.corpus.sequence import Sequence
from headscore.encoding import layout
from headscore.encoding.encode import encode_part
from headscore.errors import InputError, UsageError
from headscore.options import ScoreOptions
from headscore.roles.specs import asks_for, parse_roles
from headscore.scores import encoded_corpus as once
from headscore.scores.provenance import tokenizer_hash


def items():
    labels = {"upos": ["NOUN", "VERB", ""]}
    words = Sequence.from_words(
        ["baling", "dan", "gor"], [1, -1, 1], ["nsubj", "root", "obj"], labels=labels, id="l"
    )
    return [
        Sequence.from_text(" ", id="nothing"),
        *tiny.sequences(30),
        words,
        Sequence.from_text("dan [SEP] " + "bal " * 40, id="long", document="d"),
    ]


@pytest.fixture
def encoded():
    return hs.encode(items(), tiny.tokenizer(), max_length=24)


@pytest.fixture
def file(encoded, tmp_path):
    encoded.save(tmp_path / "corpus.hse")
    return tmp_path / "corpus.hse"


def test_encode_gives_what_scoring_encodes(encoded):
    want = encode_part(items(), tiny.tokenizer(), max_length=24)
    assert_same_encoded(replace(encoded, facts={}), want)
    assert set(want.counts) == {"empty", "truncated", "literal_special", "relations_dropped"}
    facts = {**encoded.facts}
    del facts["headscore"]
    assert facts == {
        "tokenizer": tokenizer_hash(tiny.tokenizer()),
        "max_length": "24",
        "too_long": "truncate",
        "parser": "none",
        "pairs": "none",
        "columns": "none",
    }


def test_the_limit_is_that_of_the_tokenizer():
    assert hs.encode(items(), tiny.tokenizer()).facts["max_length"] == "128"


def test_a_file_holds_all_of_an_encoded_corpus(encoded, file):
    loaded = hs.load(file)
    assert_same_encoded(loaded, encoded)
    assert loaded.facts == encoded.facts
    assert loaded.sources.seen.keys() == encoded.sources.seen.keys() == {"upos"}
    for name in ("state", "dropped", "dropped_relation"):
        assert_same_array(getattr(loaded.sources, name), getattr(encoded.sources, name), name)
    for each in fields(encoded.sources.seen["upos"]):
        got, want = (getattr(x.sources.seen["upos"], each.name) for x in (loaded, encoded))
        assert_same_array(got, want, each.name)
    assert once.as_encoded(file).ids == encoded.ids
    assert once.as_encoded(encoded) is encoded
    assert once.as_encoded("corpus.conllu") is None
    loaded.save(file.with_name("again.hse"))
    assert file.with_name("again.hse").read_bytes() == file.read_bytes()


@pytest.mark.parametrize("size", [1, 7, 31, 100])
@pytest.mark.parametrize("specs", ["paper", "nsubj", "local"])
def test_chunks_are_those_of_the_corpus(file, size, specs):
    roles = parse_roles(specs)
    found = list(once.chunks(hs.load(file), size, roles))
    corpus = items()
    assert len(found) == -(-len(corpus) // size)
    for n, chunk in enumerate(found):
        part = corpus[n * size : (n + 1) * size]
        want = encode_part(
            part, tiny.tokenizer(), max_length=24, asked=lambda name: asks_for(roles, name)
        )
        assert_same_encoded(chunk, want)


def test_counts_of_reading_are_kept(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text('{"sentence": "bal dan"}\n{"sentence": 3}\n')
    encoded = hs.encode(path, tiny.tokenizer(), skip_invalid=True)
    assert encoded.counts == {"invalid_skipped": 1}
    assert encoded.sources.read == {"invalid_skipped": 1}
    assert encoded.chunk(0, 1).counts == {}
    encoded.save(tmp_path / "c.hse")
    assert hs.load(tmp_path / "c.hse").sources.read == {"invalid_skipped": 1}


def test_a_corpus_without_usable_sequences_is_an_error():
    with pytest.raises(InputError, match="corpus holds no sequence"):
        hs.encode([], tiny.tokenizer())
    with pytest.raises(InputError, match=r"no usable sequence \(empty: 1\)"):
        hs.encode([" "], tiny.tokenizer())
    with pytest.raises(InputError, match="tokenizer must be a hub id"):
        hs.encode(["bal"], 3)


def test_models_with_another_tokenizer_or_limit_are_refused(encoded):
    known = encoded.facts["tokenizer"]
    once.check_model(encoded, known, 24)
    with pytest.raises(InputError, match="encoded with the tokenizer of the model, abc, got"):
        once.check_model(encoded, "abc", 24)
    with pytest.raises(InputError, match="at most 23, which the model takes, got 24"):
        once.check_model(encoded, known, 23)
    given = hs.Encoded.from_arrays([[1, 2]])
    with pytest.raises(InputError, match="an unknown one"):
        once.check_model(given, known, 24)
    with pytest.raises(InputError, match="an Encoded that"):
        once.as_encoded(given)
    with pytest.raises(InputError, match="an Encoded that"):
        given.save("never.hse")


def test_options_of_reading_come_too_late():
    once.check_options(ScoreOptions(roles="local", chunk=3))
    with pytest.raises(UsageError, match=r"pairs and max_length must be left out .*'consecutive'"):
        once.check_options(ScoreOptions(pairs="consecutive", max_length=3))


def test_the_signature_names_the_limit_and_parser_of_the_corpus(encoded):
    facts = once.signed({"model": "m", "parser": "none", "max_length": "128"}, encoded)
    assert facts == {"model": "m", "parser": "none", "max_length": "24"}


def changed(array, place, value):
    array = array.copy()
    array[place] = value
    return array


WRONG = {
    "offsets": (-1, 3),
    "pair_offsets": (1, 10**6),
    "dependent_offsets": (0, 1),
    "head_offsets": (1, -1),
    "dependents": (0, 24),
    "heads": (0, -1),
    "relation": (0, 99),
    "input_ids": (0, -1),
    "segments": (0, 2),
    "labels": ((0, 0), 2),
    "state": (0, 1),
    "dropped": (0, 10**6),
    "dropped_relation": (0, -1),
    "seen_offsets": ((0, 0), 1),
    "seen": (0, 9),
}


@pytest.mark.parametrize("name", WRONG)
def test_inconsistent_files_are_refused(file, name):
    stored = files.read(file, layout.LAYOUTS)
    arrays = {**stored.arrays, name: changed(stored.arrays[name], *WRONG[name])}
    files.write(file, replace(stored, arrays=arrays))
    with pytest.raises(InputError, match=r"corpus\.hse: .* must ") as caught:
        hs.load(file)
    assert "\n" not in str(caught.value)


TEXTS = (
    ("ids", []),
    ("documents", [3]),
    ("relation_names", "nsubj"),
    ("columns", [["upos", "NOUN"]]),
    ("seen", ["lemma"]),
    ("read", {"a": "b"}),
    ("wordless", 3),
)


@pytest.mark.parametrize(("name", "other"), TEXTS)
def test_files_with_other_texts_are_refused(file, name, other):
    stored = files.read(file, layout.LAYOUTS)
    texts = json.loads(stored.arrays["texts"].tobytes()) | {name: other}
    arrays = {**stored.arrays, "texts": layout.pack_texts(texts)}
    files.write(file, replace(stored, arrays=arrays))
    with pytest.raises(InputError, match=r"corpus\.hse: .* must "):
        hs.load(file)


def test_labels_that_are_no_texts_are_refused(file):
    stored = files.read(file, layout.LAYOUTS)
    texts = json.loads(stored.arrays["texts"].tobytes())
    texts["columns"][0][1].append(3)
    arrays = {**stored.arrays, "texts": layout.pack_texts(texts)}
    files.write(file, replace(stored, arrays=arrays))
    with pytest.raises(InputError, match="texts must be those of an encoded corpus, got others"):
        hs.load(file)


@pytest.mark.parametrize("name", ["tokenizer", "max_length", "parser"])
def test_files_without_a_fact_are_refused(file, name):
    stored = files.read(file, layout.LAYOUTS)
    facts = {key: value for key, value in stored.facts.items() if key != name}
    files.write(file, replace(stored, facts=facts))
    with pytest.raises(InputError, match=rf"corpus\.hse: facts must have {name}"):
        hs.load(file)


def test_damaged_and_cut_files_are_refused(file):
    content = file.read_bytes()
    for wrong in (content[:-1], content[:100], b"", content[:-9] + bytes(9)):
        file.write_bytes(wrong)
        with pytest.raises(InputError, match=r"corpus\.hse: "):
            hs.load(file)


def test_a_corpus_without_pairs_or_columns_makes_a_file(tmp_path):
    encoded = hs.encode(["bal", "dan gor"], tiny.tokenizer("gpt2"))
    encoded.save(tmp_path / "a.hse")
    assert_same_encoded(hs.load(tmp_path / "a.hse"), encoded)
    assert np.diff(encoded.pairs.offsets).sum() == 0


def test_columns_named_as_those_of_encoding_are_left_out(tmp_path):
    labels = {"word": ["A", "B"], "punctuation": ["no", "yes"]}
    items = [hs.Sequence.from_words(["bal", "dan"], labels=labels)]
    encoded = hs.encode(items, tiny.tokenizer())
    encoded.save(tmp_path / "a.hse")
    assert_same_encoded(hs.load(tmp_path / "a.hse"), encoded)
    assert list(encoded.columns) == ["word", "punctuation"]


def test_headscore_report_refuses_an_encoded_corpus(file, capsys):
    from headscore.cli import main

    assert main(["report", str(file)]) == 3
    assert "corpus.hse: must hold scores or a report, got an encoded" in capsys.readouterr().err
