"""Surveys: relations and labels of a corpus, and what a first look finds before torch is loaded."""

import json
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest
import spacy
from helpers import tiny
from helpers.commands import CONLLU, refused, run_here

import headscore as hs
from headscore.corpus import read
from headscore.errors import InputError
from headscore.files import roles_in
from headscore.options import CorpusOptions, ScoreOptions
from headscore.roles.first_look import missing_at_first_look
from headscore.roles.specs import parse_roles
from headscore.roles.survey import Survey, look_for, survey

ROLES = parse_roles("syntactic,nsubj")


@pytest.fixture
def conllu(tmp_path):
    path = tmp_path / "small.conllu"
    path.write_text(CONLLU, encoding="utf-8")
    return path


def test_counts_equal_those_of_loops_over_words():
    sequences = [*tiny.sequences(30), *read(["no parse", ("a", "b")])]
    found = survey(sequences, ROLES)
    pairs, together = Counter(), Counter()
    for each in sequences:
        own = [
            relation
            for segment in each.segments
            for head, relation in zip(segment.heads or (), segment.relations or (), strict=True)
            if head != -1
        ]
        pairs.update(own)
        together["syntactic"] += bool({"nsubj", "obj", "dobj", "amod", "advmod"} & set(own))
        together["nsubj"] += "nsubj" in own
    assert found.pairs == pairs
    assert found.taking_part == together
    assert found.sequences == 32
    assert found.parsed == 30
    assert found.whole


def test_a_look_stops_once_all_was_met():
    def sequences():
        yield from tiny.sequences(20)
        raise AssertionError("read too far")

    assert not look_for(sequences(), parse_roles("nsubj"), seconds=60).whole
    assert look_for(tiny.sequences(20), parse_roles("nothing"), seconds=60).whole
    assert not look_for(tiny.sequences(20), parse_roles("nothing"), seconds=0).whole


@pytest.mark.parametrize("spec", ["nothing", "label:upos=nothing", "label:nothing"])
def test_a_look_compares_names_only_where_a_new_one_was_met(spec, monkeypatch):
    compared = []
    has = Survey.has
    monkeypatch.setattr(Survey, "has", lambda *given: compared.append(given) or has(*given))
    found = look_for(tiny.sequences(200), parse_roles(spec), seconds=60)
    assert found.whole
    assert 0 < len(compared) <= len(found.pairs) + sum(map(len, found.labels.values()))


@pytest.mark.parametrize(
    ("roles", "sentences"),
    [
        ("paper,local:1", []),
        ("nsubj,label:upos=NOUN,label:deprel", []),
        ("nsubj,amdo", ["no pair of relation 'amdo' in the corpus; near to amdo: amod"]),
        ("nsubj,label:uppos", ["no column 'uppos', its columns are upos, deprel, did you mean"]),
        ("nsubj,label:upos=noun", ["ADV, PUNCT, PRON, did you mean 'NOUN'?"]),
        ("nsubj,label:upos=VRB", ["which has ADJ, NOUN, VERB, ADV, PUNCT, PRON, did you mean 'VE"]),
    ],
)
def test_absent_roles_get_a_sentence(roles, sentences, conllu):
    roles, labels = parse_roles(roles), ("deprel",)
    found = missing_at_first_look(roles, conllu, CorpusOptions(labels=labels))
    assert len(found) == len(sentences)
    for one, part in zip(found, sentences, strict=True):
        assert part in one


@pytest.mark.parametrize(
    ("corpus", "roles", "part"),
    [
        (None, "nsbuj", "none of the roles occurs in the corpus: no pair of relation 'nsbuj'"),
        (["plain text"], "local,nsbuj", "the text is not parsed, so nsbuj has no sieve"),
        (["plain text"], "nsbuj", "others need no parse; near to nsbuj: nsubj, csubj"),
    ],
)
def test_roles_that_cannot_be_scored_raise(corpus, roles, part, conllu):
    with pytest.raises(InputError) as caught:
        missing_at_first_look(parse_roles(roles), corpus or conllu, CorpusOptions())
    assert part in str(caught.value)


