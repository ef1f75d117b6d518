"""Labels of words: columns, features and MISC of CoNLL-U, and what a spaCy document has."""

import numpy as np
import pytest
import spacy
from helpers import tiny

import headscore as hs
from headscore.corpus.spacy_doc import read_doc
from headscore.errors import InputError
from headscore.options import ScoreOptions
from headscore.parsing.parse import parse
from headscore.parsing.pipelines import find_parser
from headscore.parsing.store import ParseStore

CONLLU = """\
1-2\tim\t_\t_\t_\t_\t_\t_\t_\tGloss=in.the
1\tin\tin\tADP\tAPPR\t_\t3\tcase\t_\tGloss=in|Checked
2\tdem\tder\tDET\tART\tCase=Dat|Gender=Neut\t3\tdet\t_\t_
3\tHaus\tHaus\tNOUN\tNN\tCase=Dat|Number=Sing\t0\troot\t_\tCase=wrong

"""


@pytest.fixture
def load(tmp_path):
    path = tmp_path / "in.conllu"
    path.write_text(CONLLU, encoding="utf-8")
    return lambda *labels: next(hs.read(path, labels=labels)).segments[0].labels


def test_parts_of_speech_alone_are_read_by_default(load):
    assert load() == {"upos": ("ADP", "DET", "NOUN")}


def test_columns_features_and_misc_are_read_by_name_in_any_case(load):
    assert load("xpos", "Case", "gloss", "checked", "lemma", "nothing") == {
        "upos": ("ADP", "DET", "NOUN"),
        "xpos": ("APPR", "ART", "NN"),
        "Case": ("", "Dat", "Dat"),
        "gloss": ("in", "", ""),
        "checked": ("yes", "", ""),
        "lemma": ("in", "der", "Haus"),
    }
    assert load("feats", "MISC")["feats"] == ("", "Case=Dat|Gender=Neut", "Case=Dat|Number=Sing")


def test_a_star_reads_all_labels(load):
    found = load("*")
    assert list(found) == [
        "upos", "lemma", "xpos", "deprel", "gloss", "checked", "case", "gender", "number"
    ]  # fmt: skip
    assert found["deprel"] == ("case", "det", "root")


def test_text_and_parse_are_those_of_the_compiled_reader(tmp_path):
    path = tmp_path / "many.conllu"
    path.write_text(CONLLU.replace("1-2", "# sent_id = a\n1-2") + CONLLU, encoding="utf-8")
    plain, labelled = (list(hs.read(path, labels=labels)) for labels in ((), ("xpos",)))
    for one, other in zip(plain, labelled, strict=True):
        assert (one.id, one.document) == (other.id, other.document)
        for name in ("text", "words", "spans", "heads", "relations"):
            assert getattr(one.segments[0], name) == getattr(other.segments[0], name)


def test_roles_and_control_name_labels():
    role = hs.Role("label:case=Nom", lambda batch: None)
    options = ScoreOptions(
        roles=["local", "label:xpos=NN", role], control="offset,upos,number", labels=("lemma",)
    )
    assert options.labels == ("lemma", "xpos", "case", "upos", "number")
    assert ScoreOptions(roles="paper").labels == ()


@pytest.fixture(scope="module")
def pipeline():
    """A pipeline whose parser was never trained, with entities and lemmas by rule."""
    made = spacy.blank("en")
    made.add_pipe("parser").add_label("dep")
    ruler = made.add_pipe("attribute_ruler")
    rule = {"TAG": "NNP", "LEMMA": "rome", "MORPH": "Number=Sing", "POS": "PROPN"}
    made.initialize()
    ruler.add(patterns=[[{"LOWER": "rome"}]], attrs=rule)
    made.add_pipe("entity_ruler").add_patterns([{"label": "GPE", "pattern": "Rome"}])
    return made


