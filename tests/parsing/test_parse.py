"""Parsing: words and trees of texts, stored parses, and the order of sequences and offsets."""

import itertools

import numpy as np
import psutil
import pytest
import spacy
from helpers import tiny
from helpers.commands import run_here
from hypothesis import given
from hypothesis import strategies as st

import headscore as hs
from headscore.corpus.sequence import Segment, Sequence
from headscore.errors import IncompleteError, InputError
from headscore.parsing.parse import parse as parse_with
from headscore.parsing.pipelines import find_parser
from headscore.parsing.store import ParseStore, key_of


@spacy.Language.component("refuses_to_run")
def refuses_to_run(doc):
    raise AssertionError("a component that no parser needs was run")


SEEN = []


@spacy.Language.component("notes_texts")
def notes_texts(doc):
    SEEN.append(doc.text)
    return doc


@pytest.fixture(scope="module")
def untrained():
    """A parser that was never trained, a component that no parse needs, one that it may need."""
    pipeline = spacy.blank("en")
    parser = pipeline.add_pipe("parser")
    for label in ("nsubj", "ROOT", "dep"):
        parser.add_label(label)
    pipeline.initialize()
    pipeline.add_pipe("refuses_to_run", name="ner")
    pipeline.add_pipe("notes_texts", first=True)
    return pipeline


@pytest.fixture(scope="module")
def trained(shared):
    return spacy.load(shared / "models/spacy/en_ewt_ud")


def test_cached_parses_are_not_recomputed_for_a_second_model(untrained, tmp_path):
    untrained.to_disk(tmp_path / "pipeline")
    corpus = [each.segments[0].text for each in tiny.sequences(20)]
    how = {"roles": "local,nsubj", "parser": str(tmp_path / "pipeline"), "cache": tmp_path}
    SEEN.clear()
    hs.score(tiny.save(tmp_path / "one", seed=0), corpus, **how)
    assert sorted(SEEN) == sorted(set(corpus))
    SEEN.clear()
    hs.score(tiny.save(tmp_path / "other", "gpt2", seed=1), corpus, **how)
    assert SEEN == []


@pytest.fixture
def with_entities(tmp_path):
    """The path of a pipeline with entities, which notes what it parses."""
    pipeline = spacy.blank("en")
    pipeline.add_pipe("parser").add_label("dep")
    pipeline.add_pipe("notes_texts", first=True)
    pipeline.initialize()
    patterns = [{"label": "NAME", "pattern": word} for word in tiny.ROOTS[::2]]
    pipeline.add_pipe("entity_ruler").add_patterns(patterns)
    pipeline.to_disk(tmp_path / "pipeline")
    return str(tmp_path / "pipeline")


def test_cached_labels_are_not_recomputed_in_a_second_run(with_entities, tmp_path):
    corpus = [each.segments[0].text for each in tiny.sequences(20)]
    model, cache = tiny.save(tmp_path / "model"), tmp_path / "cache"
    how = {"parser": with_entities, "cache": cache}
    SEEN.clear()
    first = hs.score(model, corpus, roles="label:entity", **how)
    assert set(corpus) <= set(SEEN)
    SEEN.clear()
    second = hs.score(model, corpus, roles="label:entity", **how)
    hs.score(model, corpus, roles="local,dep", **how)
    hs.score(model, corpus, roles="local,dep", control="offset,entity", **how)
    assert SEEN == []
    assert np.isfinite(first.values).any()
    np.testing.assert_array_equal(first.values, second.values)
    hs.score(model, corpus, roles="local", labels=("tag",), **how)  # was not stored
    assert set(corpus) <= set(SEEN)


def test_entities_by_patterns_of_tags_are_found(with_entities, tmp_path):
    pipeline = spacy.load(with_entities)
    tags = pipeline.add_pipe("attribute_ruler", before="entity_ruler")
    tags.add(patterns=[[{"IS_SPACE": False}]], attrs={"TAG": "NNP"})
    pipeline.get_pipe("entity_ruler").add_patterns(
        [{"label": "TAGGED", "pattern": [{"TAG": "NNP"}]}]
    )
    pipeline.to_disk(tmp_path / "tags")
    corpus = [each.segments[0].text for each in tiny.sequences(20)]
    how = {"parser": str(tmp_path / "tags"), "cache": None}
    scores = hs.score(tiny.save(tmp_path / "model"), corpus, roles="label:entity=TAGGED", **how)
    assert np.isfinite(scores.values).any()


