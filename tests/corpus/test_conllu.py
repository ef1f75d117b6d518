"""CoNLL-U: words, spans, trees and ids of valid files, and the error for each broken rule."""

import re
from collections import Counter
from pathlib import Path

import pytest
from helpers.reading import read_arguments
from hypothesis import given, settings
from hypothesis import strategies as st

from headscore.corpus.conllu.reader import read_conllu
from headscore.corpus.sequence import Segment, Sequence
from headscore.errors import HeadscoreError, InputError


def row(id_="1", form="a", head="0", relation="root", misc="_"):
    return "\t".join([str(id_), form, "_", "_", "_", "_", str(head), relation, "_", misc])


def words(*heads, relations=None):
    """Rows of the words a, b, c, ... with these heads."""
    names = relations or ["root" if str(head) == "0" else "dep" for head in heads]
    return [row(i + 1, chr(97 + i), heads[i], names[i]) for i in range(len(heads))]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "in.conllu"


@pytest.fixture
def load(file):
    """Write lines (or bytes) and read them as CoNLL-U."""

    def load(lines, **options):
        data = lines if isinstance(lines, bytes) else ("\n".join(lines) + "\n").encode()
        file.write_bytes(data)
        return list(read_conllu(file, *read_arguments(**options)))

    return load


@pytest.fixture
def refused(load, file):
    """Read what must be refused; return the line and the reason."""

    def refused(lines):
        with pytest.raises(InputError) as caught:
            load(lines)
        found = re.fullmatch(re.escape(str(file)) + r":(\d+): ([^\n]+)", str(caught.value))
        assert found is not None, str(caught.value)
        return int(found[1]), found[2]

    return refused


def spelled(segment):
    return [segment.text[start:end] for start, end in segment.spans]


# ------------------------------------------------------------------ what is read


def test_a_sentence_becomes_words_spans_heads_and_relations(load):
    (one,) = load(
        [
            "# newdoc id = essay",
            "# sent_id = essay-1",
            "# text = Dogs bark!",
            row(1, "Dogs", 2, "nsubj:pass"),
            row(2, "bark", 0, "root", "Gloss=x|SpaceAfter=No"),
            row(3, "!", 2, "punct"),
            "",
        ]
    )
    assert one == Sequence(
        "essay-1",
        (
            Segment(
                "Dogs bark!",
                ("Dogs", "bark", "!"),
                ((0, 4), (5, 9), (9, 10)),
                (1, -1, 1),
                ("nsubj:pass", "root", "punct"),
            ),
        ),
        "essay",
    )


def test_only_the_exact_spaceafter_feature_joins_words(load):
    (one,) = load([row(1, "a", 0, "root", "XSpaceAfter=No|SpaceAfter=Nope"), row(2, "b", 1)])
    assert one.segments[0].text == "a b"


def test_a_range_that_spells_its_words_is_split_by_characters(load):
    (one,) = load(
        [
            row("1-2", "don't", "_", "_", "SpaceAfter=No"),
            row(1, "do", 0, "root", "SpaceAfter=Yes"),
            row(2, "n't", 1, "advmod"),
            row(3, ".", 1, "punct"),
        ]
    )
    assert one.segments[0].text == "don't."
    assert one.segments[0].spans == ((0, 2), (2, 5), (5, 6))


@pytest.mark.parametrize("surface", ["du", "Dele"], ids=["contracted", "another case"])
def test_a_range_that_does_not_spell_its_words_is_the_span_of_each(load, surface):
    (one,) = load(
        [
            row(1, "vin"),
            row("2-3", surface, "_", "_"),
            row(2, "de", 4, "case"),
            row(3, "le", 4, "det"),
            row(4, "sud", 1, "nmod"),
        ]
    )
    segment = one.segments[0]
    assert segment.text == f"vin {surface} sud"
    assert segment.words == ("vin", "de", "le", "sud")
    assert spelled(segment) == ["vin", surface, surface, "sud"]
    assert segment.heads == (-1, 3, 3, 0)


def test_empty_nodes_are_left_out(load):
    (one,) = load(
        [
            row("0.1", "ghost", "_", "_"),
            row(1, "a", 0),
            row("1.1", "_", "_", "_"),
            row("1.2", "ghost", "_", "_"),
            row(2, "b", 1, "dep"),
        ]
    )
    assert one.segments[0] == Segment("a b", ("a", "b"), ((0, 1), (2, 3)), (-1, 0), ("root", "dep"))


