"""The demo corpus: its trees are valid, and its relations are frequent enough to test."""

from collections import Counter

import pytest

from headscore import demo
from headscore.corpus import read
from headscore.options import ReadOptions
from headscore.report.wording import short_model

# Universal relations of UD v2, and the subtypes that the corpus uses.
RELATIONS = frozenset(
    (
        "acl acl:relcl advcl advcl:relcl advmod amod appos aux aux:pass case cc cc:preconj ccomp "
        "clf compound compound:prt conj cop csubj csubj:outer csubj:pass dep det det:predet "
        "discourse dislocated expl fixed flat goeswith iobj list mark nmod nmod:desc nmod:poss "
        "nmod:unmarked nsubj nsubj:outer nsubj:pass nummod obj obl obl:agent obl:tmod "
        "obl:unmarked orphan parataxis punct reparandum root vocative xcomp"
    ).split()
)
TESTED = ("nsubj", "obj", "amod", "advmod")


@pytest.fixture(scope="module")
def segments(demo_sequences):
    return [sequence.segments[0] for sequence in demo_sequences]


def test_every_sentence_is_one_tree(demo_sequences):
    for sequence in demo_sequences:
        heads = sequence.segments[0].heads
        assert heads.count(-1) == 1, sequence.id
        for word in range(len(heads)):
            seen = set()
            while word >= 0:
                assert word not in seen, f"cycle in {sequence.id}"
                seen.add(word)
                word = heads[word]


def test_relations_are_known_and_only_the_root_is_root(demo_sequences):
    for sequence in demo_sequences:
        segment = sequence.segments[0]
        assert set(segment.relations) <= RELATIONS, sequence.id
        for head, relation in zip(segment.heads, segment.relations, strict=True):
            assert (head == -1) == (relation == "root"), sequence.id


def test_no_word_has_two_subjects_or_two_objects(segments):
    for segment in segments:
        for relation in ("nsubj", "obj"):
            heads = [
                head
                for head, name in zip(segment.heads, segment.relations, strict=True)
                if name == relation
            ]
            assert len(heads) == len(set(heads)), segment.text


def test_function_words_have_no_subjects_or_objects(segments):
    for segment in segments:
        for word, (head, relation) in enumerate(zip(segment.heads, segment.relations, strict=True)):
            if relation in TESTED[:2]:
                carrier = segment.relations[head]
                assert carrier not in {"case", "punct", "aux", "det", "cc"}, segment.words[word]


def test_the_corpus_is_large_and_varied_enough(demo_sequences, segments):
    assert len(demo_sequences) >= 240
    assert len({segment.text for segment in segments}) == len(segments)
    assert len({sequence.document for sequence in demo_sequences}) >= 42  # clusters of a test
    lengths = [len(segment.words) for segment in segments]
    assert min(lengths) <= 7
    assert max(lengths) >= 28


def test_each_relation_has_enough_and_enough_distant_word_pairs(segments):
    counts = Counter()
    far = 0
    for segment in segments:
        for word, (head, relation) in enumerate(zip(segment.heads, segment.relations, strict=True)):
            if relation in TESTED:
                counts[relation] += 1
                far += abs(word - head) > 2
    assert min(counts[relation] for relation in TESTED) >= 150
    assert far / counts.total() >= 0.25


def test_consecutive_sentences_give_enough_text_pairs():
    pairs = [
        each for each in read(demo.demo_corpus(), ReadOptions(pairs="consecutive")) if each.is_pair
    ]
    assert len(pairs) >= 100


def test_the_model_is_a_real_bert(minilm):
    assert (minilm.layers, minilm.heads) == (6, 12)
    assert minilm.network.config.model_type == "bert"


@pytest.mark.model
def test_pages_call_the_model_by_its_name():
    assert (
        short_model(str(demo.demo_model()))
        == short_model(f"{demo.demo_model()}/")
        == "all-MiniLM-L6-v2"
    )
    assert short_model("/models/google/bert-base") == "google/bert-base"