def test_labels_in_upper_case_are_those_in_lower_case(with_entities, tmp_path):
    corpus = [each.segments[0].text for each in tiny.sequences(20)]
    model, how = tiny.save(tmp_path / "model"), {"parser": with_entities, "cache": tmp_path / "c"}
    upper, lower = (
        hs.score(model, corpus, roles=f"label:{name}", **how).values
        for name in ("ENTITY", "entity")
    )
    assert np.isfinite(upper).any()
    np.testing.assert_array_equal(upper, lower)


def test_the_command_parse_keeps_the_labels_that_are_asked_for(with_entities, tmp_path):
    texts = [each.segments[0].text for each in tiny.sequences(8)]
    corpus, file = tmp_path / "c.txt", tmp_path / "c.hsp"
    corpus.write_text("\n".join(texts) + "\n", encoding="utf-8")
    asked = ("parse", corpus, "--parser", with_entities, "-o", file, "--processes", "0")
    assert run_here(*asked, "--labels", "*").returncode == 0
    SEEN.clear()
    for labels in ("entity", "entity,tag"):
        assert run_here(*asked, "--labels", labels).returncode == 0
    how = {"parser": with_entities, "cache": file}
    hs.score(tiny.save(tmp_path / "model"), corpus, roles="label:entity", **how)
    assert SEEN == []


def parse(items, pipeline, **options):
    return parse_with(items, find_parser(pipeline), **options)


def words_and_relations(segment):
    return [
        (word, relation, None if head < 0 else segment.words[head])
        for word, relation, head in zip(
            segment.words, segment.relations, segment.heads, strict=True
        )
    ]


@pytest.mark.shared
def test_a_trained_pipeline_returns_words_and_relations(trained):
    (sequence,) = parse([Sequence.from_text("The small dog chased my cats.")], trained)
    assert words_and_relations(sequence.segments[0]) == [
        ("The", "det", "dog"),
        ("small", "amod", "dog"),
        ("dog", "nsubj", "chased"),
        ("chased", "root", None),
        ("my", "nmod:poss", "cats"),
        ("cats", "obj", "chased"),
        (".", "punct", "chased"),
    ]


@pytest.mark.shared
def test_given_words_are_parsed_unchanged(trained):
    words = ["Dogs", "do", "n't", "chase", "New York", "cats"]
    (sequence,) = parse([Sequence.from_words(words)], trained)
    (segment,) = sequence.segments
    assert segment.words == tuple(words)
    assert [segment.text[slice(*span)] for span in segment.spans] == words
    assert ("Dogs", "nsubj", "chase") in words_and_relations(segment)


@pytest.mark.shared
def test_words_of_a_text_keep_its_spaces(trained):
    text = "Well,I don't  know!"
    spans = ((0, 4), (4, 5), (5, 6), (7, 9), (9, 12), (14, 18), (18, 19))
    given_words = tuple(text[slice(*span)] for span in spans)
    (sequence,) = parse([Sequence("a", (Segment(text, given_words, spans),))], trained)
    (segment,) = sequence.segments
    assert (segment.text, segment.words, segment.spans) == (text, given_words, spans)
    assert ("I", "nsubj", "know") in words_and_relations(segment)


@pytest.mark.shared
def test_every_tree_has_one_root_with_the_relation_root(trained):
    (sequence,) = parse([Sequence.from_text("Dogs bark. Cats sleep.")], trained)
    (segment,) = sequence.segments
    roots = [word for word, head in zip(segment.words, segment.heads, strict=True) if head < 0]
    assert roots == ["bark", "sleep"]
    assert [r == "root" for r in segment.relations] == [head < 0 for head in segment.heads]


@given(text=st.text(st.sampled_from("ab.'é🙂 \n\t你-\u0301"), max_size=30))
def test_spans_are_exact(untrained, text):
    (sequence,) = parse([Sequence.from_text(text)], untrained)
    (segment,) = sequence.segments
    assert segment.text == text
    assert segment.parsed
    assert [text[slice(*span)] for span in segment.spans] == list(segment.words)
    outside = set(range(len(text))) - {i for span in segment.spans for i in range(*span)}
    assert all(text[i] == " " for i in outside)


def test_order_segments_ids_and_documents_are_kept(untrained):
    gold = Segment.from_words(["a", "b"], [1, -1], ["made-up", "root"])
    items = [
        Sequence(f"s{n}", (Segment(f"text {n}"), gold)[:: 1 if n % 2 else -1][: 1 + n % 3 % 2], "d")
        for n in range(150)
    ]
    parsed = list(parse(items, untrained))
    assert len(parsed) == 150
    for before, after in zip(items, parsed, strict=True):
        assert (after.id, after.document) == (before.id, "d")
        assert [s.text for s in after.segments] == [s.text for s in before.segments]
        assert after.parsed
        for old, new in zip(before.segments, after.segments, strict=True):
            assert (new is old) == (old is gold)