def test_repeated_words_keep_their_own_places(load):
    (one,) = load([row(1, "no"), row(2, "no", 1, "dep", "SpaceAfter=No"), row(3, "no", 1, "dep")])
    assert one.segments[0].spans == ((0, 2), (3, 5), (5, 7))


def test_a_form_may_contain_spaces(load):
    (one,) = load(["# text = 10 000 m", row(1, "10 000", 2, "nummod"), row(2, "m")])
    assert spelled(one.segments[0]) == ["10 000", "m"]


def test_a_sentence_without_any_head_is_not_parsed(load):
    (one,) = load(words("_", "_"))
    assert one.segments[0] == Segment("a b", ("a", "b"), ((0, 1), (2, 3)))
    assert not one.parsed


def test_a_word_without_a_head_among_others_keeps_its_relation(load):
    (one,) = load(words(0, "_", 2, relations=["root", "odd", "dep"]))
    assert one.segments[0].heads == (-1, -1, 1)
    assert one.segments[0].relations == ("root", "odd", "dep")


def test_missing_ids_are_the_position_in_the_file(load):
    lines = [row(), "", "# sent_id = mine", row(), "", "# sent_id =", row(), ""]
    assert [one.id for one in load(lines)] == ["s1", "mine", "s3"]


def test_a_document_extends_to_the_next_newdoc(load):
    lines = [row(), "", "# newdoc", row(), "", row(), "", "#newdoc id=b", row(), "", "# newdoc"]
    assert [one.document for one in load([*lines, row()])] == [None, "doc1", "doc1", "b", "doc3"]


def test_other_comments_are_ignored(load):
    (one,) = load(["# text_en = x", "# a = b = c", "#", "# newpar id = p", row()])
    assert one == Sequence("s1", (Segment("a", ("a",), ((0, 1),), (-1,), ("root",)),))


@pytest.mark.parametrize(
    "change",
    [
        lambda data: b"\xef\xbb\xbf" + data,
        lambda data: data.replace(b"\n", b"\r\n"),
        lambda data: data.rstrip(b"\n"),
        lambda data: b"\n\n" + data.replace(b"\n\n", b"\n\n\n") + b"\n\n",
    ],
    ids=["byte order mark", "CRLF", "no final blank line", "many blank lines"],
)
def test_byte_order_mark_crlf_and_blank_lines_change_nothing(load, change):
    glued = row(1, "a", 0, "root", "SpaceAfter=No")
    lines = ["# sent_id = é", glued, row(2, "b", 1), "", "# text = a", row(), "", ""]
    plain = "\n".join(lines).encode()
    expected = load(plain)
    assert [(one.id, one.segments[0].text) for one in expected] == [("é", "ab"), ("s2", "a")]
    assert load(change(plain)) == expected


def test_an_empty_file_gives_no_sentence(load):
    assert load(b"") == load(b"\xef\xbb\xbf\n\r\n") == []


def test_reading_is_lazy(load, file):
    file.write_text(row() + "\n\nbroken\n")
    stream = read_conllu(file)
    assert next(stream).id == "s1"
    with pytest.raises(InputError, match=r":3: "):
        next(stream)


# ------------------------------------------------------------------ text and words


@pytest.mark.parametrize(
    ("text", "expected", "spans"),
    [
        ("a b", "a b", ((0, 1), (2, 3))),
        ("a b ", "a b", ((0, 1), (2, 3))),
        ("a b\u00a0", "a b", ((0, 1), (2, 3))),
        ("a  b", "a  b", ((0, 1), (3, 4))),
        ("a\u00a0b", "a\u00a0b", ((0, 1), (2, 3))),
        ("a \u2003 b ", "a \u2003 b", ((0, 1), (4, 5))),
    ],
)
def test_the_text_may_have_other_white_space_between_words(load, text, expected, spans):
    (one,) = load([f"# text = {text}", *words(0, 1)])
    assert one.segments[0].text == expected
    assert one.segments[0].spans == spans


