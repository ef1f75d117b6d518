"""Pipelines: found by name or path, told apart by what they are."""

import shutil

import pytest
import spacy

from headscore.errors import InputError
from headscore.parsing.pipelines import find_parser, load_parser


@pytest.fixture(scope="module")
def untrained():
    pipeline = spacy.blank("en")
    pipeline.add_pipe("parser").add_label("nsubj")
    pipeline.initialize()
    return pipeline


@pytest.fixture
def folder(untrained, tmp_path):
    untrained.to_disk(tmp_path / "pipeline")
    return tmp_path / "pipeline"


def test_a_loaded_pipeline_is_taken_as_it_is(untrained):
    assert load_parser(untrained) is untrained


def test_load_by_path(untrained, tmp_path):
    untrained.to_disk(tmp_path)
    for path in (tmp_path, str(tmp_path)):
        assert "parser" in load_parser(path).pipe_names


@pytest.mark.shared
def test_description(shared):
    assert find_parser(shared / "models/spacy/en_ewt_ud").description == "en_ewt_ud@1.0.0"


def test_an_identity_is_that_of_the_files(folder, tmp_path):
    identity = find_parser(folder).identity
    assert identity.startswith("en_pipeline@0.0.0+")
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "a.pyc").write_bytes(b"a")
    assert find_parser(str(copy)).identity == identity
    weights = copy / "parser" / "model"
    weights.write_bytes(weights.read_bytes()[::-1])
    assert find_parser(copy).identity != identity


def test_a_loaded_pipeline_has_none(untrained):
    parser = find_parser(untrained)
    assert parser.identity is None
    assert parser.description == "en_pipeline@0.0.0"


def test_a_parser_is_found_without_being_loaded(folder, monkeypatch):
    monkeypatch.setattr(spacy, "load", None)
    assert find_parser(folder).identity


def test_files_without_a_parser_are_refused_before_they_are_loaded(tmp_path):
    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    pipeline.to_disk(tmp_path)
    with pytest.raises(InputError, match="a component named parser, got sentencizer"):
        find_parser(tmp_path)


@pytest.mark.parametrize(
    ("parser", "message"),
    [
        ("no_such_pipeline", "cannot load the spaCy pipeline 'no_such_pipeline': [E050]"),
        ("", "cannot load the spaCy pipeline ''"),
        (3, "parser must be the name or path of a spaCy pipeline, or a loaded one, got int"),
        (spacy.blank("en"), "the pipeline must have a component named parser, got none"),
    ],
)  # fmt: skip
def test_bad_parsers(parser, message):
    for function in (load_parser, find_parser):
        with pytest.raises(InputError) as caught:
            function(parser)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_folder_without_a_pipeline(tmp_path):
    with pytest.raises(InputError, match=r"cannot load the spaCy pipeline '.*': \[E053\]"):
        load_parser(tmp_path)


def test_a_pipeline_with_other_components():
    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    with pytest.raises(InputError, match="a component named parser, got sentencizer"):
        load_parser(pipeline)
