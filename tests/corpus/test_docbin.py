"""DocBin files: words and trees as spaCy stored them."""

import pytest
import spacy
from spacy.tokens import Doc, DocBin

from headscore.corpus import read
from headscore.errors import InputError, UsageError
from headscore.options import ReadOptions


@pytest.fixture(scope="module")
def vocab():
    return spacy.blank("en").vocab


@pytest.fixture
def saved(tmp_path, vocab):
    """A parsed Doc of two sentences, one that is not parsed, one without a word."""
    parsed = Doc(
        vocab,
        words=["Dogs", "bark", ".", "Cats", "sleep"],
        spaces=[True, False, True, True, False],
        heads=[1, 1, 1, 4, 4],
        deps=["nsubj", "ROOT", "punct", "nsubj", "ROOT"],
        sent_starts=[True, False, False, True, False],
    )
    bare = Doc(vocab, words=["Not", "parsed"])
    path = tmp_path / "in.spacy"
    DocBin(attrs=["HEAD", "DEP", "SENT_START"], docs=[parsed, bare, Doc(vocab)]).to_disk(path)
    return path


def test_words_and_trees_are_read_as_stored(saved):
    first, second, empty = read(saved)
    (segment,) = first.segments
    assert segment.text == "Dogs bark. Cats sleep"
    assert segment.words == ("Dogs", "bark", ".", "Cats", "sleep")
    assert [segment.text[slice(*span)] for span in segment.spans] == list(segment.words)
    assert segment.heads == (1, -1, 1, 4, -1)
    assert segment.relations == ("nsubj", "root", "punct", "nsubj", "root")
    assert second.segments[0].words == ("Not", "parsed")
    assert not second.parsed
    assert empty.segments[0].text == ""
    assert [each.id for each in (first, second, empty)] == ["0", "1", "2"]


def test_documents_in_memory_are_read_as_those_of_a_file(saved, vocab):
    docs = list(DocBin().from_disk(saved).get_docs(vocab))
    want = list(read(saved))
    assert list(read(docs)) == list(read(doc for doc in docs)) == want
    mixed = list(read(["a text", docs[0], (docs[1], "another")]))
    assert mixed[1].segments == want[0].segments
    assert mixed[2].segments[0] == want[1].segments[0]
    assert mixed[2].segments[1].text == "another"


def test_labels_of_a_document_in_memory_are_kept(vocab):
    doc = Doc(vocab, words=["Ann", "sings"], pos=["PROPN", "VERB"], ents=["B-PERSON", "O"])
    (sequence,) = read([doc])
    assert sequence.segments[0].labels == {"upos": ("PROPN", "VERB"), "entity": ("PERSON", "")}


def test_a_document_alone_raises(vocab):
    with pytest.raises(InputError, match=r"got a Doc: pass \[doc\]"):
        read(Doc(vocab, words=["a"]))


def test_consecutive_documents_can_be_paired(saved):
    first, _ = read(saved, ReadOptions(pairs="consecutive"))
    assert first.id == "0+1"


def test_columns_raise(saved):
    with pytest.raises(UsageError, match=r"columns must be None for a .spacy file"):
        read(saved, ReadOptions(columns=("text",)))


@pytest.mark.parametrize("change", ["cut", "flip", "empty", "other"])
def test_a_damaged_file_raises(saved, change):
    content = saved.read_bytes()
    saved.write_bytes(
        {
            "cut": content[: len(content) // 2],
            "flip": bytes([*content[:40], content[40] ^ 255, *content[41:]]),
            "empty": b"",
            "other": b"hello",
        }[change]
    )
    with pytest.raises(InputError, match=r"in.spacy: must be a spaCy DocBin that is whole, got"):
        list(read(saved))