def test_a_white_space_word_follows_the_separating_space(load):
    (one,) = load(["# text = a  \u00a0 b", row(1, "a"), row(2, "\u00a0", 1), row(3, "b", 1)])
    assert one.segments[0].spans == ((0, 1), (3, 4), (5, 6))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("dogs barx", "got 'x' in '# text' but 'k' in the words at character 9"),
        ("dogs bar", "got the end in '# text' but 'k' in the words at character 9"),
        ("dogsbark", "got 'b' in '# text' but ' ' in the words at character 5"),
        ("dogs", "got the end in '# text' but ' ' in the words at character 5"),
        ("", "got the end in '# text' but 'd' in the words at character 1"),
        ("dogs bark!", "got '!' in '# text' but the end in the words at character 10"),
        ("dogs bark  ", "got ' ' in '# text' but the end in the words at character 10"),
        (" dogs bark", "got ' ' in '# text' but 'd' in the words at character 1"),
        ("Dogs bark", "got 'D' in '# text' but 'd' in the words at character 1"),
        ("dogs \u202ebark", r"got '\u202e' in '# text' but 'b' in the words at character 6"),
    ],
)
def test_a_text_that_differs_from_the_words_raises(refused, text, reason):
    lines = ["# sent_id = x", f"# text = {text}", row(1, "dogs", 2, "nsubj"), row(2, "bark")]
    assert refused(lines) == (2, f"the text and the words must agree, {reason}")


def test_a_space_in_the_text_after_spaceafter_no_raises(refused):
    lines = ["# text = a b", row(1, "a", 0, "root", "SpaceAfter=No"), row(2, "b", 1)]
    line, reason = refused(lines)
    assert line == 1
    assert reason.endswith("got ' ' in '# text' but 'b' in the words at character 2")


# ------------------------------------------------------------------ broken rules

GOOD = ["# newpar", "# sent_id = good", row(), ""]


@pytest.mark.parametrize(
    ("rows", "at", "reason"),
    [
        (["nonsense"], 0, "a row must have 10 columns, got 1"),
        ([" "], 0, "a row must have 10 columns, got 1"),
        ([row(), row(2, "b", 1) + "\t_"], 1, "a row must have 10 columns, got 11"),
        ([row(), "# late"], 1, "a row must have 10 columns, got 1"),
        ([row() + "\t2", row()[2:]], 0, "a row must have 10 columns, got 11"),
        ([row(), row(2, "", 1)], 1, "a form must have a character, got none"),
        ([row(2)], 0, "ids must count up, got '2' where 1 is due"),
        ([row(), row(1, "b", 1)], 1, "ids must count up, got '1' where 2 is due"),
        ([row(), row(3, "b", 1)], 1, "ids must count up, got '3' where 2 is due"),
        ([row("01")], 0, "ids must count up, got '01' where 1 is due"),
        ([row("\u0661")], 0, "ids must count up, got '\u0661' where 1 is due"),
        ([row("_")], 0, "ids must count up, got '_' where 1 is due"),
        ([row(), row("2.1")], 1, "ids must count up, got '2.1' where 2 is due"),
        ([row(), row("1.2")], 1, "ids must count up, got '1.2' where 2 is due"),
        ([row(), row("1-2")], 1, "ids must count up, got '1-2' where 2 is due"),
        ([row("1-0"), row()], 0, "ids must count up, got '1-0' where 1 is due"),
        ([row("1-x"), row()], 0, "ids must count up, got '1-x' where 1 is due"),
        ([row("1-2"), row("1-2"), *words(0, 1)], 1, "ids must count up, got '1-2' where 1 is due"),
        (
            [row("1-3"), row(), row("2-3"), *words(0, 1, 1)[1:]],
            2,
            "ids must count up, got '2-3' where 2 is due",
        ),
        ([row("1-2"), row()], 0, "a range must end at a word of the sentence, got '1-2'"),
        (["# alone"], 0, "a sentence must have a word, got none"),
        ([row("0.1")], 0, "a sentence must have a word, got none"),
        (words(0, 3), 1, "a head must be '_' or lie in 0..2, got '3'"),
        (words(0, -1), 1, "a head must be '_' or lie in 0..2, got '-1'"),
        (words(0, "x"), 1, "a head must be '_' or lie in 0..2, got 'x'"),
        (words(0, ""), 1, "a head must be '_' or lie in 0..2, got ''"),
        (words(0, "\u0661"), 1, "a head must be '_' or lie in 0..2, got '\u0661'"),
        (words(0, "9" * 5000), 1, "a head must be '_' or lie in 0..2, got '9999"),
        (words(0, 2), 1, "a word's head must be another word, got 2 for word 2"),
        (words(2, 3, 1), 0, "a sentence must have one root (head 0), got none"),
        (words("_", 1), 0, "a sentence must have one root (head 0), got none"),
        (words(0, 1, 0, 0), 2, "a sentence must have one root (head 0), got 3"),
        (words(0, 3, 2), 2, "heads must lead to the root, got a cycle through word 3"),
        (words(3, 0, 4, 1, 4), 3, "heads must lead to the root, got a cycle through word"),
        (["# x", GOOD[1], *words(0)], 1, "sent_id must be new, got 'good' as on line 2"),
    ],
)
def test_a_broken_rule_raises_with_its_line_or_is_skipped(load, refused, rows, at, reason):
    line, said = refused([*GOOD, "", *rows, ""])
    assert line == 6 + at
    assert said.startswith(reason)
    assert len(said) < 120

    counts, log = Counter(), []
    lines = [*GOOD, *rows, "", "# sent_id = end", row()]
    kept = load(lines, skip_invalid=True, counts=counts, log=log.append)
    assert [one.id for one in kept] == ["good", "end"]
    assert counts == {"invalid_skipped": 1}
    assert len(log) == 1
    assert log[0].startswith("skipped ")
    assert reason in log[0]