def test_a_stream_is_not_read_ahead_of_its_chunk(untrained):
    taken = []
    items = (taken.append(n) or Sequence.from_text("a b") for n in range(1000))
    next(parse(items, untrained))
    assert 0 < len(taken) < 300


def test_the_pipeline_reads_the_original_text(untrained):
    text = "Well,I don't know!"
    spans = ((0, 4), (4, 5), (5, 6), (7, 9), (9, 12), (13, 17), (17, 18))
    words = tuple(text[start:end] for start, end in spans)
    SEEN.clear()
    list(parse([Sequence("a", (Segment(text, words, spans), Segment("a  b")))], untrained))
    assert [text, "a  b"] == SEEN


@pytest.mark.parametrize("empty", [Sequence.from_text(""), Sequence.from_words([])])
def test_empty_sequences_have_empty_parses(untrained, empty):
    (sequence,) = parse([empty], untrained)
    assert sequence.segments == (Segment("", (), (), (), ()),)
    assert list(parse([], untrained)) == []


def test_a_text_too_long_for_the_pipeline_raises(untrained, monkeypatch):
    monkeypatch.setattr(untrained, "max_length", 10)
    assert list(parse([Sequence.from_text("a" * 10)], untrained))
    with pytest.raises(InputError, match="at most 10 characters to be parsed, got 11"):
        list(parse([Sequence.from_text("a" * 11)], untrained))


# ------------------------------------------------------------------ stored, and by processes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A parser on disk, untrained: its trees are arbitrary and always the same."""
    pipeline = spacy.blank("en")
    parser = pipeline.add_pipe("parser")
    for label in ("nsubj", "ROOT", "dep"):
        parser.add_label(label)
    pipeline.initialize()
    folder = tmp_path_factory.mktemp("pipeline")
    pipeline.to_disk(folder)
    return folder


@pytest.fixture(scope="module")
def items():
    given_words = Segment.from_words(["w", "x y"])
    return [
        Sequence(f"s{n}", (Segment(f"text {n % 500} here"), given_words)[: 1 + n % 2])
        for n in range(700)
    ]


def test_stored_parses_are_returned_and_not_recomputed(folder, items, tmp_path, monkeypatch):
    parser = find_parser(folder)
    fresh = list(parse_with(items, parser))
    with ParseStore(tmp_path / "a.hsp", parser.identity) as store:
        assert list(parse_with(items[:300], parser, store=store)) == fresh[:300]
        assert list(parse_with(items, parser, store=store)) == fresh
    monkeypatch.setattr(spacy, "load", None)  # from here on nothing can be parsed
    with ParseStore(tmp_path / "a.hsp", parser.identity) as store:
        assert list(parse_with(items, parser, store=store)) == fresh
        with pytest.raises(TypeError):
            list(parse_with([Sequence.from_text("new")], parser, store=store))


def test_parses_before_an_error_are_stored(folder, items, tmp_path):
    parser = find_parser(folder)
    broken = [*items[:300], Sequence.from_text("a" * 2_000_000)]
    with ParseStore(tmp_path / "a.hsp", parser.identity) as store:
        with pytest.raises(InputError, match="at most 1000000 characters"):
            list(parse_with(broken, parser, store=store))
        first = items[0].segments[0]
        assert store.find({key_of(first, parser.identity): first})


@pytest.mark.usefixtures("forked_workers")
def test_worker_processes_return_the_same_parses_order_and_errors(folder, items, tmp_path):
    parser = find_parser(folder)
    got = []
    with ParseStore(tmp_path / "a.hsp", parser.identity) as store:
        stream = parse_with(
            [*items[:512], Sequence.from_text("a" * 2_000_000)], parser, store=store, processes=2
        )
        with pytest.raises(InputError, match="at most 1000000 characters to be parsed"):
            got.extend(stream)
    assert got == list(parse_with(items[:512], parser))


def test_a_dead_worker_process_raises(folder, items):
    stream = parse_with(itertools.cycle(items), find_parser(folder), processes=1)
    next(stream)
    (child,) = [each for each in psutil.Process().children() if "spawn_main" in str(each.cmdline())]
    child.kill()
    with pytest.raises(IncompleteError, match="a process that parses has ended"):
        list(stream)