def test_the_relations_of_a_pipeline_are_in_its_metadata(tmp_path):
    made = spacy.blank("en")
    made.add_pipe("parser").add_label("nsubj")
    made.initialize()
    made.to_disk(tmp_path / "pipeline")
    for parser in (made, str(tmp_path / "pipeline")):
        options = CorpusOptions(parser=parser)
        assert missing_at_first_look(parse_roles("nsubj"), ["text"], options) == []
        with pytest.raises(InputError, match="near to nsubjj: nsubj"):
            missing_at_first_look(parse_roles("nsubjj"), ["text"], options)


def test_what_can_be_read_once_only_is_left_alone():
    texts = iter(["a"])
    assert missing_at_first_look(parse_roles("nsubj"), texts, CorpusOptions()) == []
    assert list(texts) == ["a"]


def test_a_misspelled_relation_is_refused_before_the_model_is_loaded(conllu, tmp_path):
    with pytest.raises(hs.InputError, match="near to nsbuj: nsubj"):
        hs.analyze(tmp_path, conllu, roles="nsbuj")  # an empty folder is no model
    refused(run_here("analyze", tmp_path, conllu, "--roles", "nsbuj"), 3, "near to nsbuj: nsubj")
    refused(run_here("examples", tmp_path, conllu, "--head", "0.0", "--role", "nsbuj"), 3, "nsubj")


def test_the_command_lists_relations_and_labels(conllu):
    result = run_here("roles", conllu)
    assert result.returncode == 0, result.stderr
    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[0][:2] == ["2", "sequences,"]
    for row in (["syntactic", "5", "2"], ["nsubj", "2", "2"], ["amod", "1", "1"]):
        assert row in rows
    assert "label:upos  VERB 2, PUNCT 2, PRON 2, ADJ 1, NOUN 1, ADV 1" in result.stdout
    answer = json.loads(run_here("roles", conllu, "--json").stdout)
    assert answer["relations"][0] == {"relation": "nsubj", "word_pairs": 2, "sequences": 2}
    assert answer["labels"]["upos"]["ADJ"] == 1
    assert answer["documents"] == 1


def test_the_command_says_what_unparsed_text_lacks(tmp_path):
    path = tmp_path / "plain.txt"
    path.write_text("one\ntwo\n", encoding="utf-8")
    answer = run_here("roles", path).stdout
    assert "no roles of word pairs: the text is not parsed" in answer
    assert "0 parsed; no document is named\n" in answer  # its words are not told apart


def test_python_runs_the_package_as_the_command(conllu):
    result = subprocess.run(
        [sys.executable, "-m", "headscore", "roles", str(conllu), "--limit", "1"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.startswith("1 sequence, ")


@pytest.mark.parametrize("roles", ["nsubj", "paper"])
def test_a_column_of_a_control_that_is_not_there_is_refused_at_once(roles, conllu, tmp_path):
    result = run_here("analyze", tmp_path, conllu, "--roles", roles, "--control", "offset,uppos")
    refused(result, 3, "control must name columns", "got 'uppos', did you mean 'upos'?")
    assert (
        missing_at_first_look(parse_roles(roles), conllu, ScoreOptions(control="offset,upos")) == []
    )


def test_validate_and_doctor_answer_at_once(conllu, tmp_path):
    scores = tmp_path / "s.hs"
    hs.HeadScores.from_arrays(np.ones((9, 1, 2, 2)), ["nsubj"]).save(scores)
    arguments = ("validate", tmp_path, conllu, "--report", scores, "--roles", "nsbuj")
    code = (
        "import sys\nfrom headscore.cli import main\ncode = main(sys.argv[1:])\n"
        "assert not {'torch', 'pandas'} & set(sys.modules)\nraise SystemExit(code)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True
    )
    refused(result, 2, "roles must be those of the report, got 'nsbuj'; nearest: 'nsubj'")
    first, *_ = run_here("doctor", tmp_path / "nothing").stdout.splitlines()
    assert first.startswith("BAD model")


def test_roles_are_read_from_the_header_of_a_file(tmp_path):
    path = tmp_path / "s.hs"
    hs.HeadScores.from_arrays(np.ones((9, 2, 2, 2)), ["nsubj", "local"]).save(path)
    assert roles_in(path) == roles_in(path, "headscores") == ("nsubj", "local")
    assert roles_in(path, "report") == ()
    content = path.read_bytes()
    for broken in (b"", content[:40], content.replace(b"roles", b"rules"), b"\xff" * 64):
        path.write_bytes(broken)
        assert roles_in(path) == ()
    assert roles_in(tmp_path) == roles_in(tmp_path / "none") == ()