def test_a_long_cycle_raises(refused):
    """1 is the root, 2 .. 40 form a circle."""
    heads = [0, *range(3, 41), 2]
    rows = [row(i + 1, "w", head) for i, head in enumerate(heads)]
    _, reason = refused(rows)
    named = re.fullmatch(r"heads must lead to the root, got a cycle through word (\d+)", reason)
    assert named is not None
    assert 2 <= int(named[1]) <= 40


@pytest.mark.parametrize("n", [1, 2, 3, 7, 8, 9, 64, 65])
def test_a_chain_of_any_depth_is_a_tree(load, n):
    """Each word hangs on the next: the deepest tree there is."""
    (one,) = load([row(i + 1, "w", i + 2 if i + 1 < n else 0) for i in range(n)])
    assert one.segments[0].heads == (*range(1, n), -1)


def test_a_skipped_sentence_still_starts_its_document(load):
    lines = ["# newdoc id = new", row(5), "", row()]
    (kept,) = load(lines, skip_invalid=True)
    assert (kept.id, kept.document) == ("s2", "new")


def test_the_id_of_a_skipped_sentence_can_be_used_again(load):
    lines = ["# sent_id = x", row(5), "", "# sent_id = x", row()]
    (kept,) = load(lines, skip_invalid=True)
    assert kept.id == "x"


@pytest.mark.parametrize(
    ("data", "line", "reason"),
    [
        (b"# caf\xe9\n", 1, "the text must be UTF-8, got byte 0xe9"),
        ("\n".join([*GOOD, "# \n#"]).encode() + b"\xff", 6, "got byte 0xff"),
        (
            "\n".join(["", "# x", *words(0), row(2, "\0", 1), ""]).encode(),
            4,
            "got a NUL byte as in UTF-16",
        ),
        (row().encode("utf-16"), 1, "the text must be UTF-8, got UTF-16"),
        (b"\xfe\xff" + row().encode("utf-16-be"), 1, "the text must be UTF-8, got UTF-16"),
        (row().encode("utf-16-le"), 1, "got a NUL byte as in UTF-16"),
    ],
)
def test_other_encodings_raise_with_their_line(refused, load, data, line, reason):
    found, said = refused(data)
    assert found == line
    assert said.endswith(reason)
    with pytest.raises(InputError, match="must be UTF-8"):
        load(data, skip_invalid=True)


# ------------------------------------------------------------------ anything at all

FORM = st.text(
    st.characters(blacklist_categories=["Cs", "Zs", "Cc", "Zl", "Zp"]), min_size=1, max_size=6
)


@st.composite
def trees(draw):
    """A segment with a random tree: each word hangs on one drawn before it."""
    forms = draw(st.lists(FORM, min_size=1, max_size=12))
    order = draw(st.permutations(range(len(forms))))
    heads = [-1] * len(forms)
    for rank, word in enumerate(order[1:], start=1):
        heads[word] = order[draw(st.integers(0, rank - 1))]
    relations = [draw(st.sampled_from(["nsubj", "obj", "nsubj:pass", "_"])) for _ in forms]
    gaps = [draw(st.sampled_from(["", " ", "  ", "\u00a0"])) for _ in forms[1:]]
    text, spans = "", []
    for form, gap in zip(forms, ["", *gaps], strict=True):
        text += gap
        spans.append((len(text), len(text) + len(form)))
        text += form
    return Segment(text, tuple(forms), tuple(spans), tuple(heads), tuple(relations))


