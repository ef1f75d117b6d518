"""Pipelines: found by name or path, and identified by their files."""

import shutil

import pytest
import spacy

from headscore.errors import InputError
from headscore.parsing.pipelines import check_parser, find_parser, load_parser


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


def test_a_loaded_pipeline_is_returned_unchanged(untrained):
    assert load_parser(untrained) is untrained


def test_a_pipeline_is_loaded_by_path(untrained, tmp_path):
    untrained.to_disk(tmp_path)
    for path in (tmp_path, str(tmp_path)):
        assert "parser" in load_parser(path).pipe_names


@pytest.mark.shared
def test_the_description_is_name_and_version(shared):
    assert find_parser(shared / "models/spacy/en_ewt_ud").description == "en_ewt_ud@1.0.0"


def test_the_identity_changes_only_with_the_files(folder, tmp_path):
    identity = find_parser(folder).identity
    assert identity.startswith("en_pipeline@0.0.0+")
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "__pycache__").mkdir()
    (copy / "__pycache__" / "a.pyc").write_bytes(b"a")
    assert find_parser(str(copy)).identity == identity
    weights = copy / "parser" / "model"
    weights.write_bytes(weights.read_bytes()[::-1])
    assert find_parser(copy).identity != identity


def test_a_loaded_pipeline_has_no_identity(untrained):
    parser = find_parser(untrained)
    assert parser.identity is None
    assert parser.description == "en_pipeline@0.0.0"


def test_find_parser_does_not_load_the_pipeline(folder, monkeypatch):
    monkeypatch.setattr(spacy, "load", None)
    assert find_parser(folder).identity


def test_files_without_a_parser_raise_before_loading(tmp_path):
    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    pipeline.to_disk(tmp_path)
    with pytest.raises(InputError, match="a component named parser, got sentencizer"):
        find_parser(tmp_path)


@pytest.mark.parametrize(
    ("parser", "message"),
    [
        ("no_such_pipeline", "cannot load the spaCy pipeline 'no_such_pipeline': there is no"),
        ("en_core_web_sm", "parser needs en_core_web_sm: python -m spacy download en_core_web_sm"),
        ("en_core_web_smm", "did you mean en_core_web_sm (python -m spacy download en_core_web_"),
        ("", "cannot load the spaCy pipeline ''"),
        (3, "parser must be the name or path of a spaCy pipeline, or a loaded one, got int"),
        (spacy.blank("en"), "the pipeline must have a component named parser, got none"),
    ],
)  # fmt: skip
def test_invalid_parsers_raise(parser, message):
    for function in (load_parser, find_parser):
        with pytest.raises(InputError) as caught:
            function(parser)
        assert message in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_folder_without_a_pipeline_raises(tmp_path):
    with pytest.raises(InputError, match=r"cannot load the spaCy pipeline '.*': \[E053\]"):
        load_parser(tmp_path)


def test_a_pipeline_without_a_parser_component_raises():
    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    with pytest.raises(InputError, match="a component named parser, got sentencizer"):
        load_parser(pipeline)


def test_a_pipeline_with_a_file_that_cannot_be_read_raises(folder):
    (folder / "bad").symlink_to("/proc/self/mem")  # reading address 0 is an input/output error
    with pytest.raises(InputError, match=r"cannot read the spaCy pipeline .*: Input/output error"):
        find_parser(folder)


def test_a_folder_of_a_similar_name_is_named(folder):
    with pytest.raises(InputError, match=rf"did you mean '{folder}'\?"):
        check_parser(folder.with_name("pipelin"))
