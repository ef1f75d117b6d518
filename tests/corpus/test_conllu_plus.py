"""CoNLL-U Plus: named columns, labels by column, coreferent words, and the compiled reader."""

import re
from pathlib import Path

import numpy as np
import pytest
from helpers import tiny

import headscore as hs
from headscore.corpus.readers import read
from headscore.errors import InputError

DATA = Path(__file__).parents[1] / "data"


@pytest.fixture
def load(tmp_path):
    """Write lines and read them as one segment each; other endings by name."""

    def load(*lines, name="in.conllup"):
        path = tmp_path / name
        path.write_text("\n".join([*lines, "", ""]), encoding="utf-8")
        return [sequence.segments[0] for sequence in read(path)]

    return load


def rows(*words, heads=None):
    """Rows of ID FORM and of what `words` hold behind the form."""
    return ["\t".join([str(n), *word.split()]) for n, word in enumerate(words, start=1)]


def test_a_file_of_verbal_expressions_is_read():
    sequences = list(read(DATA / "expressions.cupt"))
    first = sequences[0].segments[0]
    assert [each.id for each in sequences] == ["a", "s2"]
    assert first.words == ("Ann", "gave", "up")
    assert first.heads == (1, -1, 1)
    assert first.relations == ("nsubj", "root", "compound:prt")
    assert first.labels == {
        "lemma": ("Ann", "give", "up"),
        "upos": ("PROPN", "VERB", "ADP"),
        "parseme:mwe": ("", "1:VPC.full", "1"),
    }
    assert sequences[1].segments[0].text == "Stop!"


def test_columns_may_stand_in_any_order_and_only_id_and_form_are_needed(load):
    (segment,) = load(
        "# global.columns = FORM ID X:ner", "a\t1\tPER", "b\t2-3\t_", "c\t2\t*", "d\t3\tLOC"
    )
    assert segment.text == "a b"
    assert segment.words == ("a", "c", "d")
    assert segment.spans == ((0, 1), (2, 3), (2, 3))
    assert segment.labels == {"x:ner": ("PER", "", "LOC")}
    assert not segment.parsed
    assert segment.heads is segment.relations is None


@pytest.mark.parametrize("columns", ["ID FORM HEAD", "ID FORM DEPREL"])
def test_heads_without_relations_are_no_parse(load, columns):
    (segment,) = load(f"# global.columns = {columns}", "1\ta\t0")
    assert not segment.parsed
    assert segment.labels is None


def test_without_misc_the_text_shows_where_spaces_are(load):
    (segment,) = load(
        "# global.columns = ID FORM",
        "# text = Don't go, Ann!",
        *rows("Do", "n't", "go", ",", "Ann", "!"),
    )
    assert [segment.text[a:b] for a, b in segment.spans] == list(segment.words)
    with pytest.raises(InputError, match=re.escape(":2: the text and the words must agree")):
        load("# global.columns = ID FORM", "# text = Don't", *rows("Do", "not"))


def test_the_names_may_be_those_of_conllu_or_stand_alone(load):
    plain = "# global.columns = ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC"
    row = "1\ta\t_\tX\t_\t_\t0\troot\t_\t_"
    want = load(row, name="in.conllu")
    assert load(plain, row) == load(plain, "", row) == want
    assert load("# global.columns = ID FORM", "", "1\ta", "", "1\tb")[1].words == ("b",)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["# global.columns = ID LEMMA", "1\ta"], ":1: global.columns must be different names, ID"),
        (["# global.columns =", "1\ta"], ":1: .*, got none"),
        (["# global.columns = ID FORM FORM", "1\ta\tb"], "got ID FORM FORM"),
        (["# global.columns = ID FORM", "1\ta\tb"], ":2: a row must have 2 columns, got 3"),
        (["# global.columns = ID FORM", "2\ta"], ":2: ids must count up"),
        (["# global.columns = ID FORM HEAD DEPREL", "1\ta\t7\tx"], ":2: a head must be"),
        (
            ["# global.columns = ID FORM", "1\ta", "", "# global.columns = FORM ID", "a\t1"],
            ":4: global.columns must be ID FORM as before, got FORM ID",
        ),
        (
            ["1\ta\t_\t_\t_\t_\t0\troot\t_\t_", "", "# x", "# global.columns = ID FORM", "1\ta"],
            ":4: global.columns must be ID FORM LEMMA .* as before, got ID FORM",
        ),
    ],
)
def test_broken_rules_raise_with_their_line(load, lines, message):
    with pytest.raises(InputError, match=message):
        load(*lines)


def test_coreferent_mentions_become_word_pairs(load):
    (segment,) = load(
        "# global.columns = ID FORM HEAD DEPREL COREF",
        "1\tThe\t2\tdet\t(4",
        "2\tdog\t3\tnsubj\t4)",
        "3\tsaw\t0\troot\t_",
        "4\tits\t5\tnmod\t(4)|(7",
        "5\ttail\t3\tobj\t7)",
        "6\tand\t7\tcc\t-",
        "7\tit\t3\tconj\t(7)",
        "8\tagain\t3\tadvmod\t(9",
    )
    # mention before: "The dog" with the head dog; "its tail" with the head tail
    assert segment.word_pairs == (("coref", 3, 1), ("coref", 6, 4))
    assert segment.labels is None


def test_entities_in_misc_give_their_heads(load):
    misc = [
        "Entity=(e1-person-1",
        "Entity=e1)",
        "_",
        "SpaceAfter=No|Entity=(e1-person-1)(e2[1/2]-x-1)",
    ]
    misc += ["Entity=(e2[2/2]-x-1)", "Entity=(e2-x-9"]
    lines = [f"{n}\tw{n}\t_\t_\t_\t_\t_\t_\t_\t{each}" for n, each in enumerate(misc, start=1)]
    entity = "# global.Entity = eid-etype-head-other"
    (segment,) = load(entity, *lines, "7\tw7\t_\t_\t_\t_\t_\t_\t_\tEntity=e2)", name="in.conllu")
    assert segment.word_pairs == (("coref", 3, 0), ("coref", 6, 3))
    assert segment.parsed
    assert segment.heads is None
    assert load(*lines, name="in.conllu")[0].word_pairs is None


def test_coreferent_words_are_scored_from_the_file_to_the_heads(tmp_path):
    loaded = tiny.load("bert")
    path = tmp_path / "in.conllup"
    lines = "# global.columns = ID FORM COREF\n1\tbal\t(1)\n2\tdan\t_\n3\tgor\t(1)\n\n"
    path.write_text(lines + lines.replace("gor", "bal"), encoding="utf-8")
    encoded = hs.encode(path, loaded.tokenizer)
    assert encoded.relation_names == ("coref",)
    with_ = hs.score(loaded.network, path, roles="coref,local", tokenizer=loaded.tokenizer)
    drawn = [
        hs.Sequence.from_words(["bal", "dan", word], word_pairs=[("coref", 2, 0)])
        for word in ("gor", "bal")
    ]
    given = hs.score(loaded.network, drawn, roles="coref,local", tokenizer=loaded.tokenizer)
    np.testing.assert_array_equal(with_.values, given.values)
    assert np.isfinite(with_.values).all()