def written(sequence):
    """Write a sequence of one parsed segment as CoNLL-U."""
    (segment,) = sequence.segments
    lines = [f"# newdoc id = {sequence.document}", f"# sent_id = {sequence.id}"]
    lines.append(f"# text = {segment.text}")
    starts = [start for start, _ in segment.spans[1:]]
    for i, form in enumerate(segment.words):
        glued = i < len(starts) and segment.spans[i][1] == starts[i]
        misc = "SpaceAfter=No" if glued else "_"
        lines.append(row(i + 1, form, segment.heads[i] + 1, segment.relations[i], misc))
    return "\n".join([*lines, "", ""])


@settings(deadline=None)
@given(st.lists(trees(), min_size=1, max_size=4))
def test_written_sentences_are_read_back(tmp_path_factory, segments):
    sequences = [Sequence(f"n{i}", (one,), f"d{i // 2}") for i, one in enumerate(segments)]
    path = tmp_path_factory.getbasetemp() / "written.conllu"
    path.write_bytes("".join(map(written, sequences)).encode())
    assert list(read_conllu(path)) == sequences


SAMPLE = "\n".join(
    [
        *["# newdoc id = d", "# sent_id = x", "# text = don't go."],
        *[row("1-2", "don't", "_"), *words(3, 3, 0)[:2], row("2.1", "_", "_")],
        *[row(3, "go", 0, "root", "SpaceAfter=No"), row(4, ".", 3), "", row(), ""],
    ]
).encode()


def outcome(path):
    """Return the sequences of a file and no message, or no sequence and the message."""
    try:
        return list(read_conllu(path)), ""
    except HeadscoreError as error:
        return [], str(error)


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_random_bytes_are_read_or_raise_with_the_path(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "random.conllu"
    path.write_bytes(data)
    sequences, refused = outcome(path)
    assert sequences or refused or not data.removeprefix(b"\xef\xbb\xbf").strip()
    assert refused.startswith(f"{path}:" if refused else "")


@settings(deadline=None, max_examples=200)
@given(
    st.lists(
        st.tuples(
            st.integers(0, len(SAMPLE)),
            st.integers(0, 3),
            st.sampled_from(
                [b"", b"\t", b"\n", b"-", b".", b"0", b"1", b"#", b"\r", b"\xc3", b" "]
            ),
        ),
        min_size=1,
        max_size=4,
    )
)
def test_a_damaged_file_raises_or_gives_trees(tmp_path_factory, damages):
    data = SAMPLE
    for at, cut, put in damages:
        data = data[:at] + put + data[at + cut :]
    path = tmp_path_factory.getbasetemp() / "damaged.conllu"
    path.write_bytes(data)
    sequences, refused = outcome(path)
    assert refused.startswith(f"{path}:" if refused else "")
    for sequence in sequences:
        (segment,) = sequence.segments
        assert all(0 <= start < end <= len(segment.text) for start, end in segment.spans)
        for word in range(len(segment.words) if segment.parsed else 0):
            steps = 0
            while word >= 0:
                word, steps = segment.heads[word], steps + 1
                assert steps <= len(segment.words)


# ------------------------------------------------------------------ a real treebank


@pytest.mark.shared
def test_the_english_treebank_is_read_completely(shared: Path):
    path = shared / "data/ud/en_ewt-ud-dev.conllu"
    raw = path.read_text(encoding="utf-8")
    texts = re.findall(r"^# text = (.*)$", raw, re.MULTILINE)
    sequences = list(read_conllu(path))
    assert len(sequences) == 2001
    assert [one.segments[0].text for one in sequences] == texts
    assert len({one.document for one in sequences}) == raw.count("# newdoc id = ") == 318
    assert all(one.parsed for one in sequences)
    n_words = sum(len(one.segments[0].words) for one in sequences)
    assert n_words == len(re.findall(r"^\d+\t", raw, re.MULTILINE))
    n_roots = sum(one.segments[0].heads.count(-1) for one in sequences)
    assert n_roots == 2001


@pytest.mark.shared
def test_spans_of_the_treebank_match_its_words(shared: Path):
    """All 359 ranges of this treebank spell their words, so that none keeps a whole range."""
    for sequence in read_conllu(shared / "data/ud/en_ewt-ud-dev.conllu"):
        (segment,) = sequence.segments
        assert tuple(spelled(segment)) == segment.words
        assert list(segment.spans) == sorted(set(segment.spans))