def test_labels_of_a_document_are_read_by_name(pipeline):
    doc = pipeline("See Rome")
    assert read_doc(doc).labels == {"upos": ("", "PROPN"), "entity": ("", "GPE")}
    found = read_doc(doc, labels=("tag", "Number")).labels
    assert (found["tag"], found["Number"]) == (("", "NNP"), ("", "Sing"))
    assert set(read_doc(doc, labels=("*",)).labels) >= {"lemma", "xpos", "number", "entity"}
    (sequence,) = hs.read([doc], labels=("lemma",))
    assert sequence.segments[0].labels["lemma"] == ("", "rome")


def test_stored_labels_are_those_of_the_parser(pipeline, tmp_path):
    pipeline.to_disk(tmp_path / "pipeline")
    texts = [hs.Sequence.from_text("See Rome"), hs.Sequence.from_words(["Rome"], id="words")]
    texts.append(hs.Sequence.from_words(["Rome"], labels={"entity": ["CITY"]}, id="own"))
    parser = find_parser(str(tmp_path / "pipeline"))
    asked = [("entity",), ("tag", "Number"), ("entity", "lemma", "number"), ("*",), ("none",), ()]
    for run in range(2):
        for labels in asked:
            with ParseStore(tmp_path / "a.hsp", parser.identity, labels) as store:
                stored = list(parse(texts, parser, store=store, labels=labels))
            assert stored == list(parse(texts, parser, labels=labels)), (run, labels)


@pytest.mark.parametrize("processes", [0, 1])
def test_a_parser_gives_the_labels_that_are_asked_for(pipeline, processes, tmp_path):
    pipeline.to_disk(tmp_path)
    texts = [hs.Sequence.from_text("See Rome"), hs.Sequence.from_words(["Rome"], id="words")]
    texts.append(hs.Sequence.from_words(["Rome"], labels={"entity": ["CITY"]}, id="own"))
    parser = find_parser(str(tmp_path))

    def found(*labels):
        sequences = parse(texts, parser, processes=processes, labels=labels)
        return [each.segments[0].labels for each in sequences]

    assert found() == [None, None, {"entity": ("CITY",)}]
    assert found("entity") == [
        {"entity": ("", "GPE")}, {"entity": ("GPE",)}, {"entity": ("CITY",)}
    ]  # fmt: skip
    assert found("tag")[0] == {"tag": ("", "NNP")}


@pytest.mark.parametrize("corpus", [list, iter], ids=["list", "stream"])
@pytest.mark.parametrize(
    "options", [{"roles": "label:number"}, {"roles": "case", "control": "offset,number"}]
)
def test_a_column_that_read_left_out_is_named_with_its_option(corpus, options, tmp_path):
    path = tmp_path / "in.conllu"
    path.write_text(CONLLU, encoding="utf-8")
    model = tiny.save(tmp_path / "model")
    with pytest.raises(InputError, match=r"hs\.read\(path, labels=\['number'\]\)$"):
        hs.score(model, corpus(hs.read(path)), **options)
    hs.score(model, corpus(hs.read(path, labels=["number"])), **options)


def test_a_column_that_a_file_does_not_have_is_refused_without_the_option_of_read(tmp_path):
    path = tmp_path / "in.conllu"
    path.write_text(CONLLU, encoding="utf-8")
    with pytest.raises(InputError, match=r"no column 'numbers'.* did you mean 'number'\?$"):
        hs.score(str(tmp_path), path, roles="label:numbers")


def test_a_role_of_a_feature_is_scored(tmp_path):
    words = tiny.sequences(12)
    lines = []
    for sequence in words:
        for place, word in enumerate(sequence.segments[0].words, start=1):
            case = "Nom" if place == 2 else "Acc"
            lines.append(f"{place}\t{word}\t_\t_\t_\tCase={case}\t_\t_\t_\t_")
        lines.append("")
    path = tmp_path / "in.conllu"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    scores = hs.score(tiny.save(tmp_path / "model"), path, roles="label:case=Nom")
    assert np.isfinite(scores.values).all()
